// score_softmax_backward.c: ck_score_softmax_backward: check, plan the sums over rows, run, merge partial sums.

#include <string.h>

#include "ck_score_softmax.h"
#include "dispatch/select.h"
#include "entry/bias_sums.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

typedef ck_score_softmax_backward_args score_args;

typedef struct score_call {
    const score_args *args;
    const ck_kernel_table *table;
    ck_score_sums sums;
    int is_far;
} score_call;

static ck_score_shape shape_of(const score_args *a) {
    return (ck_score_shape){a->batch, a->heads, a->queries, a->keys};
}

static ck_score_sums plan(const score_args *a) { return ck_plan_bias_sums(shape_of(a), a->dbias, a->dbias_strides); }

static int64_t bias_rows(const ck_score_sums *s) { return s->apart.batch * s->apart.heads * s->apart.queries; }

/// Floats of workspace, or -1 if they do not fit the address space. Counts have been checked.
static int64_t workspace_floats(const score_args *a, const ck_score_sums *s) {
    int64_t floats = 0, rows = 0;
    if (s->blocks > 1 &&
        (__builtin_mul_overflow(bias_rows(s) * s->blocks, s->pitch, &floats) || floats > INT64_MAX / 64))
        return -1;
    if (__builtin_mul_overflow(a->heads, s->head_pitch, &rows) || rows > INT64_MAX / 64) return -1;
    return floats + ((a->dslopes != 0) + (a->dsinks != 0)) * rows;
}

static ck_grid grid_of(const score_args *a, const void *base, ck_strides strides) {
    return ck_score_grid(base, ck_size_of(a->type), shape_of(a), strides);
}
static ck_grid bias_grid_of(const score_args *a) { return ck_bias_grid(shape_of(a), a->dbias, a->dbias_strides); }

size_t ck_score_softmax_backward_workspace(const score_args *args) {
    if (!args || ck_check_grid(grid_of(args, NULL, (ck_strides){0})) != CK_OK) return 0;
    if (args->batch == 0 || args->heads == 0 || args->queries == 0) return 0;
    ck_score_sums sums = plan(args);
    int64_t floats = workspace_floats(args, &sums);
    return floats < 0 ? 0 : (size_t)floats * sizeof(float);
}

/// Everything but memory.
static ck_status check_shapes(const score_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_grid(grid_of(a, a->dy, a->dy_strides)));
    CK_CHECK(ck_check_grid(grid_of(a, a->y, a->y_strides)));
    CK_CHECK(ck_check_grid(grid_of(a, a->dx, a->dx_strides)));
    CK_CHECK(ck_check_rows_apart(grid_of(a, a->dx, a->dx_strides)));
    if (a->mask.softcap != 0.0f) CK_CHECK(ck_check_grid(grid_of(a, a->x, a->x_strides)));
    return ck_is_finite(a->scale) ? CK_OK : CK_BAD_PARAMETER;
}

