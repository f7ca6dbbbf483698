// promises.c: the family promises: what ck_norm.h says of special rows, apart from any bits: rows
// without spread, rows that hold a NaN or an infinity, rows of one column.

#include <inttypes.h>

#include "families.h"
#include "layer_norm_problem.h"
#include "patterns.h"

enum { ROWS = 3, MAX_COLS = 4097 };

/// Runs both passes of a problem on the instruction set under test; the answers go where portable's would.
static int run(check *c, layer_norm_problem *p) {
    ck_norm_args forward = {
        .rows = p->rows,
        .cols = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .bias = p->bias_given,
        .epsilon = p->epsilon,
        .y = p->y,
        .y_stride = p->cols,
        .mean = p->mean,
        .mean_low = p->mean_low,
        .rstd = p->rstd,
    };
    ck_norm_backward_args backward = {
        .rows = p->rows,
        .cols = p->cols,
        .dy = p->dy,
        .dy_stride = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .mean = p->mean,
        .mean_low = p->mean_low,
        .rstd = p->rstd,
        .dx = p->dx,
        .dx_stride = p->cols,
    };
    return check_call(c, enter_layer_norm, &forward, (ck_run){c->isa, 1}, CK_OK) &&
           check_call(c, enter_layer_norm_backward, &backward, (ck_run){c->isa, 1}, CK_OK);
}

static void draw(check *c, layer_norm_problem *p, int64_t cols, const char *what) {
    check_begin(c);
    problem_draw(c, p, ROWS, cols, TAME);
    check_describe(c, "%s, cols %" PRId64 ", epsilon %g", what, cols, (double)p->epsilon);
}

/// A row without spread is exactly `bias`. Its rstd is 0 for epsilon 0, else a number.
static void check_constant_rows(check *c, layer_norm_problem *p) {
    for (int w = 0; w < check_width_count; w++)
        for (pattern kind = PATTERN_CONSTANT; kind <= PATTERN_HUGE_CONSTANT; kind++) {
            int64_t cols = check_widths[w];
            draw(c, p, cols, kind == PATTERN_CONSTANT ? "constant rows" : "huge constant rows");
            for (int64_t row = 0; row < ROWS; row++) pattern_fill(kind, p->x + row * cols, cols, &c->random);
            if (!run(c, p)) continue;
            int is_bias = 1, has_rstd = 1;
            for (int64_t i = 0; i < ROWS * cols; i++) is_bias &= p->y[i] == (p->bias_given ? p->bias[i % cols] : 0);
            for (int64_t row = 0; row < ROWS; row++)
                has_rstd &= p->epsilon == 0 ? p->rstd[row] == 0 : p->rstd[row] > 0 && p->rstd[row] - p->rstd[row] == 0;
            check_that(c, is_bias, "y is not the bias");
            check_that(c, has_rstd, "rstd is not 0 for epsilon 0, or else not a positive number");
        }
}

/// A row that holds a NaN or an infinity becomes NaN; the rows beside it stay numbers.
static void check_not_finite_rows(check *c, layer_norm_problem *p) {
    for (int w = 0; w < check_width_count; w++)
        for (pattern kind = PATTERN_NAN; kind <= PATTERN_MINUS_INFINITY; kind++) {
            int64_t cols = check_widths[w];
            draw(c, p, cols, "NaN or infinity in the second row");
            pattern_fill(kind, p->x + cols, cols, &c->random);
            if (!run(c, p)) continue;
            int kept_apart = 1;
            for (int64_t i = 0; i < ROWS * cols; i++) {
                int is_nan = p->y[i] != p->y[i];
                kept_apart &= is_nan == (i / cols == 1);
            }
            check_that(c, kept_apart, "y is not NaN in that row and a number in the others");
        }
}

/// A row of one column has no gradient.
static void check_single_columns(check *c, layer_norm_problem *p) {
    for (int repeat = 0; repeat < 50; repeat++) {
        draw(c, p, 1, "one column");
        for (int64_t row = 0; row < ROWS; row++)
            pattern_fill((pattern)random_below(&c->random, FINITE_PATTERNS), p->x + row, 1, &c->random);
        if (!run(c, p)) continue;
        for (int64_t row = 0; row < ROWS; row++) check_that(c, p->dx[row] == 0, "dx is not 0");
    }
}

void check_promises(check *c) {
    layer_norm_problem p = problem_make(ROWS, MAX_COLS, ROWS * MAX_COLS);
    check_constant_rows(c, &p);
    check_not_finite_rows(c, &p);
    check_single_columns(c, &p);
    problem_free(&p);
}
