// segment_norm.c: the family segment_norm: norms of parts of rows against the calls of ck_norm.h on each part by
// itself, on the portable kernels; their gradients against portable.

#include <inttypes.h>
#include <string.h>

#include "families.h"
#include "norm_problem.h"
#include "segment_entry.h"
#include "segment_problem.h"

static const ck_run portable = {CK_ISA_PORTABLE, 1};

/// Each segment by a call of its own.
static void solve_forward(check *c, segment_problem *p) {
    for (int64_t s = 0; s < p->segments; s++) {
        int64_t first = p->offsets[s], own = p->shared ? 0 : first, saved = s * p->rows;
        ck_norm_args args = {
            .rows = p->rows,
            .cols = p->offsets[s + 1] - first,
            .type = p->type,
            .x = segment_column(p, p->x, first),
            .x_stride = p->cols,
            .weight = p->given_weight ? p->weight + own : NULL,
            .bias = p->given_bias ? p->bias + own : NULL,
            .epsilon = p->epsilon,
            .y = segment_column(p, p->y, first),
            .y_stride = p->cols,
            .mean = p->mean + saved,
            .mean_low = p->mean_low + saved,
            .rstd = p->rstd + saved,
        };
        if (args.cols > 0) check_call(c, p->is_rms ? enter_rms_norm : enter_layer_norm, &args, portable, CK_OK);
    }
}

static void compare_forward(check *c, segment_problem *p, const segment_memory *m) {
    int64_t saved = p->segments * p->rows;
    int in_place = random_below(&c->random, 3) == 0;
    matrix x = segment_place(c, &m->x, p->type, p->rows, p->cols, p->x);
    matrix y = in_place ? x : segment_place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix mean = segment_place(c, &m->mean, CK_F32, 1, saved, p->mean),
           low = segment_place(c, &m->mean_low, CK_F32, 1, saved, p->mean_low);
    matrix rstd = segment_place(c, &m->rstd, CK_F32, 1, saved, p->rstd);
    ck_segment_norm_args args = {
        .rows = p->rows,
        .cols = p->cols,
        .segments = p->segments,
        .offsets = p->offsets,
        .type = p->type,
        .shared = p->shared,
        .x = x.base,
        .x_stride = x.stride,
        .weight = p->given_weight ? p->weight : NULL,
        .bias = p->given_bias ? p->bias : NULL,
        .epsilon = p->epsilon,
        .y = y.base,
        .y_stride = y.stride,
        .mean = mean.base,
        .mean_low = low.base,
        .rstd = rstd.base,
    };
    entry_point entry = p->is_rms ? enter_rms_segments : enter_segments;
    if (!check_call(c, entry, &args, segment_run(c), CK_OK)) return;
    matrix_expect(c, "y", y, p->y);
    if (!in_place) matrix_expect(c, "x", x, p->x);
    matrix_expect(c, "mean", mean, p->mean);
    matrix_expect(c, "mean_low", low, p->mean_low);
    matrix_expect(c, "rstd", rstd, p->rstd);
}

static ck_segment_norm_backward_args backward_args(const segment_problem *p) {
    return (ck_segment_norm_backward_args){
        .rows = p->rows,
        .cols = p->cols,
        .segments = p->segments,
        .offsets = p->offsets,
        .type = p->type,
        .shared = p->shared,
        .dy = p->dy,
        .dy_stride = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->given_weight ? p->weight : NULL,
        .mean = p->mean,
        .mean_low = p->mean_low,
        .rstd = p->rstd,
        .dx = p->dx,
        .dx_stride = p->cols,
        .dweight = p->dweight,
        .dbias = p->dbias,
        .accumulate = p->accumulate,
        .workspace_size = ck_segment_norm_backward_workspace(p->rows, p->cols, p->segments, p->offsets),
    };
}

static int64_t parameters(const segment_problem *p) { return p->shared ? p->cols / p->segments : p->cols; }

