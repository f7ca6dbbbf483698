// channel_norm.c: ck_channel_norm and its inverse: check, then moments, coefficients and output of every region.

#include "ck_channel_norm.h"

#include <string.h>

#include "entry/channel_regions.h"

size_t ck_channel_norm_workspace(const ck_channel_shape *shape) {
    return ck_channel_workspace(shape, CK_TABLES, CK_PLANES, 0);
}

typedef struct forward_call {
    const ck_channel_norm_args *args;
    const ck_kernel_table *table;
    ck_channel_task task;
    int streaming;
} forward_call;

static void run_region(const void *context, int64_t region, ck_run run) {
    const forward_call *call = context;
    const ck_channel_norm_args *a = call->args;
    int64_t before, set = region * a->shape.groups, size = ck_size_of(a->shape.type);
    ck_channel_region r = ck_region_at(&a->shape, region, CK_TABLES, CK_PLANES, a->workspace, &before);
    r.task = call->task;
    r.streaming = call->streaming;
    r.x = (const char *)a->x + before * size;
    r.out = a->y ? (char *)a->y + before * size : 0;
    r.weight = a->weight;
    r.bias = a->bias;
    r.epsilon = a->epsilon;
    r.given = a->given ? a->given + set : 0;
    r.moments = a->moments ? a->moments + set : 0;
    if (!r.given) ck_run_elements(&r, call->table->channel_moments, 1, 1, run);
    ck_run_groups(&r, call->table->channel_coefficients, CK_TABLES, run);
    if (r.out) ck_run_elements(&r, call->table->channel_norm, 0, 2, run);
}

static ck_status check(const ck_channel_norm_args *a) {
    const ck_channel_shape *s = &a->shape;
    CK_CHECK(ck_check_channel_shape(s));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    enum { X, GIVEN, WEIGHT, BIAS, COUNTS, Y, MOMENTS, WORKSPACE, AREAS };
    size_t needed = ck_channel_norm_workspace(s);
    ck_area areas[AREAS] = {
        [X] = ck_channel_area(s, a->x),
        [GIVEN] = ck_moments_area(a->given, ck_channel_sets(s)),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, s->channels),
        [BIAS] = ck_vector_area(a->bias, CK_F32, s->channels),
        [COUNTS] = ck_counts_area(s),
        [Y] = ck_channel_area(s, a->y),
        [MOMENTS] = ck_moments_area(a->moments, ck_channel_sets(s)),
        [WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float))),
    };
    CK_CHECK(ck_check_optional(areas[MOMENTS]));
    if (s->samples == 0) return CK_OK;
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(a->moments && !a->given ? ck_check_optional(areas[Y]) : ck_check_pointer(areas[Y]));
    CK_CHECK(ck_check_optional(areas[WEIGHT]));
    CK_CHECK(ck_check_optional(areas[BIAS]));
    if (a->given) CK_CHECK(ck_check_given_moments(a->given, ck_channel_sets(s)));
    CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
    CK_CHECK(ck_check_output(areas[Y], areas, Y, X));
    for (int i = MOMENTS; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

static ck_status run_task(const ck_channel_norm_args *args, ck_channel_task task, ck_run run) {
    forward_call call = {.args = args, .task = task};
    if (!args || (task == CK_INVERT && !args->given)) return CK_NULL_POINTER;
    CK_CHECK(check(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->shape.samples == 0) {  // the moments of nothing
        if (args->moments) memset(args->moments, 0, (size_t)args->shape.groups * sizeof(ck_moments));
        return CK_OK;
    }
    call.streaming = ck_streams_channels(&args->shape, 2, args->y, args->x);
    ck_for_regions(&args->shape, 2, run, run_region, &call);
    return CK_OK;
}

ck_status ck_channel_norm(const ck_channel_norm_args *args, ck_run run) { return run_task(args, CK_NORMALIZE, run); }
ck_status ck_channel_norm_inverse(const ck_channel_norm_args *args, ck_run run) {
    return run_task(args, CK_INVERT, run);
}
