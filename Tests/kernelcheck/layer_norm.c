// layer_norm.c: the family layer_norm: ck_layer_norm on one instruction set against portable, over
// shapes, layouts, options and thread counts; and rows against themselves at other places of a batch.

#include <inttypes.h>
#include <stddef.h>

#include "families.h"
#include "guarded.h"
#include "layer_norm_problem.h"

enum { MAX_ROWS = 70, MAX_COLS = 4097, MAX_GAP = 37 };

/// Where the arguments lie.
typedef struct forward_memory {
    guarded x, y, weight, bias, mean, mean_low, rstd;
} forward_memory;

/// How one call is made.
typedef struct forward_layout {
    int in_place, saves_mean, saves_mean_low, saves_rstd;
    int64_t x_gap, y_gap;  // floats between rows
    ck_run run;
} forward_layout;

static matrix place(check *c, const guarded *home, int64_t rows, int64_t cols, int64_t gap) {
    return matrix_place(home, CK_F32, rows, cols, cols + gap, (int)random_below(&c->random, PLACES));
}

static matrix place_if(check *c, int given, const guarded *home, int64_t cols) {
    return given ? place(c, home, 1, cols, 0) : (matrix){0};
}

/// Makes the call and compares all that it may and may not write with the problem's answers.
static void compare(check *c, const layer_norm_problem *p, const forward_memory *m, forward_layout l) {
    int64_t rows = p->rows, cols = p->cols;
    matrix x = place(c, &m->x, rows, cols, l.x_gap);
    matrix y = l.in_place ? x : place(c, &m->y, rows, cols, l.y_gap);
    matrix weight = place_if(c, p->weight_given != NULL, &m->weight, cols);
    matrix bias = place_if(c, p->bias_given != NULL, &m->bias, cols);
    matrix mean = place_if(c, l.saves_mean, &m->mean, rows);
    matrix mean_low = place_if(c, l.saves_mean_low, &m->mean_low, rows);
    matrix rstd = place_if(c, l.saves_rstd, &m->rstd, rows);
    matrix_fill(x, p->x);
    matrix_fill(weight, p->weight);
    matrix_fill(bias, p->bias);

    check_describe(c,
                   "rows %" PRId64 ", cols %" PRId64
                   ", epsilon %g, weight %d, bias %d, in place %d, threads %d, "
                   "gaps %" PRId64 " and %" PRId64 ", x ... %03x, y ... %03x",
                   rows, cols, (double)p->epsilon, weight.base != NULL, bias.base != NULL, l.in_place, l.run.threads,
                   l.x_gap, l.y_gap, (unsigned)((uintptr_t)x.base & 0xfff), (unsigned)((uintptr_t)y.base & 0xfff));
    ck_norm_args args = {
        .rows = rows,
        .cols = cols,
        .x = x.base,
        .x_stride = x.stride,
        .weight = weight.base,
        .bias = bias.base,
        .epsilon = p->epsilon,
        .y = y.base,
        .y_stride = y.stride,
        .mean = mean.base,
        .mean_low = mean_low.base,
        .rstd = rstd.base,
    };
    if (!check_call(c, enter_layer_norm, &args, l.run, CK_OK)) return;
    matrix_expect(c, "y", y, p->y);
    matrix_expect(c, "mean", mean, p->mean);
    matrix_expect(c, "mean_low", mean_low, p->mean_low);
    matrix_expect(c, "rstd", rstd, p->rstd);
    if (!l.in_place) matrix_expect(c, "x", x, p->x);
    matrix_expect(c, "weight", weight, p->weight);
    matrix_expect(c, "bias", bias, p->bias);
}

static forward_layout draw_layout(check *c) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, MAX_GAP}, threads[] = {1, 1, 1, 2, 3, 8};
    random_source *r = &c->random;
    return (forward_layout){
        .in_place = (int)random_below(r, 3) == 0,
        .saves_mean = (int)random_below(r, 2),
        .saves_mean_low = (int)random_below(r, 2),
        .saves_rstd = (int)random_below(r, 2),
        .x_gap = random_choice(r, gaps, 6),
        .y_gap = random_choice(r, gaps, 6),
        .run = {c->isa, (int32_t)random_choice(r, threads, 6)},
    };
}

/// A few rows; for half of the narrow batches several times as many as a kernel takes together.
static int64_t draw_rows(check *c, int64_t cols) {
    if (cols <= 600 && random_below(&c->random, 2)) return 10 + random_below(&c->random, 40);
    return 1 + random_below(&c->random, 9);
}

/// Every width with every set of optional arguments.
static void compare_widths(check *c, layer_norm_problem *p, const forward_memory *m) {
    for (int w = 0; w < check_width_count; w++)
        for (int options = 0; options < 32; options++) {
            if (c->quick && check_widths[w] > 80 && options % 5 != 0) continue;
            check_begin(c);
            check_describe(c, "cols %" PRId64, check_widths[w]);
            problem_draw(c, p, draw_rows(c, check_widths[w]), check_widths[w], WILD);
            forward_layout l = draw_layout(c);
            p->weight_given = options & 1 ? p->weight : NULL;
            p->bias_given = options & 2 ? p->bias : NULL;
            l.saves_mean = options >> 2 & 1;
            l.saves_mean_low = options >> 3 & 1;
            l.saves_rstd = options >> 4 & 1;
            problem_solve(c, p);
            compare(c, p, m, l);
        }
}

/// Batches whose rows were solved one by one: neither a row's place nor the threads may show.
static void compare_places(check *c, layer_norm_problem *p, const forward_memory *m) {
    static const int64_t rows[] = {2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, MAX_ROWS};
    static const int64_t cols[] = {1, 5, 16, 33, 64, 100, 257, 1024, MAX_COLS};
    static const int32_t threads[] = {0, 1, 2, 3, 8};
    for (int i = 0; i < 14; i++)
        for (int j = 0; j < 9; j++) {
            if (c->quick && rows[i] * cols[j] > 20000 && rows[i] < MAX_ROWS) continue;
            check_begin(c);
            check_describe(c, "rows %" PRId64 ", cols %" PRId64, rows[i], cols[j]);
            problem_draw(c, p, rows[i], cols[j], WILD);
            problem_solve_rows(c, p);
            for (int t = 0; t < 5; t++) {
                forward_layout l = draw_layout(c);
                l.run.threads = threads[t];
                compare(c, p, m, l);
            }
        }
}

void check_layer_norm(check *c) {
    int64_t in_matrix = matrix_needs(CK_F32, MAX_ROWS, MAX_COLS + MAX_GAP),
            in_vector = matrix_needs(CK_F32, 1, MAX_COLS);
    layer_norm_problem p = problem_make(MAX_ROWS, MAX_COLS, MAX_ROWS * MAX_COLS);
    forward_memory m = {
        guarded_make(in_matrix), guarded_make(in_matrix), guarded_make(in_vector), guarded_make(in_vector),
        guarded_make(in_vector), guarded_make(in_vector), guarded_make(in_vector),
    };
    compare_widths(c, &p, &m);
    compare_places(c, &p, &m);
    guarded *all[] = {&m.x, &m.y, &m.weight, &m.bias, &m.mean, &m.mean_low, &m.rstd};
    for (int i = 0; i < 7; i++) guarded_free(all[i]);
    problem_free(&p);
}