static ck_status check_memory(const score_args *a) {
    enum { DY = CK_MASK_AREAS, Y, X, SAVED, DX, DBIAS, DSLOPES, DSINKS, WORKSPACE, AREAS };
    int64_t rows = a->batch * a->heads * a->queries;
    ck_grid dy = grid_of(a, a->dy, a->dy_strides), y = grid_of(a, a->y, a->y_strides);
    ck_grid dx = grid_of(a, a->dx, a->dx_strides);
    ck_area areas[AREAS] = {
        [DY] = ck_grid_area(dy),
        [Y] = ck_grid_area(y),
        [SAVED] = ck_vector_area(a->mask.sinks ? a->log_sum_exp : NULL, CK_F32, rows),
        [DX] = ck_grid_area(dx),
        [DSLOPES] = ck_vector_area(a->dslopes, CK_F32, a->heads),
        [DSINKS] = ck_vector_area(a->dsinks, CK_F32, a->heads),
    };
    ck_mask_areas(&a->mask, shape_of(a), areas);
    if (a->mask.softcap != 0.0f) areas[X] = ck_grid_area(grid_of(a, a->x, a->x_strides));
    if (a->dbias) areas[DBIAS] = ck_grid_area(bias_grid_of(a));
    if (!a->dy || !a->y || !a->dx || (a->mask.softcap != 0.0f && !a->x)) return CK_NULL_POINTER;
    if ((a->mask.sinks && !a->log_sum_exp) || (a->dsinks && !a->mask.sinks)) return CK_NULL_POINTER;
    for (int i = DY; i < WORKSPACE; i++) CK_CHECK(ck_check_optional(areas[i]));

    ck_score_sums sums = plan(a);
    int64_t floats = workspace_floats(a, &sums);
    if (floats < 0) return CK_SIZE_OVERFLOW;
    if (floats > 0) {
        CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, (size_t)floats * sizeof(float)));
        areas[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, floats);
    }
    CK_CHECK(ck_check_replacing(dx, dy));
    CK_CHECK(ck_check_replacing(dx, y));
    for (int i = 0; i < DX; i++)
        if (i != DY && i != Y) CK_CHECK(ck_check_output(areas[DX], &areas[i], 1, -1));
    for (int i = DBIAS; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

static void run_items(const void *context, int64_t begin, int64_t end) {
    const score_call *call = context;
    call->table->score_softmax_backward(call->args, &call->sums, begin, end, call->is_far);
}

/// Partial sums of rows of the bias.
static void merge_bias(const void *context, int64_t begin, int64_t end) {
    const score_call *call = context;
    const ck_score_sums *s = &call->sums;
    ck_strides strides = call->args->dbias_strides;
    for (int64_t row = begin; row < end; row++) {
        int64_t plane = row / s->apart.queries;
        int64_t start = plane / s->apart.heads * strides.batch + plane % s->apart.heads * strides.head +
                        row % s->apart.queries * strides.row;
        call->table->merge_sums(s->partial + row * s->blocks * s->pitch, s->blocks, s->pitch, call->args->dbias + start,
                                0, call->args->keys, 0);
    }
}

ck_status ck_score_softmax_backward(const score_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    score_call call = {.args = args};
    CK_CHECK(check_shapes(args));
    int64_t rows = args->batch * args->heads * args->queries;
    if (rows > 0) {
        if (args->dbias) CK_CHECK(ck_check_bias_grid(bias_grid_of(args)));
        CK_CHECK(ck_check_mask(&args->mask, shape_of(args)));
        CK_CHECK(check_memory(args));
    }
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (rows == 0) return CK_OK;

    ck_score_sums *s = &call.sums;
    *s = plan(args);
    int64_t items = bias_rows(s) * s->blocks, in_heads = args->heads * s->head_pitch, n = args->batch * args->queries;
    float *free_space = args->workspace;
    if (s->blocks > 1) {
        s->partial = free_space;
        free_space += items * s->pitch;
    }
    if (args->dslopes) {
        s->slopes = free_space;
        free_space += in_heads;
    }
    if (args->dsinks) s->sinks = free_space;

    int64_t bytes = 3 * rows * args->keys * ck_size_of(args->type);
    call.is_far = args->dx != args->dy && args->dx != args->y && bytes > ck_cached_bytes() &&
                  ck_is_grid_line_aligned(grid_of(args, args->dx, args->dx_strides));
    ck_run_blocks(items, bytes, run.threads, run_items, &call);
    if (s->blocks > 1)
        ck_run_blocks(bias_rows(s), items * s->pitch * (int64_t)sizeof(float), run.threads, merge_bias, &call);
    if (args->dslopes) call.table->row_sums(s->slopes, n, s->head_pitch, args->dslopes, 0, args->heads, 0);
    if (args->dsinks) call.table->row_sums(s->sinks, n, s->head_pitch, args->dsinks, 0, args->heads, 0);
    return CK_OK;
}
