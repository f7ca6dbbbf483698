// layer_norm_backward.c: ck_layer_norm_backward: check, pick the table, run the row blocks, merge their sums.

#include <string.h>

#include "ck_layer_norm.h"
#include "dispatch/select.h"
#include "entry/arguments.h"
#include "parallel/blocks.h"

/// Rows in one partial sum of dweight and dbias. Part of the arithmetic contract: it depends on the
/// shape alone. At most 64 blocks, of at least 16 rows and a multiple of 4.
static int64_t rows_per_block(int64_t rows) {
    int64_t share = rows / 64 + (rows % 64 != 0);
    return share <= 16 ? 16 : (share + 3) / 4 * 4;
}
static int64_t block_count(int64_t rows) {
    int64_t size = rows_per_block(rows);
    return rows / size + (rows % size != 0);
}

/// Floats from one partial sum to the next: whole cache lines, so that threads do not share one.
static int64_t sum_stride(int64_t cols) { return (cols + 15) / 16 * 16; }

size_t ck_layer_norm_backward_workspace(int64_t rows, int64_t cols) {
    int64_t bytes;
    if (ck_check_shape(rows, cols, cols) != CK_OK || rows == 0 || cols > INT64_MAX / 64) return 0;
    if (__builtin_mul_overflow(2 * block_count(rows) * (int64_t)sizeof(float), sum_stride(cols), &bytes)) return 0;
    return (size_t)bytes;
}

typedef struct backward_call {
    const ck_layer_norm_backward_args *args;
    const ck_kernel_table *table;
    float *weight_sums, *bias_sums;  // [blocks][sum_stride], or NULL
    int64_t blocks;
    int streaming;
} backward_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    int64_t size = rows_per_block(call->args->rows), stride = sum_stride(call->args->cols);
    for (int64_t block = begin; block < end; block++) {
        int64_t last = (block + 1) * size;
        if (last > call->args->rows) last = call->args->rows;
        float *weight_sums = call->weight_sums ? call->weight_sums + block * stride : 0;
        float *bias_sums = call->bias_sums ? call->bias_sums + block * stride : 0;
        call->table->layer_norm_backward(call->args, block * size, last, weight_sums, bias_sums, call->streaming);
    }
}

/// Blocks of 1,024 columns.
static void merge_columns(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_layer_norm_backward_args *a = call->args;
    int64_t stride = sum_stride(a->cols), last = end * 1024 < a->cols ? end * 1024 : a->cols;
    if (a->dweight)
        call->table->merge_sums(call->weight_sums, call->blocks, stride, a->dweight, begin * 1024, last, a->accumulate);
    if (a->dbias)
        call->table->merge_sums(call->bias_sums, call->blocks, stride, a->dbias, begin * 1024, last, a->accumulate);
}

static ck_status check_workspace(const ck_layer_norm_backward_args *a, size_t needed) {
    if (needed == 0) return CK_SIZE_OVERFLOW;
    if (!a->workspace) return CK_NULL_POINTER;
    if ((uintptr_t)a->workspace % 64 != 0) return CK_MISALIGNED_POINTER;
    return a->workspace_size < needed ? CK_WORKSPACE_TOO_SMALL : CK_OK;
}

static ck_status check(const ck_layer_norm_backward_args *a, int wants_sums) {
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (a->dx) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_stride));
    size_t needed = ck_layer_norm_backward_workspace(a->rows, a->cols);

    enum { DY, X, WEIGHT, MEAN, MEAN_LOW, RSTD, DWEIGHT, DBIAS, WORKSPACE, AREAS };
    ck_area dx = ck_matrix_area(a->dx, CK_F32, a->rows, a->cols, a->dx_stride);
    ck_area areas[AREAS] = {
        [DY] = ck_matrix_area(a->dy, CK_F32, a->rows, a->cols, a->dy_stride),
        [X] = ck_matrix_area(a->x, CK_F32, a->rows, a->cols, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, a->cols),
        [MEAN] = ck_vector_area(a->mean, CK_F32, a->rows),
        [MEAN_LOW] = ck_vector_area(a->mean_low, CK_F32, a->rows),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, a->rows),
        [DWEIGHT] = ck_vector_area(a->dweight, CK_F32, a->cols),
        [DBIAS] = ck_vector_area(a->dbias, CK_F32, a->cols),
    };
    CK_CHECK(ck_check_optional(areas[DWEIGHT]));
    CK_CHECK(ck_check_optional(areas[DBIAS]));
    if (a->rows == 0) return ck_check_output(areas[DBIAS], &areas[DWEIGHT], 1, -1);

    CK_CHECK(ck_check_pointer(areas[DY]));
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_optional(areas[WEIGHT]));
    CK_CHECK(ck_check_pointer(areas[MEAN]));
    CK_CHECK(ck_check_optional(areas[MEAN_LOW]));
    CK_CHECK(ck_check_pointer(areas[RSTD]));
    CK_CHECK(ck_check_optional(dx));
    if (wants_sums) {
        CK_CHECK(check_workspace(a, needed));
        areas[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float)));
    }
    CK_CHECK(ck_check_output(dx, areas, AREAS, DY));
    for (int i = DWEIGHT; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

ck_status ck_layer_norm_backward(const ck_layer_norm_backward_args *args, ck_run run) {
    backward_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    int wants_sums = args->dweight || args->dbias;
    CK_CHECK(check(args, wants_sums));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));

    if (args->rows == 0) {  // sums over no rows
        if (args->dweight && !args->accumulate) memset(args->dweight, 0, (size_t)args->cols * sizeof(float));
        if (args->dbias && !args->accumulate) memset(args->dbias, 0, (size_t)args->cols * sizeof(float));
        return CK_OK;
    }
    if (!args->dx && !wants_sums) return CK_OK;

    int64_t bytes = 3 * args->rows * args->cols * (int64_t)sizeof(float);
    call.blocks = block_count(args->rows);
    call.streaming = bytes > ck_last_cache() / 2 && args->dx && args->dx != args->dy &&
                     ck_is_line_aligned(ck_matrix_area(args->dx, CK_F32, args->rows, args->cols, args->dx_stride));
    if (wants_sums) {
        call.weight_sums = args->workspace;
        call.bias_sums = call.weight_sums + call.blocks * sum_stride(args->cols);
    }
    ck_run_blocks(call.blocks, bytes, run.threads, run_rows, &call);
    if (wants_sums) {
        int64_t sums = 2 * call.blocks * args->cols * (int64_t)sizeof(float);
        ck_run_blocks((args->cols + 1023) / 1024, sums, run.threads, merge_columns, &call);
    }
    return CK_OK;
}
