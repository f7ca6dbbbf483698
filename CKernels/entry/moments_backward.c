// moments_backward.c: ck_gradient_moments_merge, ck_row_gradient_moments, ck_normalize_rows_backward: check, pick the
// table, cut the rows into blocks, run, merge the blocks' sums.

#include "ck_moments_backward.h"

#include <string.h>

#include "dispatch/select.h"
#include "entry/moments_arguments.h"
#include "entry/row_blocks.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

static ck_area gradient_moments_area(const ck_gradient_moments *base, int64_t count) {
    int64_t words = (int64_t)(sizeof *base / 8);
    return (ck_area){base, 1, words * count, words * count, 8};
}

ck_status ck_gradient_moments_merge(const ck_gradient_moments *parts, int64_t count, ck_gradient_moments *result) {
    int64_t total = 0, size;
    if (count < 0) return CK_BAD_SHAPE;
    if (__builtin_mul_overflow(count, (int64_t)sizeof *parts, &size)) return CK_SIZE_OVERFLOW;
    if (!result || (count > 0 && !parts)) return CK_NULL_POINTER;
    if ((uintptr_t)parts % 8 != 0 || (uintptr_t)result % 8 != 0) return CK_MISALIGNED_POINTER;
    for (int64_t i = 0; i < count; i++) {
        if (parts[i].count < 0) return CK_BAD_MOMENTS;
        if (__builtin_add_overflow(total, parts[i].count, &total)) return CK_SIZE_OVERFLOW;
    }
    ck_merges()->merge_gradient_moments(parts, count, result);
    return CK_OK;
}

typedef struct moments_call {
    const ck_row_gradient_moments_args *args;
    const ck_kernel_table *table;
} moments_call;

static void find_moments(const void *context, int64_t begin, int64_t end) {
    const moments_call *call = context;
    int64_t size = ck_rows_together(call->args->cols), last = end * size;
    call->table->row_gradient_moments(call->args, begin * size, last < call->args->rows ? last : call->args->rows);
}

static ck_status check_moments(const ck_row_gradient_moments_args *a) {
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    if (a->rows == 0) return CK_OK;
    enum { DY, X, MOMENTS, WEIGHT, AREAS };
    ck_area result = gradient_moments_area(a->gradient_moments, a->rows),
            areas[AREAS] = {
                [DY] = ck_matrix_area(a->dy, a->type, a->rows, a->cols, a->dy_stride),
                [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
                [MOMENTS] = ck_moments_area(a->moments, a->rows),
                [WEIGHT] = ck_vector_area(a->weight, CK_F32, a->cols),
            };
    CK_CHECK(ck_check_pointer(areas[DY]));
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_optional(areas[WEIGHT]));
    CK_CHECK(ck_check_given_moments(a->moments, a->rows));
    CK_CHECK(ck_check_pointer(result));
    return ck_check_output(result, areas, AREAS, -1);
}

ck_status ck_row_gradient_moments(const ck_row_gradient_moments_args *args, ck_run run) {
    moments_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_moments(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->rows == 0) return CK_OK;
    int64_t bytes = 2 * args->rows * args->cols * ck_size_of(args->type);
    ck_run_blocks(ck_row_blocks(args->rows, args->cols), bytes, run.threads, find_moments, &call);
    return CK_OK;
}

/// Sums over rows: those of weight and of bias.
enum { SUMS = 2 };

size_t ck_normalize_rows_backward_workspace(int64_t rows, int64_t cols) { return ck_sums_workspace(rows, cols, SUMS); }

typedef struct backward_call {
    const ck_normalize_rows_backward_args *args;
    const ck_kernel_table *table;
    int streaming;
} backward_call;

static int wants_sums(const ck_normalize_rows_backward_args *a) { return a->dweight || a->dbias; }

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_normalize_rows_backward_args *a = call->args;
    int64_t size = ck_rows_per_sum(a->rows), pitch = ck_sum_stride(a->cols);
    for (int64_t block = begin; block < end; block++) {
        int64_t last = (block + 1) * size;
        float *sums = wants_sums(a) ? (float *)a->workspace + block * SUMS * pitch : 0;
        call->table->normalize_rows_backward(a, block * size, last < a->rows ? last : a->rows, sums, pitch,
                                             call->streaming);
    }
}

