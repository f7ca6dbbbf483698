// moments.c: ck_moments_merge, ck_row_moments, ck_normalize_rows: check, pick the table, cut the rows into blocks, run.

#include "ck_moments.h"

#include "dispatch/select.h"
#include "entry/moments_arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

ck_status ck_moments_merge(const ck_moments *parts, int64_t count, ck_moments *result) {
    int64_t total = 0, size;
    if (count < 0) return CK_BAD_SHAPE;
    if (__builtin_mul_overflow(count, (int64_t)sizeof(ck_moments), &size)) return CK_SIZE_OVERFLOW;
    if (!result || (count > 0 && !parts)) return CK_NULL_POINTER;
    if ((uintptr_t)parts % 8 != 0 || (uintptr_t)result % 8 != 0) return CK_MISALIGNED_POINTER;
    for (int64_t i = 0; i < count; i++) {
        if (parts[i].count < 0 || (parts[i].count > 0 && parts[i].m2 < 0.0)) return CK_BAD_MOMENTS;
        if (__builtin_add_overflow(total, parts[i].count, &total)) return CK_SIZE_OVERFLOW;
    }
    ck_merges()->merge_moments(parts, count, result);
    return CK_OK;
}

typedef struct moments_call {
    const ck_row_moments_args *args;
    const ck_kernel_table *table;
} moments_call;

static void find_moments(const void *context, int64_t begin, int64_t end) {
    const moments_call *call = context;
    int64_t size = ck_rows_together(call->args->cols), last = end * size;
    call->table->row_moments(call->args, begin * size, last < call->args->rows ? last : call->args->rows);
}

ck_status ck_row_moments(const ck_row_moments_args *args, ck_run run) {
    moments_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(ck_check_shape(args->rows, args->cols, args->x_stride));
    CK_CHECK(ck_check_type(args->type));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->rows == 0) return CK_OK;
    ck_area x = ck_matrix_area(args->x, args->type, args->rows, args->cols, args->x_stride);
    ck_area moments = ck_moments_area(args->moments, args->rows);
    CK_CHECK(ck_check_pointer(x));
    CK_CHECK(ck_check_pointer(moments));
    CK_CHECK(ck_check_output(moments, &x, 1, -1));
    ck_run_blocks(ck_row_blocks(args->rows, args->cols), args->rows * args->cols * ck_size_of(args->type), run.threads,
                  find_moments, &call);
    return CK_OK;
}

typedef struct normalize_call {
    const ck_normalize_rows_args *args;
    const ck_kernel_table *table;
    int streaming;
} normalize_call;

static void normalize(const void *context, int64_t begin, int64_t end) {
    const normalize_call *call = context;
    int64_t size = ck_rows_together(call->args->cols), last = end * size;
    call->table->normalize_rows(call->args, begin * size, last < call->args->rows ? last : call->args->rows,
                                call->streaming);
}

static ck_status check_normalize(const ck_normalize_rows_args *a) {
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    if (a->rows == 0) return CK_OK;
    enum { X, WEIGHT, BIAS, MOMENTS, AREAS };
    ck_area y = ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride);
    ck_area areas[AREAS] = {
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, a->cols),
        [BIAS] = ck_vector_area(a->bias, CK_F32, a->cols),
        [MOMENTS] = ck_moments_area(a->moments, a->rows),
    };
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_optional(areas[WEIGHT]));
    CK_CHECK(ck_check_optional(areas[BIAS]));
    CK_CHECK(ck_check_given_moments(a->moments, a->rows));
    return ck_check_output(y, areas, AREAS, X);
}

ck_status ck_normalize_rows(const ck_normalize_rows_args *args, ck_run run) {
    normalize_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_normalize(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->rows == 0) return CK_OK;
    int64_t bytes = 2 * args->rows * args->cols * ck_size_of(args->type);
    call.streaming = bytes > ck_cached_bytes() && args->x != args->y &&
                     ck_is_line_aligned(ck_matrix_area(args->y, args->type, args->rows, args->cols, args->y_stride));
    ck_run_blocks(ck_row_blocks(args->rows, args->cols), bytes, run.threads, normalize, &call);
    return CK_OK;
}
