// layer_norm_backward.c: the family layer_norm_backward: ck_layer_norm_backward on one instruction set
// against portable, over shapes, layouts, options and thread counts.

#include <inttypes.h>
#include <stddef.h>

#include "families.h"
#include "guarded.h"
#include "layer_norm_problem.h"

enum { MAX_ROWS = 4100, MAX_COLS = 4097, MAX_GAP = 37, MAX_FLOATS = 500000 };

/// Where the arguments lie.
typedef struct backward_memory {
    guarded dy, x, dx, weight, mean, mean_low, rstd, dweight, dbias, workspace;
} backward_memory;

/// How one call is made.
typedef struct backward_layout {
    int wants_dx, wants_dweight, wants_dbias, in_place;
    int64_t dy_gap, x_gap, dx_gap;  // floats between rows
    ck_run run;
} backward_layout;

static matrix place(check *c, const guarded *home, int64_t rows, int64_t cols, int64_t gap) {
    return matrix_place(home, CK_F32, rows, cols, cols + gap, (int)random_below(&c->random, PLACES));
}

static matrix place_vector(check *c, int given, const guarded *home, int64_t count, const float *values) {
    matrix m = given ? place(c, home, 1, count, 0) : (matrix){0};
    matrix_fill(m, values);
    return m;
}

/// Exactly the bytes that the call needs, at a 64-byte line: in the midst, or flush with either end.
static matrix place_workspace(check *c, int needed, const layer_norm_problem *p, const guarded *home) {
    static const int64_t places[] = {0, FLUSH_START, FLUSH_END};
    if (!needed) return (matrix){0};
    int64_t floats = (int64_t)(ck_norm_backward_workspace(p->rows, p->cols, 0) / sizeof(float));
    return matrix_place(home, CK_F32, 1, floats, floats, (int)random_choice(&c->random, places, 3));
}

/// Makes the call and compares all that it may and may not write with the problem's answers.
static void compare(check *c, const layer_norm_problem *p, const backward_memory *m, backward_layout l) {
    int64_t rows = p->rows, cols = p->cols;
    int in_place = l.in_place && l.wants_dx;
    matrix dy = place(c, &m->dy, rows, cols, l.dy_gap), x = place(c, &m->x, rows, cols, l.x_gap);
    matrix dx = in_place ? dy : l.wants_dx ? place(c, &m->dx, rows, cols, l.dx_gap) : (matrix){0};
    matrix_fill(dy, p->dy);
    matrix_fill(x, p->x);
    matrix weight = place_vector(c, p->weight_given != NULL, &m->weight, cols, p->weight);
    matrix mean = place_vector(c, 1, &m->mean, rows, p->mean);
    matrix mean_low = place_vector(c, p->mean_low_given != NULL, &m->mean_low, rows, p->mean_low);
    matrix rstd = place_vector(c, 1, &m->rstd, rows, p->rstd);
    matrix dweight = place_vector(c, l.wants_dweight, &m->dweight, cols, p->dweight_before);
    matrix dbias = place_vector(c, l.wants_dbias, &m->dbias, cols, p->dbias_before);
    matrix workspace = place_workspace(c, l.wants_dweight || l.wants_dbias, p, &m->workspace);

    check_describe(c,
                   "rows %" PRId64 ", cols %" PRId64
                   ", weight %d, mean_low %d, dx %d, dweight %d, dbias %d, "
                   "in place %d, accumulate %d, threads %d, gaps %" PRId64 ", %" PRId64 " and %" PRId64,
                   rows, cols, weight.base != NULL, mean_low.base != NULL, l.wants_dx, l.wants_dweight, l.wants_dbias,
                   in_place, p->accumulate, l.run.threads, l.dy_gap, l.x_gap, l.dx_gap);
    ck_norm_backward_args args = {
        .rows = rows,
        .cols = cols,
        .dy = dy.base,
        .dy_stride = dy.stride,
        .x = x.base,
        .x_stride = x.stride,
        .weight = weight.base,
        .mean = mean.base,
        .mean_low = mean_low.base,
        .rstd = rstd.base,
        .dx = dx.base,
        .dx_stride = dx.stride,
        .dweight = dweight.base,
        .dbias = dbias.base,
        .accumulate = p->accumulate,
        .workspace = workspace.base,
        .workspace_size = (size_t)workspace.cols * sizeof(float),
    };
    if (!check_call(c, enter_layer_norm_backward, &args, l.run, CK_OK)) return;
    matrix_expect(c, "dx", dx, p->dx);
    matrix_expect(c, "dweight", dweight, p->dweight);
    matrix_expect(c, "dbias", dbias, p->dbias);
    matrix_expect_around(c, "workspace", workspace);
    if (!in_place) matrix_expect(c, "dy", dy, p->dy);
    matrix_expect(c, "x", x, p->x);
    matrix_expect(c, "weight", weight, p->weight);
    matrix_expect(c, "mean", mean, p->mean);
    matrix_expect(c, "mean_low", mean_low, p->mean_low);
    matrix_expect(c, "rstd", rstd, p->rstd);
}