static void compare_backward(check *c, segment_problem *p, const segment_memory *m) {
    entry_point entry = p->is_rms ? enter_rms_segments_backward : enter_segments_backward;
    ck_segment_norm_backward_args args = backward_args(p);
    int64_t floats = (int64_t)(args.workspace_size / sizeof(float));
    int place = random_below(&c->random, 2) ? 0 : FLUSH_END;
    matrix workspace = matrix_place(&m->workspace, CK_F32, 1, floats, floats, place);
    args.workspace = workspace.base;
    memcpy(p->dweight, p->dweight_before, MAX_COLS * sizeof(float));
    memcpy(p->dbias, p->dbias_before, MAX_COLS * sizeof(float));
    if (!check_call(c, entry, &args, portable, CK_OK)) return;

    matrix dy = segment_place(c, &m->dy, p->type, p->rows, p->cols, p->dy),
           x = segment_place(c, &m->x, p->type, p->rows, p->cols, p->x);
    int in_place = random_below(&c->random, 3) == 0;
    matrix dx = in_place ? dy : segment_place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix dweight = segment_place(c, &m->dweight, CK_F32, 1, parameters(p), p->dweight_before);
    matrix dbias = segment_place(c, &m->dbias, CK_F32, 1, parameters(p), p->dbias_before);
    args.dy = dy.base;
    args.dy_stride = dy.stride;
    args.x = x.base;
    args.x_stride = x.stride;
    args.dx = dx.base;
    args.dx_stride = dx.stride;
    args.dweight = dweight.base;
    args.dbias = dbias.base;
    if (!check_call(c, entry, &args, segment_run(c), CK_OK)) return;
    matrix_expect(c, "dx", dx, p->dx);
    matrix_expect(c, "dweight", dweight, p->dweight);
    matrix_expect(c, "dbias", dbias, p->dbias);
    matrix_expect_around(c, "workspace", workspace);
}

static void compare(check *c, segment_problem *p, const segment_memory *m) {
    solve_forward(c, p);
    compare_forward(c, p, m);
    compare_backward(c, p, m);
}

/// Offsets that do not cut the columns are refused.
static void check_offsets(check *c, segment_problem *p, const segment_memory *m) {
    static const int64_t wrong[][4] = {{1, 3, 5, 9},  {0, 5, 3, 9},  {0, 3, 5, 8}, {0, 3, 5, 10},
                                       {-1, 3, 5, 9}, {0, 10, 5, 9}, {0, -1, 5, 9}};
    ck_run run = {c->isa, 1};
    check_begin(c);
    segment_problem_draw(c, p, 4, 9, 3);
    p->cols = 9;
    p->shared = 0;
    matrix workspace = matrix_place(&m->workspace, CK_F32, 1, 4096, 4096, 0);
    for (int i = 0; i < 7; i++) {
        memcpy(p->offsets, wrong[i], sizeof wrong[i]);
        check_describe(c, "offsets %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, wrong[i][0], wrong[i][1], wrong[i][2],
                       wrong[i][3]);
        ck_segment_norm_args forward = {.rows = 4,
                                        .cols = 9,
                                        .segments = 3,
                                        .offsets = p->offsets,
                                        .x = p->x,
                                        .x_stride = 9,
                                        .y = p->y,
                                        .y_stride = 9};
        check_call(c, enter_segments, &forward, run, CK_BAD_OFFSETS);
        ck_segment_norm_backward_args backward = backward_args(p);
        check_that(c, backward.workspace_size == 0, "memory for wrong offsets");
        backward.workspace = workspace.base;
        backward.workspace_size = 4096 * sizeof(float);
        check_call(c, enter_segments_backward, &backward, run, CK_BAD_OFFSETS);
    }
    static const int64_t right[] = {0, 3, 6, 9}, unequal[] = {0, 3, 5, 9};
    ck_segment_norm_args shared = {.rows = 4,
                                   .cols = 9,
                                   .segments = 3,
                                   .offsets = unequal,
                                   .shared = 1,
                                   .x = p->x,
                                   .x_stride = 9,
                                   .y = p->y,
                                   .y_stride = 9};
    check_call(c, enter_segments, &shared, run, CK_BAD_OFFSETS);
    shared.offsets = right;
    check_call(c, enter_segments, &shared, run, CK_OK);
    shared.offsets = NULL;
    check_call(c, enter_segments, &shared, run, CK_NULL_POINTER);
    shared.offsets = right;
    shared.segments = 0;
    check_call(c, enter_segments, &shared, run, CK_BAD_SHAPE);
    check_count(c);
}

void check_segment_norm(check *c) {
    segment_problem p = segment_problem_make();
    segment_memory m = segment_memory_make();
    segment_problems(c, &p, &m, compare);
    check_offsets(c, &p, &m);
    segment_problem_free(&p);
    segment_memory_free(&m);
}
