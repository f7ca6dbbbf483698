// segment_norm.c: ck_segment_layer_norm and ck_segment_rms_norm, both directions: check, pick the table, and, for each
// block of rows, run the kernels of whole rows on each segment's columns. A block's rows stay in the caches meanwhile.

#include "ck_segment_norm.h"

#include <string.h>

#include "ck_norm.h"
#include "dispatch/select.h"
#include "entry/offsets.h"
#include "entry/row_blocks.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

/// Rows whose segments one thread normalizes one after the other: two groups of the kernel for short rows, or some
/// 64 KiB. (One group: 3 segments of 4096x768 3.40 and with two 3.16 ms, 2 of 65536x256 18.3 and 17.4; Zen 3, AVX2,
/// 2026-11-28.)
static int64_t rows_per_block(int64_t cols) { return cols <= 1024 ? 32 : cols <= 4096 ? 4 : 1; }

static const void *columns_on(const void *base, ck_type type, int64_t columns) {
    return base ? (const char *)base + columns * ck_size_of(type) : 0;
}

/// Columns of the weight: shared by all segments, or each its own.
static int64_t parameter_count(int64_t cols, int64_t segments, int shared) { return shared ? cols / segments : cols; }

/// Offsets, and segments of equal width where they share their parameters.
static ck_status check_segments(int64_t cols, int64_t segments, const int64_t *offsets, int shared) {
    CK_CHECK(ck_check_offsets(offsets, segments, cols));
    for (int64_t s = 0; shared && s <= segments; s++)
        if (cols % segments != 0 || offsets[s] != s * (cols / segments)) return CK_BAD_OFFSETS;
    return CK_OK;
}

typedef struct forward_call {
    const ck_segment_norm_args *args;
    const ck_kernel_table *table;
    int is_centred;
    ck_reach reach;
} forward_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const forward_call *call = context;
    const ck_segment_norm_args *a = call->args;
    int64_t size = rows_per_block(a->cols);
    for (int64_t first = begin * size; first < end * size && first < a->rows; first += size) {
        int64_t last = first + size < a->rows ? first + size : a->rows;
        for (int64_t s = 0; s < a->segments; s++) {
            int64_t column = a->offsets[s], own = a->shared ? 0 : column, saved = s * a->rows;
            ck_norm_args part = {
                .rows = a->rows,
                .cols = a->offsets[s + 1] - column,
                .type = a->type,
                .parameter_type = a->parameter_type,
                .x = columns_on(a->x, a->type, column),
                .x_stride = a->x_stride,
                .weight = columns_on(a->weight, a->parameter_type, own),
                .bias = columns_on(a->bias, a->parameter_type, own),
                .weight_offset = a->weight_offset,
                .epsilon = a->epsilon,
                .y = (void *)columns_on(a->y, a->type, column),
                .y_stride = a->y_stride,
                .mean = a->mean ? a->mean + saved : 0,
                .mean_low = a->mean_low ? a->mean_low + saved : 0,
                .rstd = a->rstd ? a->rstd + saved : 0,
            };
            if (part.cols > 0) call->table->norm(&part, call->is_centred, first, last, call->reach);
        }
    }
}

static ck_status check_forward(const ck_segment_norm_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_type(a->parameter_type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    CK_CHECK(ck_check_statistics_shape(a->rows, a->segments));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    if (!ck_is_finite(a->weight_offset)) return CK_BAD_PARAMETER;
    CK_CHECK(check_segments(a->cols, a->segments, a->offsets, a->shared));
    if (a->rows == 0) return CK_OK;

    int64_t parameters = parameter_count(a->cols, a->segments, a->shared), saved = a->segments * a->rows;
    enum { X, WEIGHT, BIAS, OFFSETS, MEAN, MEAN_LOW, RSTD, AREAS };
    ck_area y = ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride);
    ck_area areas[AREAS] = {
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, a->parameter_type, parameters),
        [BIAS] = ck_vector_area(a->bias, a->parameter_type, parameters),
        [OFFSETS] = ck_offsets_area(a->offsets, a->segments),
        [MEAN] = ck_vector_area(a->mean, CK_F32, saved),
        [MEAN_LOW] = ck_vector_area(a->mean_low, CK_F32, saved),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, saved),
    };
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_pointer(y));
    for (int i = WEIGHT; i < AREAS; i++) CK_CHECK(ck_check_optional(areas[i]));
    CK_CHECK(ck_check_output(y, areas, AREAS, X));
    for (int i = MEAN; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

/// Whether every segment of every row of y begins at a cache line.
static int are_segments_aligned(const ck_segment_norm_args *a) {
    if (!ck_is_line_aligned(ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride))) return 0;
    for (int64_t s = 1; s < a->segments; s++)
        if (a->offsets[s] * ck_size_of(a->type) % 64 != 0) return 0;
    return 1;
}

