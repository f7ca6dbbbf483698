// segment_norm.c: the family segment_norm: norms of parts of rows, and of the neighbourhoods of a graph, against the
// calls of ck_norm.h on each part by itself, on the portable kernels.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "guarded.h"
#include "patterns.h"

enum { MAX_ROWS = 70, MAX_COLS = 3000, MAX_SEGMENTS = 64, MAX_GAP = 19, MAX_ELEMENTS = MAX_ROWS * MAX_COLS };

/// One problem, all of its arrays packed. Statistics are [segments, rows], for graphs [heads, nodes].
typedef struct segment_problem {
    int64_t rows, cols, segments, offsets[MAX_SEGMENTS + 1];
    ck_type type;
    int is_rms, shared, accumulate, given_weight, given_bias;
    float epsilon;
    float *x, *dy, *y, *dx, *weight, *bias, *mean, *mean_low, *rstd, *dweight, *dbias, *dweight_before, *dbias_before;
} segment_problem;

enum { ARRAYS = 13 };
static float **arrays_of(segment_problem *p) { return &p->x; }

static const ck_run portable = {CK_ISA_PORTABLE, 1};

static void draw_array(check *c, float *to, ck_type type, int64_t rows, int64_t cols, int64_t patterns) {
    float *row = malloc((size_t)cols * sizeof *row);
    if (!row) exit(2);
    for (int64_t r = 0; r < rows; r++) {
        pattern_fill((pattern)random_below(&c->random, patterns), row, cols, &c->random);
        for (int64_t i = 0; i < cols; i++) {
            uint32_t bits = type_round(type, row[i]);
            memcpy((char *)to + (r * cols + i) * type_size(type), &bits, (size_t)type_size(type));
        }
    }
    free(row);
}

/// Segments of any width, empty ones too; equal ones where they share their parameters.
static void draw_offsets(check *c, segment_problem *p) {
    p->offsets[0] = 0;
    for (int64_t s = 1; s < p->segments; s++)
        p->offsets[s] = p->shared ? s * (p->cols / p->segments) : random_below(&c->random, p->cols + 1);
    p->offsets[p->segments] = p->cols;
    for (int64_t s = 1; s < p->segments; s++)
        for (int64_t t = s; t > 0 && p->offsets[t] < p->offsets[t - 1]; t--) {
            int64_t held = p->offsets[t];
            p->offsets[t] = p->offsets[t - 1];
            p->offsets[t - 1] = held;
        }
}