static backward_layout draw_layout(check *c) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, MAX_GAP}, threads[] = {1, 1, 1, 2, 3, 8};
    random_source *r = &c->random;
    return (backward_layout){
        .wants_dx = random_below(r, 4) > 0,
        .wants_dweight = random_below(r, 4) > 0,
        .wants_dbias = random_below(r, 4) > 0,
        .in_place = random_below(r, 3) == 0,
        .dy_gap = random_choice(r, gaps, 6),
        .x_gap = random_choice(r, gaps, 6),
        .dx_gap = random_choice(r, gaps, 6),
        .run = {c->isa, (int32_t)random_choice(r, threads, 6)},
    };
}

static void draw_problem(check *c, layer_norm_problem *p, int64_t rows, int64_t cols) {
    check_begin(c);
    check_describe(c, "rows %" PRId64 ", cols %" PRId64, rows, cols);
    problem_draw(c, p, rows, cols, random_below(&c->random, 2) ? WILD : TAME);
}

static void solve(check *c, layer_norm_problem *p) {
    problem_solve(c, p);
    problem_solve_backward(c, p);
}

/// Every width with every set of outputs, accumulated or not, with and without a weight.
static void compare_widths(check *c, layer_norm_problem *p, const backward_memory *m) {
    for (int w = 0; w < check_width_count; w++)
        for (int options = 0; options < 32; options++) {
            if (c->quick && check_widths[w] > 80 && options % 5 != 0) continue;
            draw_problem(c, p, 1 + (int64_t)(c->cases % 9), check_widths[w]);
            backward_layout l = draw_layout(c);
            p->accumulate = options & 1;
            p->weight_given = options & 2 ? p->weight : NULL;
            l.wants_dx = options >> 2 & 1;
            l.wants_dweight = options >> 3 & 1;
            l.wants_dbias = options >> 4 & 1;
            solve(c, p);
            compare(c, p, m, l);
        }
}

/// Every number of rows up to 70, and more, so that there are many blocks of rows, also of more than 16.
static void compare_heights(check *c, layer_norm_problem *p, const backward_memory *m) {
    static const int64_t cols[] = {1, 7, 16, 33, 65, 116};
    static const int64_t more_rows[] = {255, 256, 257, 700, 1023, 1024, 1025, 1100, 2049, MAX_ROWS};
    static const int32_t threads[] = {0, 1, 2, 3, 8};
    for (int64_t k = 1; k <= 80; k++)
        for (int i = 0; i < 6; i++) {
            int64_t rows = k <= 70 ? k : more_rows[k - 71];
            if (c->quick && rows * cols[i] > 20000) continue;
            draw_problem(c, p, rows, cols[i]);
            solve(c, p);
            for (int t = 0; t < 5; t++) {
                backward_layout l = draw_layout(c);
                l.run.threads = threads[t];
                compare(c, p, m, l);
            }
        }
}

void check_layer_norm_backward(check *c) {
    int64_t in_matrix = matrix_needs(CK_F32, 1, MAX_FLOATS + MAX_ROWS * MAX_GAP);
    int64_t in_vector = matrix_needs(CK_F32, 1, MAX_ROWS),
            in_workspace = matrix_needs(CK_F32, 1, 2 * 64 * (MAX_COLS + 16));
    layer_norm_problem p = problem_make(MAX_ROWS, MAX_COLS, MAX_FLOATS);
    backward_memory m = {
        guarded_make(in_matrix), guarded_make(in_matrix),    guarded_make(in_matrix), guarded_make(in_vector),
        guarded_make(in_vector), guarded_make(in_vector),    guarded_make(in_vector), guarded_make(in_vector),
        guarded_make(in_vector), guarded_make(in_workspace),
    };
    compare_widths(c, &p, &m);
    compare_heights(c, &p, &m);
    guarded *all[] = {&m.dy, &m.x, &m.dx, &m.weight, &m.mean, &m.mean_low, &m.rstd, &m.dweight, &m.dbias, &m.workspace};
    for (int i = 0; i < 10; i++) guarded_free(all[i]);
    problem_free(&p);
}
