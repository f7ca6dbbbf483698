// channel_norm_backward.c: ck_channel_norm_backward and that of the inverse: check, then coefficients, sums and
// gradients of every region, and the sums of these over regions.

#include <string.h>

#include "ck_channel_norm.h"
#include "entry/channel_regions.h"

/// Rows of doubles of each region at the beginning of the workspace: sums of dy * xhat, and of dy.
enum { TOTALS = 2 };

size_t ck_channel_norm_backward_workspace(const ck_channel_shape *shape) {
    return ck_channel_workspace(shape, CK_GRADIENT_TABLES, CK_GRADIENT_PLANES, TOTALS);
}

typedef struct backward_call {
    const ck_channel_norm_backward_args *args;
    const ck_kernel_table *table;
    double *totals;  // [regions][TOTALS][pitch]
    void *regions;   // the workspace after them
    ck_channel_task task;
    int streaming;
} backward_call;

static void run_region(const void *context, int64_t region, ck_run run) {
    const backward_call *call = context;
    const ck_channel_norm_backward_args *a = call->args;
    int64_t before, size = ck_size_of(a->shape.type);
    ck_channel_region r =
        ck_region_at(&a->shape, region, CK_GRADIENT_TABLES, CK_GRADIENT_PLANES, call->regions, &before);
    r.task = call->task;
    r.streaming = call->streaming;
    r.x = (const char *)a->x + before * size;
    r.dy = (const char *)a->dy + before * size;
    r.out = a->dx ? (char *)a->dx + before * size : 0;
    r.weight = a->weight;
    r.bias = a->bias;
    r.epsilon = a->epsilon;
    r.given = a->moments + region * a->shape.groups;
    r.totals = call->totals + region * TOTALS * r.pitch;
    ck_run_groups(&r, call->table->channel_coefficients, 0, run);

    r.are_constant = a->are_given != 0 || r.task == CK_DIFFERENTIATE_INVERSE;
    if (!r.are_constant || a->dweight || a->dbias) {
        ck_run_elements(&r, call->table->channel_gradient_sums, 1, 2, run);
        ck_run_groups(&r, call->table->channel_gradient_coefficients, CK_GRADIENT_TABLES, run);
    } else {
        memset(r.coefficients + CK_MEAN * r.pitch, 0,
               (size_t)((CK_GRADIENT_PLANES - CK_MEAN) * r.pitch) * sizeof(float));
    }
    if (r.out) ck_run_elements(&r, call->table->channel_gradient, 0, 3, run);
}

/// Blocks of 1,024 channels.
static void merge_channels(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_channel_norm_backward_args *a = call->args;
    int64_t last = end * 1024 < a->shape.channels ? end * 1024 : a->shape.channels, pitch = ck_channel_pitch(&a->shape);
    float *results[TOTALS] = {a->dweight, a->dbias};
    for (int i = 0; i < TOTALS; i++)
        if (results[i])
            call->table->channel_parameter_gradient(call->totals + i * pitch, a->shape.regions, TOTALS * pitch,
                                                    results[i], begin * 1024, last, a->accumulate);
}

static ck_status check(const ck_channel_norm_backward_args *a) {
    const ck_channel_shape *s = &a->shape;
    CK_CHECK(ck_check_channel_shape(s));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    enum { DY, X, MOMENTS, WEIGHT, BIAS, COUNTS, DX, DWEIGHT, DBIAS, WORKSPACE, AREAS };
    size_t needed = ck_channel_norm_backward_workspace(s);
    ck_area areas[AREAS] = {
        [DY] = ck_channel_area(s, a->dy),
        [X] = ck_channel_area(s, a->x),
        [MOMENTS] = ck_moments_area(a->moments, ck_channel_sets(s)),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, s->channels),
        [BIAS] = ck_vector_area(a->bias, CK_F32, s->channels),
        [COUNTS] = ck_counts_area(s),
        [DX] = ck_channel_area(s, a->dx),
        [DWEIGHT] = ck_vector_area(a->dweight, CK_F32, s->channels),
        [DBIAS] = ck_vector_area(a->dbias, CK_F32, s->channels),
        [WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float))),
    };
    CK_CHECK(ck_check_optional(areas[DWEIGHT]));
    CK_CHECK(ck_check_optional(areas[DBIAS]));
    if (s->samples == 0) return ck_check_output(areas[DBIAS], &areas[DWEIGHT], 1, -1);
    CK_CHECK(ck_check_pointer(areas[DY]));
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_given_moments(a->moments, ck_channel_sets(s)));
    CK_CHECK(ck_check_optional(areas[WEIGHT]));
    CK_CHECK(ck_check_optional(areas[BIAS]));
    CK_CHECK(ck_check_optional(areas[DX]));
    CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
    CK_CHECK(ck_check_output(areas[DX], areas, DX, DY));
    for (int i = DWEIGHT; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

static ck_status run_task(const ck_channel_norm_backward_args *args, ck_channel_task task, ck_run run) {
    backward_call call = {.args = args, .task = task};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));

    const ck_channel_shape *s = &args->shape;
    if (s->samples == 0) {  // sums over nothing
        if (args->dweight && !args->accumulate) memset(args->dweight, 0, (size_t)s->channels * sizeof(float));
        if (args->dbias && !args->accumulate) memset(args->dbias, 0, (size_t)s->channels * sizeof(float));
        return CK_OK;
    }
    if (!args->dx && !args->dweight && !args->dbias) return CK_OK;
    call.totals = args->workspace;
    call.regions = call.totals + s->regions * TOTALS * ck_channel_pitch(s);
    call.streaming = ck_streams_channels(s, 3, args->dx, args->dy);
    ck_for_regions(s, 3, run, run_region, &call);
    if (args->dweight || args->dbias) {
        int64_t bytes = TOTALS * s->regions * s->channels * (int64_t)sizeof(double);
        ck_run_blocks((s->channels + 1023) / 1024, bytes, run.threads, merge_channels, &call);
    }
    return CK_OK;
}

ck_status ck_channel_norm_backward(const ck_channel_norm_backward_args *args, ck_run run) {
    return run_task(args, CK_DIFFERENTIATE, run);
}
ck_status ck_channel_norm_inverse_backward(const ck_channel_norm_backward_args *args, ck_run run) {
    return run_task(args, CK_DIFFERENTIATE_INVERSE, run);
}