static void draw_problem(check *c, segment_problem *p, int64_t rows, int64_t cols, int64_t segments) {
    static const ck_type types[] = {CK_F32, CK_BF16, CK_F16};
    static const float epsilons[] = {1e-5f, 0.0f, 1e-12f};
    random_source *r = &c->random;
    p->shared = (int)random_below(r, 2);
    p->rows = rows;
    p->segments = segments;
    p->cols = p->shared ? (cols + segments - 1) / segments * segments : cols;
    p->type = types[random_below(r, 3)];
    p->is_rms = (int)random_below(r, 2);
    p->accumulate = (int)random_below(r, 2);
    p->given_weight = (int)random_below(r, 2);
    p->given_bias = (int)random_below(r, 2);
    p->epsilon = epsilons[random_below(r, 3)];
    draw_offsets(c, p);
    int64_t patterns = random_below(r, 2) ? PATTERNS : TAME_PATTERNS;
    draw_array(c, p->x, p->type, rows, p->cols, patterns);
    draw_array(c, p->dy, p->type, rows, p->cols, TAME_PATTERNS);
    draw_array(c, p->weight, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    draw_array(c, p->bias, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    draw_array(c, p->dweight_before, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    draw_array(c, p->dbias_before, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    memset(p->mean, 0, MAX_ELEMENTS * sizeof(float));
    memset(p->mean_low, 0, MAX_ELEMENTS * sizeof(float));
    memset(p->rstd, 0, MAX_ELEMENTS * sizeof(float));
}

static void *at(const segment_problem *p, float *base, int64_t column) {
    return (char *)base + column * type_size(p->type);
}

static ck_status enter_norm(const void *args, ck_run run) { return ck_layer_norm(args, run); }
static ck_status enter_rms(const void *args, ck_run run) { return ck_rms_norm(args, run); }
static ck_status enter_segments(const void *args, ck_run run) { return ck_segment_layer_norm(args, run); }
static ck_status enter_rms_segments(const void *args, ck_run run) { return ck_segment_rms_norm(args, run); }
static ck_status enter_segments_backward(const void *args, ck_run run) {
    return ck_segment_layer_norm_backward(args, run);
}
static ck_status enter_rms_segments_backward(const void *args, ck_run run) {
    return ck_segment_rms_norm_backward(args, run);
}
static ck_status enter_csr(const void *args, ck_run run) { return ck_csr_layer_norm(args, run); }
static ck_status enter_csr_backward(const void *args, ck_run run) { return ck_csr_layer_norm_backward(args, run); }

/// Each segment by a call of its own.
static void solve_forward(check *c, segment_problem *p) {
    for (int64_t s = 0; s < p->segments; s++) {
        int64_t first = p->offsets[s], own = p->shared ? 0 : first, saved = s * p->rows;
        ck_norm_args args = {
            .rows = p->rows,
            .cols = p->offsets[s + 1] - first,
            .type = p->type,
            .x = at(p, p->x, first),
            .x_stride = p->cols,
            .weight = p->given_weight ? p->weight + own : NULL,
            .bias = p->given_bias ? p->bias + own : NULL,
            .epsilon = p->epsilon,
            .y = at(p, p->y, first),
            .y_stride = p->cols,
            .mean = p->mean + saved,
            .mean_low = p->mean_low + saved,
            .rstd = p->rstd + saved,
        };
        if (args.cols > 0) check_call(c, p->is_rms ? enter_rms : enter_norm, &args, portable, CK_OK);
    }
}

typedef struct segment_memory {
    guarded x, dy, y, mean, mean_low, rstd, dweight, dbias, workspace;
} segment_memory;

static matrix place(check *c, const guarded *home, ck_type type, int64_t rows, int64_t cols, const void *values) {
    int64_t gap = rows > 1 ? random_below(&c->random, MAX_GAP) : 0;
    matrix m = matrix_place(home, type, rows, cols, cols + gap, (int)random_below(&c->random, PLACES));
    if (values) matrix_fill(m, values);
    return m;
}

static void compare_forward(check *c, segment_problem *p, const segment_memory *m) {
    int64_t saved = p->segments * p->rows;
    int in_place = random_below(&c->random, 3) == 0;
    matrix x = place(c, &m->x, p->type, p->rows, p->cols, p->x);
    matrix y = in_place ? x : place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix mean = place(c, &m->mean, CK_F32, 1, saved, p->mean),
           low = place(c, &m->mean_low, CK_F32, 1, saved, p->mean_low);
    matrix rstd = place(c, &m->rstd, CK_F32, 1, saved, p->rstd);
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
    if (!check_call(c, entry, &args, (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}, CK_OK)) return;
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
    matrix workspace = matrix_place(&m->workspace, CK_F32, 1, (int64_t)args.workspace_size / 4,
                                    (int64_t)args.workspace_size / 4, FLUSH_END);
    workspace = matrix_place(&m->workspace, CK_F32, 1, workspace.cols, workspace.cols, 0);
    args.workspace = workspace.base;
    memcpy(p->dweight, p->dweight_before, MAX_COLS * sizeof(float));
    memcpy(p->dbias, p->dbias_before, MAX_COLS * sizeof(float));
    if (!check_call(c, entry, &args, portable, CK_OK)) return;

    matrix dy = place(c, &m->dy, p->type, p->rows, p->cols, p->dy),
           x = place(c, &m->x, p->type, p->rows, p->cols, p->x);
    int in_place = random_below(&c->random, 3) == 0;
    matrix dx = in_place ? dy : place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix dweight = place(c, &m->dweight, CK_F32, 1, parameters(p), p->dweight_before);
    matrix dbias = place(c, &m->dbias, CK_F32, 1, parameters(p), p->dbias_before);
    args.dy = dy.base;
    args.dy_stride = dy.stride;
    args.x = x.base;
    args.x_stride = x.stride;
    args.dx = dx.base;
    args.dx_stride = dx.stride;
    args.dweight = dweight.base;
    args.dbias = dbias.base;
    if (!check_call(c, entry, &args, (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}, CK_OK)) return;
    matrix_expect(c, "dx", dx, p->dx);
    matrix_expect(c, "dweight", dweight, p->dweight);
    matrix_expect(c, "dbias", dbias, p->dbias);
    matrix_expect_around(c, "workspace", workspace);
}

/// The same problem as a graph: heads for rows, nodes for segments; each head's weight is the same on all its edges.
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
                .x = at(p, p->x, head * p->cols + first),
                .x_stride = p->cols,
                .weight = p->given_weight ? constant : NULL,
                .bias = p->given_bias ? constant + MAX_COLS : NULL,
                .epsilon = p->epsilon,
                .y = at(p, p->y, head * p->cols + first),
                .y_stride = p->cols,
                .mean = p->mean + saved,
                .mean_low = p->mean_low + saved,
                .rstd = p->rstd + saved,
            };
            if (args.cols > 0)
                check_call(c, enter_norm, &args, portable, CK_OK);
            else
                p->mean[saved] = p->mean_low[saved] = p->rstd[saved] = 0;
        }
    free(constant);
    int64_t saved = p->segments * p->rows;
    matrix x = place(c, &m->x, p->type, p->rows, p->cols, p->x), y = place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix mean = place(c, &m->mean, CK_F32, 1, saved, NULL), low = place(c, &m->mean_low, CK_F32, 1, saved, NULL);
    matrix rstd = place(c, &m->rstd, CK_F32, 1, saved, NULL);
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
    if (!check_call(c, enter_csr, &args, (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}, CK_OK)) return;
    matrix_expect(c, "graph's y", y, p->y);
    matrix_expect(c, "graph's mean", mean, p->mean);
    matrix_expect(c, "graph's mean_low", low, p->mean_low);
    matrix_expect(c, "graph's rstd", rstd, p->rstd);
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
    matrix dy = place(c, &m->dy, p->type, p->rows, p->cols, p->dy),
           x = place(c, &m->x, p->type, p->rows, p->cols, p->x);
    matrix dx = place(c, &m->y, p->type, p->rows, p->cols, NULL);
    matrix dweight = place(c, &m->dweight, CK_F32, 1, p->rows, p->dweight_before);
    matrix dbias = place(c, &m->dbias, CK_F32, 1, p->rows, p->dbias_before);
    args.dy = dy.base;
    args.dy_stride = dy.stride;
    args.x = x.base;
    args.x_stride = x.stride;
    args.dx = dx.base;
    args.dx_stride = dx.stride;
    args.dweight = dweight.base;
    args.dbias = dbias.base;
    if (!check_call(c, enter_csr_backward, &args, (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}, CK_OK))
        return;
    matrix_expect(c, "graph's dx", dx, p->dx);
    matrix_expect(c, "graph's dweight", dweight, p->dweight);
    matrix_expect(c, "graph's dbias", dbias, p->dbias);
    matrix_expect_around(c, "graph's workspace", workspace);
}

/// Offsets that do not cut the columns are refused by all entry points.
static void check_offsets(check *c, segment_problem *p, const segment_memory *m) {
    static const int64_t wrong[][4] = {{1, 3, 5, 9},  {0, 5, 3, 9},  {0, 3, 5, 8}, {0, 3, 5, 10},
                                       {-1, 3, 5, 9}, {0, 10, 5, 9}, {0, -1, 5, 9}};
    ck_run run = {c->isa, 1};
    check_begin(c);
    draw_problem(c, p, 4, 9, 3);
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
        ck_csr_layer_norm_args graph = {.heads = 4,
                                        .edges = 9,
                                        .nodes = 3,
                                        .offsets = p->offsets,
                                        .x = p->x,
                                        .x_stride = 9,
                                        .y = p->y,
                                        .y_stride = 9};
        check_call(c, enter_csr, &graph, run, CK_BAD_OFFSETS);
        ck_segment_norm_backward_args backward = backward_args(p);
        check_that(c, backward.workspace_size == 0, "memory for wrong offsets");
        backward.workspace = workspace.base;
        backward.workspace_size = 4096 * sizeof(float);
        check_call(c, enter_segments_backward, &backward, run, CK_BAD_OFFSETS);
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
    segment_problem p = {0};
    int64_t in_matrix = matrix_needs(CK_F32, MAX_ROWS, MAX_COLS + MAX_GAP),
            in_vector = matrix_needs(CK_F32, 1, MAX_ROWS * MAX_SEGMENTS + MAX_COLS);
    segment_memory m = {
        guarded_make(in_matrix), guarded_make(in_matrix), guarded_make(in_matrix),
        guarded_make(in_vector), guarded_make(in_vector), guarded_make(in_vector),
        guarded_make(in_vector), guarded_make(in_vector), guarded_make(matrix_needs(CK_F32, 1, 80 * MAX_COLS)),
    };
    for (int i = 0; i < ARRAYS; i++)
        if (!(arrays_of(&p)[i] = calloc(MAX_ELEMENTS, sizeof(float)))) exit(2);
    for (int64_t k = 0; k < (c->quick ? 150 : 900); k++) {
        check_begin(c);
        int64_t cols =
            k % 3 ? 1 + random_below(&c->random, 150) : 1 + random_below(&c->random, MAX_COLS - MAX_SEGMENTS);
        int64_t rows = 1 + random_below(&c->random, cols > 1000 ? 8 : MAX_ROWS);
        draw_problem(c, &p, rows, cols, 1 + random_below(&c->random, MAX_SEGMENTS));
        check_describe(c, "rows %" PRId64 ", cols %" PRId64 ", segments %" PRId64 ", %s, shared %d, rms %d", p.rows,
                       p.cols, p.segments, type_name(p.type), p.shared, p.is_rms);
        solve_forward(c, &p);
        compare_forward(c, &p, &m);
        compare_backward(c, &p, &m);
        compare_graph(c, &p, &m);
        compare_graph_backward(c, &p, &m);
    }
    check_offsets(c, &p, &m);
    for (int i = 0; i < ARRAYS; i++) free(arrays_of(&p)[i]);
    guarded *all = &m.x;
    for (int i = 0; i < 9; i++) guarded_free(&all[i]);
}
