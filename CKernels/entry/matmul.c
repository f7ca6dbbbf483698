// matmul.c: ck_matmul, ck_matmul_blas: check, cut the matrices into units of work, run.

#include "ck_matmul.h"

#include <limits.h>
#include <stdatomic.h>

#include "dispatch/select.h"
#include "entry/row_blocks.h"
#include "entry/strided_rows.h"
#include "parallel/blas.h"
#include "parallel/blocks.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static ck_grid a_grid(const ck_matmul_args *m) {
    int64_t rows = m->a_transposed ? m->depth : m->rows, columns = m->a_transposed ? m->rows : m->depth;
    return (ck_grid){m->a, ck_size_of(m->a_type), m->batch, m->heads, rows, columns, m->a_strides};
}
static ck_grid b_grid(const ck_matmul_args *m) {
    int64_t rows = m->b_transposed ? m->columns : m->depth, columns = m->b_transposed ? m->depth : m->columns;
    return (ck_grid){m->b, ck_size_of(m->b_type), m->batch, m->b_heads, rows, columns, m->b_strides};
}
static ck_grid c_grid(const ck_matmul_args *m) {
    return (ck_grid){m->c, ck_size_of(m->c_type), m->batch, m->heads, m->rows, m->columns, m->c_strides};
}

static int has_work(const ck_matmul_args *m) { return m->batch > 0 && m->heads > 0 && m->rows > 0 && m->columns > 0; }

/// Types, counts and strides.
static ck_status check_shapes(const ck_matmul_args *m) {
    CK_CHECK(ck_check_type(m->a_type));
    CK_CHECK(ck_check_type(m->b_type));
    CK_CHECK(ck_check_type(m->c_type));
    if (m->batch < 0 || m->heads < 0 || m->b_heads < 0 || m->rows < 0 || m->columns < 0 || m->depth < 0)
        return CK_BAD_SHAPE;
    if (m->heads > 0 && (m->b_heads == 0 || m->heads % m->b_heads != 0)) return CK_BAD_SHAPE;
    if (!ck_is_finite(m->scale)) return CK_BAD_PARAMETER;
    if (!has_work(m)) return CK_OK;
    CK_CHECK(ck_check_grid(c_grid(m)));
    CK_CHECK(ck_check_rows_apart(c_grid(m)));
    if (m->depth == 0) return CK_OK;
    CK_CHECK(ck_check_grid(a_grid(m)));
    return ck_check_grid(b_grid(m));
}

/// Pointers of a call that has work; its shapes have been checked.
static ck_status check_memory(const ck_matmul_args *m, ck_area workspace) {
    ck_area areas[] = {{0}, {0}, workspace}, c = ck_grid_area(c_grid(m));
    if (m->depth > 0) {
        areas[0] = ck_grid_area(a_grid(m));
        areas[1] = ck_grid_area(b_grid(m));
        CK_CHECK(ck_check_pointer(areas[0]));
        CK_CHECK(ck_check_pointer(areas[1]));
    }
    CK_CHECK(ck_check_pointer(c));
    CK_CHECK(ck_check_output(c, areas, 3, -1));
    return ck_check_output(workspace, areas, 2, -1);
}

/// A fused multiply-add takes as long as half a byte of traffic (entry/attention.c).
static int64_t worth(const ck_matmul_args *m) {
    double terms = (double)m->batch * (double)m->heads * (double)m->rows * (double)m->columns * (double)m->depth;
    return terms < 0x1p60 ? (int64_t)(0.5 * terms) : (int64_t)1 << 59;
}

static int64_t threads_of(const ck_matmul_args *m, ck_run run) {
    int64_t threads = run.threads > 0 ? run.threads : ck_max_threads();
    return ck_is_shared(INT64_MAX, worth(m), run.threads) ? threads : 1;
}

/// Rows for about four units a thread, but of no fewer rows than four tiles.
static int64_t rows_of_unit(const ck_matmul_args *m, int64_t of_row, int64_t most, int64_t threads) {
    int64_t planes = m->batch * m->heads * of_row,
            size = threads == 1 ? most : m->rows * planes / (4 * threads) / 24 * 24;
    return least(m->rows, least(size < 24 ? 24 : size, most));
}

static ck_matmul_plan plan_of(const ck_matmul_args *m, int64_t threads) {
    ck_matmul_plan p = {
        .column_units = m->columns / CK_PRODUCT_COLUMNS + (m->columns % CK_PRODUCT_COLUMNS != 0),
        .depth = (least(m->depth, CK_PRODUCT_DEPTH) + 15) / 16 * 16,
    };
    p.rows_per_unit = rows_of_unit(m, p.column_units, CK_PRODUCT_ROWS, threads);
    p.row_units = m->rows / p.rows_per_unit + (m->rows % p.rows_per_unit != 0);
    return p;
}

static int64_t units_of(const ck_matmul_args *m, const ck_matmul_plan *p) {
    return m->batch * m->heads * p->row_units * p->column_units;
}

/// Bytes of workspace of a call that has work.
static size_t workspace_bytes(const ck_matmul_args *m, const ck_matmul_plan *p, int64_t threads) {
    return (size_t)(least(threads, units_of(m, p)) * ck_matmul_floats(p)) * sizeof(float);
}