static ck_status run_forward(const ck_segment_norm_args *args, int is_centred, ck_run run) {
    forward_call call = {.args = args, .is_centred = is_centred};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_forward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int64_t bytes = 2 * args->rows * args->cols * ck_size_of(args->type);
    int64_t size = rows_per_block(args->cols), blocks = (args->rows + size - 1) / size;
    call.reach = ck_reach_of(blocks, bytes, run.threads, args->x != args->y && are_segments_aligned(args), args->type);
    ck_run_blocks(blocks, bytes, run.threads, run_rows, &call);
    return CK_OK;
}

ck_status ck_segment_layer_norm(const ck_segment_norm_args *args, ck_run run) { return run_forward(args, 1, run); }
ck_status ck_segment_rms_norm(const ck_segment_norm_args *args, ck_run run) { return run_forward(args, 0, run); }

/// Floats of the partial sums of one block of rows: for each segment those of weight and bias.
static int64_t block_floats(int64_t segments, const int64_t *offsets) {
    int64_t floats = 0;
    for (int64_t s = 0; s < segments; s++) floats += 2 * ck_sum_stride(offsets[s + 1] - offsets[s]);
    return floats;
}

size_t ck_segment_norm_backward_workspace(int64_t rows, int64_t cols, int64_t segments, const int64_t *offsets) {
    int64_t bytes;
    if (ck_check_shape(rows, cols, cols) != CK_OK || rows == 0 || ck_check_statistics_shape(rows, segments) != CK_OK)
        return 0;
    if (check_segments(cols, segments, offsets, 0) != CK_OK) return 0;
    if (cols > INT64_MAX / 4096 || segments > INT64_MAX / 4096) return 0;
    if (__builtin_mul_overflow(ck_sum_count(rows) * (int64_t)sizeof(float), block_floats(segments, offsets), &bytes))
        return 0;
    return (size_t)bytes;
}

typedef struct backward_call {
    const ck_segment_norm_backward_args *args;
    const ck_kernel_table *table;
    int is_centred;
    float *sums;  // [blocks][block_floats], or NULL
    int64_t block_floats;
    ck_reach reach;
} backward_call;

static void run_row_blocks(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_segment_norm_backward_args *a = call->args;
    int64_t size = ck_rows_per_sum(a->rows);
    for (int64_t block = begin; block < end; block++) {
        int64_t last = (block + 1) * size < a->rows ? (block + 1) * size : a->rows;
        float *sums = call->sums ? call->sums + block * call->block_floats : 0;
        for (int64_t s = 0; s < a->segments; s++) {
            int64_t column = a->offsets[s], own = a->shared ? 0 : column, saved = s * a->rows;
            ck_norm_backward_args part = {
                .rows = a->rows,
                .cols = a->offsets[s + 1] - column,
                .type = a->type,
                .parameter_type = a->parameter_type,
                .dy = columns_on(a->dy, a->type, column),
                .dy_stride = a->dy_stride,
                .x = columns_on(a->x, a->type, column),
                .x_stride = a->x_stride,
                .weight = columns_on(a->weight, a->parameter_type, own),
                .weight_offset = a->weight_offset,
                .mean = call->is_centred && a->mean ? a->mean + saved : 0,
                .mean_low = call->is_centred && a->mean_low ? a->mean_low + saved : 0,
                .rstd = a->rstd + saved,
                .dx = (void *)columns_on(a->dx, a->type, column),
                .dx_stride = a->dx_stride,
            };
            if (part.cols == 0) continue;
            int64_t stride = ck_sum_stride(part.cols);
            call->table->norm_backward(&part, call->is_centred, block * size, last, sums, stride, call->reach);
            if (sums) sums += 2 * stride;
        }
    }
}