/// Blocks of 1,024 columns.
static void merge_columns(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_normalize_rows_backward_args *a = call->args;
    int64_t last = end * 1024 < a->cols ? end * 1024 : a->cols, pitch = ck_sum_stride(a->cols);
    float *results[SUMS] = {a->dweight, a->dbias};
    for (int k = 0; k < SUMS; k++)
        if (results[k])
            call->table->merge_sums((float *)a->workspace + k * pitch, ck_sum_count(a->rows), SUMS * pitch, results[k],
                                    begin * 1024, last, a->accumulate);
}

static ck_status check_backward(const ck_normalize_rows_backward_args *a) {
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (a->dx) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_stride));
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    enum { DY, X, MOMENTS, GRADIENT_MOMENTS, WEIGHT, DX, DWEIGHT, DBIAS, WORKSPACE, AREAS };
    ck_area areas[AREAS] = {
        [DY] = ck_matrix_area(a->dy, a->type, a->rows, a->cols, a->dy_stride),
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [MOMENTS] = ck_moments_area(a->moments, a->rows),
        [GRADIENT_MOMENTS] = gradient_moments_area(a->gradient_moments, a->rows),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, a->cols),
        [DX] = ck_matrix_area(a->dx, a->type, a->rows, a->cols, a->dx_stride),
        [DWEIGHT] = ck_vector_area(a->dweight, CK_F32, a->cols),
        [DBIAS] = ck_vector_area(a->dbias, CK_F32, a->cols),
    };
    CK_CHECK(ck_check_optional(areas[DWEIGHT]));
    CK_CHECK(ck_check_optional(areas[DBIAS]));
    if (a->rows == 0) return ck_check_output(areas[DBIAS], &areas[DWEIGHT], 1, -1);
    CK_CHECK(ck_check_pointer(areas[DY]));
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_optional(areas[WEIGHT]));
    CK_CHECK(ck_check_optional(areas[DX]));
    CK_CHECK(ck_check_given_moments(a->moments, a->rows));
    CK_CHECK(ck_check_pointer(areas[GRADIENT_MOMENTS]));
    for (int64_t row = 0; row < a->rows; row++)
        if (a->gradient_moments[row].count < 1) return CK_BAD_MOMENTS;
    if (wants_sums(a)) {
        size_t needed = ck_normalize_rows_backward_workspace(a->rows, a->cols);
        CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
        areas[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float)));
    }
    for (int i = DX; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, i == DX ? DY : -1));
    return CK_OK;
}

ck_status ck_normalize_rows_backward(const ck_normalize_rows_backward_args *args, ck_run run) {
    backward_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_backward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->rows == 0) {  // sums over no rows
        if (args->dweight && !args->accumulate) memset(args->dweight, 0, (size_t)args->cols * sizeof(float));
        if (args->dbias && !args->accumulate) memset(args->dbias, 0, (size_t)args->cols * sizeof(float));
        return CK_OK;
    }
    if (!args->dx && !wants_sums(args)) return CK_OK;
    int64_t bytes = (2 + (args->dx != 0)) * args->rows * args->cols * ck_size_of(args->type);
    call.streaming = args->dx && args->dx != args->dy && bytes > ck_cached_bytes() &&
                     ck_is_line_aligned(ck_matrix_area(args->dx, args->type, args->rows, args->cols, args->dx_stride));
    ck_run_blocks(ck_sum_count(args->rows), bytes, run.threads, run_rows, &call);
    if (wants_sums(args)) {
        int64_t sums = SUMS * ck_sum_count(args->rows) * args->cols * (int64_t)sizeof(float);
        ck_run_blocks((args->cols + 1023) / 1024, sums, run.threads, merge_columns, &call);
    }
    return CK_OK;
}
