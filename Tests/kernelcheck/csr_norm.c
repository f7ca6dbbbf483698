// csr_norm.c: the family csr_norm: LayerNorm over neighbourhoods against ck_layer_norm on each by itself, on the
// portable kernels; its gradients against portable.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "norm_problem.h"
#include "segment_problem.h"

static const ck_run portable = {CK_ISA_PORTABLE, 1};

static ck_status enter_csr(const void *args, ck_run run) { return ck_csr_layer_norm(args, run); }
static ck_status enter_csr_backward(const void *args, ck_run run) { return ck_csr_layer_norm_backward(args, run); }

/// Each head's weight is the same on all its edges.
static void compare_graph(check *c, segment_problem *p, const segment_memory *m) {
    float *constant = malloc(2 * MAX_COLS * sizeof *constant);
    if (!constant) exit(2);
    for (int64_t head = 0; head < p->rows; head++)
        for (int64_t s = 0; s < p->segments; s++) {
            int64_t first = p->offsets[s], saved = head * p->segments + s;
            for (int64_t i = 0; i < MAX_COLS; i++) {
                constant[i] = p->weight[head];
                constant[MAX_COLS + i] = p->bias[head];
            }
            ck_norm_args args = {
                .rows = 1,
                .cols = p->offsets[s + 1] - first,
                .type = p->type,
                .x = segment_column(p, p->x, head * p->cols + first),
                .x_stride = p->cols,
                .weight = p->given_weight ? constant : NULL,
                .bias = p->given_bias ? constant + MAX_COLS : NULL,
                .epsilon = p->epsilon,
                .y = segment_column(p, p->y, head * p->cols + first),
                .y_stride = p->cols,
                .mean = p->mean + saved,
                .mean_low = p->mean_low + saved,
                .rstd = p->rstd + saved,
            };
            if (args.cols > 0)
                check_call(c, enter_layer_norm, &args, portable, CK_OK);
            else
                p->mean[saved] = p->mean_low[saved] = p->rstd[saved] = 0;
        }
    free(constant);
    int64_t saved = p->segments * p->rows;
    matrix x = segment_place(c, &m->x, p->type, p->rows, p->cols, p->x);
    matrix y = random_below(&c->random, 2) ? x : segment_place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix mean = segment_place(c, &m->mean, CK_F32, 1, saved, NULL),
           low = segment_place(c, &m->mean_low, CK_F32, 1, saved, NULL);
    matrix rstd = segment_place(c, &m->rstd, CK_F32, 1, saved, NULL);
    ck_csr_layer_norm_args args = {
        .heads = p->rows,
        .edges = p->cols,
        .nodes = p->segments,
        .offsets = p->offsets,
        .type = p->type,
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
    if (!check_call(c, enter_csr, &args, segment_run(c), CK_OK)) return;
    matrix_expect(c, "y", y, p->y);
    matrix_expect(c, "mean", mean, p->mean);
    matrix_expect(c, "mean_low", low, p->mean_low);
    matrix_expect(c, "rstd", rstd, p->rstd);
}

static void compare_graph_backward(check *c, segment_problem *p, const segment_memory *m) {
    size_t bytes = ck_csr_layer_norm_backward_workspace(p->rows, p->segments);
    matrix workspace = matrix_place(&m->workspace, CK_F32, 1, (int64_t)bytes / 4, (int64_t)bytes / 4, 0);
    ck_csr_layer_norm_backward_args args = {
        .heads = p->rows,
        .edges = p->cols,
        .nodes = p->segments,
        .offsets = p->offsets,
        .type = p->type,
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
        .workspace = workspace.base,
        .workspace_size = bytes,
    };
    memcpy(p->dweight, p->dweight_before, MAX_COLS * sizeof(float));
    memcpy(p->dbias, p->dbias_before, MAX_COLS * sizeof(float));
    if (!check_call(c, enter_csr_backward, &args, portable, CK_OK)) return;
    matrix dy = segment_place(c, &m->dy, p->type, p->rows, p->cols, p->dy),
           x = segment_place(c, &m->x, p->type, p->rows, p->cols, p->x);
    matrix dx = random_below(&c->random, 2) ? dy : segment_place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix dweight = segment_place(c, &m->dweight, CK_F32, 1, p->rows, p->dweight_before);
    matrix dbias = segment_place(c, &m->dbias, CK_F32, 1, p->rows, p->dbias_before);
    args.dy = dy.base;
    args.dy_stride = dy.stride;
    args.x = x.base;
    args.x_stride = x.stride;
    args.dx = dx.base;
    args.dx_stride = dx.stride;
    args.dweight = dweight.base;
    args.dbias = dbias.base;
    if (!check_call(c, enter_csr_backward, &args, segment_run(c), CK_OK)) return;
    matrix_expect(c, "dx", dx, p->dx);
    matrix_expect(c, "dweight", dweight, p->dweight);
    matrix_expect(c, "dbias", dbias, p->dbias);
    matrix_expect_around(c, "workspace", workspace);
}

static void compare(check *c, segment_problem *p, const segment_memory *m) {
    compare_graph(c, p, m);
    compare_graph_backward(c, p, m);
}

/// Offsets that do not cut the edges are refused.
static void check_offsets(check *c, segment_problem *p) {
    static const int64_t wrong[][4] = {{1, 3, 5, 9},  {0, 5, 3, 9},  {0, 3, 5, 8}, {0, 3, 5, 10},
                                       {-1, 3, 5, 9}, {0, 10, 5, 9}, {0, -1, 5, 9}};
    ck_run run = {c->isa, 1};
    check_begin(c);
    segment_problem_draw(c, p, 4, 9, 3);
    for (int i = 0; i < 7; i++) {
        memcpy(p->offsets, wrong[i], sizeof wrong[i]);
        ck_csr_layer_norm_args graph = {.heads = 4,
                                        .edges = 9,
                                        .nodes = 3,
                                        .offsets = p->offsets,
                                        .x = p->x,
                                        .x_stride = 9,
                                        .y = p->y,
                                        .y_stride = 9};
        check_call(c, enter_csr, &graph, run, CK_BAD_OFFSETS);
        ck_csr_layer_norm_backward_args graph_backward = {.heads = 4,
                                                          .edges = 9,
                                                          .nodes = 3,
                                                          .offsets = p->offsets,
                                                          .dy = p->dy,
                                                          .dy_stride = 9,
                                                          .x = p->x,
                                                          .x_stride = 9,
                                                          .mean = p->mean,
                                                          .rstd = p->rstd,
                                                          .dx = p->dx,
                                                          .dx_stride = 9};
        check_call(c, enter_csr_backward, &graph_backward, run, CK_BAD_OFFSETS);
        check_count(c);
    }
}

void check_csr_norm(check *c) {
    segment_problem p = segment_problem_make();
    segment_memory m = segment_memory_make();
    segment_problems(c, &p, &m, compare);
    check_offsets(c, &p);
    segment_problem_free(&p);
    segment_memory_free(&m);
}