size_t ck_matmul_workspace(const ck_matmul_args *args, ck_run run) {
    if (!args || run.threads < 0 || check_shapes(args) != CK_OK || !has_work(args)) return 0;
    int64_t threads = threads_of(args, run);
    ck_matmul_plan plan = plan_of(args, threads);
    return workspace_bytes(args, &plan, threads);
}

typedef struct matmul_call {
    const ck_matmul_args *args;
    const ck_kernel_table *table;
    ck_matmul_plan plan;
    atomic_int *next_space;
} matmul_call;

/// A thread's part of the units, in a space of its own.
static void run_units(const void *context, int64_t begin, int64_t end) {
    const matmul_call *call = context;
    float *space =
        (float *)call->args->workspace + atomic_fetch_add(call->next_space, 1) * ck_matmul_floats(&call->plan);
    call->table->matmul(call->args, &call->plan, begin, end, space);
}

ck_status ck_matmul(const ck_matmul_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_shapes(args));
    CK_CHECK(ck_check_threads(run));
    ck_matmul_args m = *args;
    atomic_int next_space = 0;
    matmul_call call = {.args = &m, .next_space = &next_space};
    CK_CHECK(ck_select(run.isa, &call.table));
    if (!has_work(&m)) return CK_OK;
    int64_t threads = threads_of(&m, run);
    call.plan = plan_of(&m, threads);
    size_t bytes = workspace_bytes(&m, &call.plan, threads);
    CK_CHECK(ck_check_workspace(m.workspace, m.workspace_size, bytes));
    CK_CHECK(check_memory(&m, ck_vector_area(m.workspace, CK_F32, (int64_t)(bytes / sizeof(float)))));
    if (m.depth == 0) {  // nothing of them is read
        m.a = m.b = m.c;
        m.a_strides = m.b_strides = (ck_strides){0};
    }
    ck_run_blocks(units_of(&m, &call.plan), worth(&m), run.threads, run_units, &call);
    return CK_OK;
}

// MARK: BLAS

typedef struct blas_call {
    const ck_matmul_args *args;
    int64_t rows_per_unit, row_units;
} blas_call;

static const float *matrix_at(const void *base, ck_strides s, int64_t batch, int64_t head) {
    return (const float *)base + batch * s.batch + head * s.head;
}

static void run_blas(const void *context, int64_t begin, int64_t end) {
    const blas_call *call = context;
    const ck_matmul_args *m = call->args;
    for (int64_t n = begin; n < end; n++) {
        int64_t row = n % call->row_units * call->rows_per_unit, matrix = n / call->row_units;
        int64_t batch = matrix / m->heads, head = matrix % m->heads, b_head = head / (m->heads / m->b_heads);
        ck_blas_matrix a = {matrix_at(m->a, m->a_strides, batch, head), m->a_transposed, (int)m->a_strides.row};
        ck_blas_matrix b = {matrix_at(m->b, m->b_strides, batch, b_head), m->b_transposed, (int)m->b_strides.row};
        a.at += m->a_transposed ? row : row * m->a_strides.row;
        float *c = (float *)m->c + batch * m->c_strides.batch + head * m->c_strides.head + row * m->c_strides.row;
        ck_sgemm((int)least(call->rows_per_unit, m->rows - row), (int)m->columns, (int)m->depth, m->scale, a, b, c,
                 (int)m->c_strides.row);
    }
}

/// BLAS wants a right stride from row to row even where it never takes it.
static ck_status fit_pitch(ck_grid g, ck_strides *strides) {
    int64_t needed = g.cols > 0 ? g.cols : 1;
    if ((g.rows <= 1 || g.cols == 0) && strides->row < needed) strides->row = needed;
    if (strides->row < needed) return CK_BAD_STRIDE;
    return g.rows > INT_MAX || g.cols > INT_MAX || strides->row > INT_MAX ? CK_SIZE_OVERFLOW : CK_OK;
}

ck_status ck_matmul_blas(const ck_matmul_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_shapes(args));
    CK_CHECK(ck_check_threads(run));
    ck_matmul_args m = *args;
    if (m.a_type != CK_F32 || m.b_type != CK_F32 || m.c_type != CK_F32) return CK_UNKNOWN_TYPE;
    if (!has_work(&m)) return ck_has_blas() ? CK_OK : CK_BLAS_UNAVAILABLE;
    CK_CHECK(fit_pitch(a_grid(&m), &m.a_strides));
    CK_CHECK(fit_pitch(b_grid(&m), &m.b_strides));
    CK_CHECK(fit_pitch(c_grid(&m), &m.c_strides));
    CK_CHECK(check_memory(args, (ck_area){0}));
    if (!ck_has_blas()) return CK_BLAS_UNAVAILABLE;
    blas_call call = {.args = &m, .rows_per_unit = rows_of_unit(&m, 1, INT_MAX, threads_of(&m, run))};
    call.row_units = m.rows / call.rows_per_unit + (m.rows % call.rows_per_unit != 0);
    ck_blas_begin();
    ck_run_blocks(m.batch * m.heads * call.row_units, worth(&m), run.threads, run_blas, &call);
    ck_blas_end();
    return CK_OK;
}