/// Merges the sums over rows, of shared parameters also those over segments, in the order of the workspace.
static void merge(const backward_call *call) {
    const ck_segment_norm_backward_args *a = call->args;
    int64_t blocks = ck_sum_count(a->rows), at = 0;
    for (int64_t s = 0; s < (a->shared ? 1 : a->segments); s++) {
        int64_t column = a->offsets[s], cols = a->offsets[s + 1] - column, stride = ck_sum_stride(cols);
        int64_t count = a->shared ? blocks * a->segments : blocks, step = a->shared ? 2 * stride : call->block_floats;
        if (a->dweight)
            call->table->merge_sums(call->sums + at, count, step, a->dweight + column, 0, cols, a->accumulate);
        if (a->dbias)
            call->table->merge_sums(call->sums + at + stride, count, step, a->dbias + column, 0, cols, a->accumulate);
        at += 2 * stride;
    }
}

static ck_status check_backward(const ck_segment_norm_backward_args *a, int is_centred) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_type(a->parameter_type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (a->dx) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_stride));
    CK_CHECK(ck_check_statistics_shape(a->rows, a->segments));
    if (!ck_is_finite(a->weight_offset)) return CK_BAD_PARAMETER;
    CK_CHECK(check_segments(a->cols, a->segments, a->offsets, a->shared));

    int64_t parameters = parameter_count(a->cols, a->segments, a->shared), saved = a->segments * a->rows;
    enum { DY, X, WEIGHT, OFFSETS, MEAN, MEAN_LOW, RSTD, DX, DWEIGHT, DBIAS, WORKSPACE, AREAS };
    ck_area areas[AREAS] = {
        [DY] = ck_matrix_area(a->dy, a->type, a->rows, a->cols, a->dy_stride),
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, a->parameter_type, parameters),
        [OFFSETS] = ck_offsets_area(a->offsets, a->segments),
        [MEAN] = ck_vector_area(is_centred ? a->mean : NULL, CK_F32, saved),
        [MEAN_LOW] = ck_vector_area(is_centred ? a->mean_low : NULL, CK_F32, saved),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, saved),
        [DX] = ck_matrix_area(a->dx, a->type, a->rows, a->cols, a->dx_stride),
        [DWEIGHT] = ck_vector_area(a->dweight, CK_F32, parameters),
        [DBIAS] = ck_vector_area(a->dbias, CK_F32, parameters),
    };
    CK_CHECK(ck_check_optional(areas[DWEIGHT]));
    CK_CHECK(ck_check_optional(areas[DBIAS]));
    if (a->rows == 0) return ck_check_output(areas[DBIAS], &areas[DWEIGHT], 1, -1);
    for (int i = 0; i < WORKSPACE; i++) CK_CHECK(ck_check_optional(areas[i]));
    if (!a->dy || !a->x || !a->rstd || (is_centred && !a->mean)) return CK_NULL_POINTER;
    if (a->dweight || a->dbias) {
        size_t needed = ck_segment_norm_backward_workspace(a->rows, a->cols, a->segments, a->offsets);
        CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
        areas[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float)));
    }
    for (int i = DX; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, i == DX ? DY : -1));
    return CK_OK;
}

static ck_status run_backward(const ck_segment_norm_backward_args *args, int is_centred, ck_run run) {
    backward_call call = {.args = args, .is_centred = is_centred};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_backward(args, is_centred));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int wants_sums = args->dweight || args->dbias;
    if (args->rows == 0) {  // sums over no rows
        size_t bytes = (size_t)parameter_count(args->cols, args->segments, args->shared) * sizeof(float);
        if (args->dweight && !args->accumulate) memset(args->dweight, 0, bytes);
        if (args->dbias && !args->accumulate) memset(args->dbias, 0, bytes);
        return CK_OK;
    }
    if (!args->dx && !wants_sums) return CK_OK;
    if (wants_sums) {
        call.sums = args->workspace;
        call.block_floats = block_floats(args->segments, args->offsets);
    }
    int64_t bytes = 3 * args->rows * args->cols * ck_size_of(args->type);
    call.reach = ck_reach_of(ck_sum_count(args->rows), bytes, run.threads, 0, args->type);
    ck_run_blocks(ck_sum_count(args->rows), bytes, run.threads, run_row_blocks, &call);
    if (wants_sums) merge(&call);
    return CK_OK;
}

ck_status ck_segment_layer_norm_backward(const ck_segment_norm_backward_args *args, ck_run run) {
    return run_backward(args, 1, run);
}
ck_status ck_segment_rms_norm_backward(const ck_segment_norm_backward_args *args, ck_run run) {
    return run_backward(args, 0, run);
}
