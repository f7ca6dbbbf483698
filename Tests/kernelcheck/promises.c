// promises.c: the family promises: what ck_norm.h says of special rows, apart from any bits: rows without spread, rows
// that hold a NaN or an infinity, rows of one column, whole numbers of eight bits. promises_accuracy.c has the rest.

#include "promises.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "families.h"
#include "patterns.h"

enum { ROWS = PROMISE_ROWS };

void promise_draw(check *c, norm_problem *p, norm_kind kind, int64_t cols, const char *what) {
    check_begin(c);
    norm_draw(c, p, kind, ROWS, cols, TAME);
    p->residual.dropout = 0;
    check_describe(c, "%s, %s of %s%s, cols %" PRId64 ", epsilon %g", what, kind.is_rms ? "RMSNorm" : "LayerNorm",
                   kind.is_residual ? "a sum of " : "", type_name(kind.type), cols, (double)p->epsilon);
}

int promise_run(check *c, norm_problem *p, int quantizes) {
    norm_set quantized = NORM_SET(NORM_QUANTIZED) | NORM_SET(NORM_QUANTIZED_SCALE);
    ck_run run = {c->isa, 1};
    return norm_solve(c, p, NORM_FORWARD, quantizes ? ~(norm_set)0 : ~quantized, run) &&
           norm_solve(c, p, NORM_BACKWARD, ~(norm_set)0, run);
}

static float output(const norm_problem *p, norm_array array, int64_t i) {
    return norm_value(p, array, p->kind.type, i);
}
static float float_of(const norm_problem *p, norm_array array, int64_t i) { return ((float *)p->array[array])[i]; }

/// The bias of a column in the storage type.
static float stored_bias(const norm_problem *p, int64_t i) {
    float bias = norm_has(p->given, NORM_BIAS) ? norm_value(p, NORM_BIAS, p->parameter_type, i) : 0;
    return type_widen(p->kind.type, type_round(p->kind.type, bias));
}

/// A row without spread is exactly `bias`. Its rstd is 0 for epsilon 0, else a number.
static void expect_bias(check *c, norm_problem *p) {
    if (!promise_run(c, p, 0)) return;
    int is_bias = 1, has_rstd = 1;
    for (int64_t i = 0; i < ROWS * p->cols; i++) is_bias &= output(p, NORM_Y, i) == stored_bias(p, i % p->cols);
    for (int64_t row = 0; row < ROWS; row++) {
        float rstd = float_of(p, NORM_RSTD, row);
        has_rstd &= p->epsilon == 0 ? rstd == 0 : rstd > 0 && isfinite(rstd);
    }
    check_that(c, is_bias, "y is not the bias");
    check_that(c, has_rstd, "rstd is not 0 for epsilon 0, or else not a positive number");
}

static void check_constant_rows(check *c, norm_problem *p) {
    float values[PROMISE_COLS];
    for (int w = 0; w < check_width_count; w++)
        for (ck_type type = CK_F32; type <= CK_F16; type++)
            for (pattern kind = PATTERN_CONSTANT; kind <= PATTERN_HUGE_CONSTANT; kind++) {
                int64_t cols = check_widths[w];
                promise_draw(c, p, (norm_kind){0, 0, type}, cols, "constant rows");
                for (int64_t row = 0; row < ROWS; row++) {
                    pattern_fill(kind, values, cols, &c->random);
                    for (int64_t i = 0; i < cols; i++) {
                        if (row == 2) values[i] = 1234;
                        if (type == CK_F16) values[i] = fmaxf(-65504, fminf(values[i], 65504));
                    }
                    norm_put_row(p, NORM_X, row, values);
                }
                expect_bias(c, p);
            }
}

/// RMSNorm of zeros is the bias, too.
static void check_zero_rows(check *c, norm_problem *p) {
    float values[PROMISE_COLS];
    for (int w = 0; w < check_width_count; w++) {
        promise_draw(c, p, (norm_kind){1, 0, (ck_type)(w % 3)}, check_widths[w], "rows of zeros");
        for (int64_t row = 0; row < ROWS; row++) {
            pattern_fill(PATTERN_ZEROS, values, p->cols, &c->random);
            norm_put_row(p, NORM_X, row, values);
        }
        expect_bias(c, p);
    }
}

/// A row that holds a NaN or an infinity becomes NaN; the rows beside it stay numbers.
static void check_not_finite_rows(check *c, norm_problem *p) {
    float values[PROMISE_COLS];
    for (int w = 0; w < check_width_count; w++)
        for (int k = 0; k < NORM_KINDS; k++) {
            int64_t cols = check_widths[w];
            norm_array array = norm_kinds[k].is_residual && random_below(&c->random, 2) ? NORM_BRANCH : NORM_X;
            promise_draw(c, p, norm_kinds[k], cols, "NaN or infinity in the second row");
            p->given &= ~(NORM_SET(NORM_WEIGHT) | NORM_SET(NORM_BIAS));
            if (array == NORM_BRANCH) p->given &= ~NORM_SET(NORM_BRANCH_SCALE);
            pattern_fill((pattern)(PATTERN_NAN + random_below(&c->random, 3)), values, cols, &c->random);
            norm_put_row(p, array, 1, values);
            if (array == NORM_X) p->residual.scale = 1;  // not 0
            if (!promise_run(c, p, 1)) continue;
            int kept_apart = 1, zeros = 1, scales = 1;
            for (int64_t i = 0; i < ROWS * cols; i++) {
                kept_apart &= isnan(output(p, NORM_Y, i)) == (i / cols == 1);
                zeros &= i / cols != 1 || ((int8_t *)p->array[NORM_QUANTIZED])[i] == 0;
            }
            for (int64_t row = 0; row < ROWS; row++)
                scales &= isnan(float_of(p, NORM_QUANTIZED_SCALE, row)) == (row == 1);
            check_that(c, kept_apart, "y is not NaN in that row and a number in the others");
            check_that(c, zeros, "the whole numbers of that row are not 0");
            check_that(c, scales, "the scale is not NaN for that row and a number for the others");
        }
}

/// A row of one column has no gradient, and its LayerNorm is the bias.
static void check_single_columns(check *c, norm_problem *p) {
    for (int repeat = 0; repeat < 60; repeat++) {
        promise_draw(c, p, (norm_kind){0, 0, (ck_type)(repeat % 3)}, 1, "one column");
        p->given &= ~NORM_SET(NORM_DSUM);
        if (!promise_run(c, p, 0)) continue;
        for (int64_t row = 0; row < ROWS; row++) {
            check_that(c, output(p, NORM_DX, row) == 0, "dx is not 0");
            check_that(c, output(p, NORM_Y, row) == stored_bias(p, 0), "y is not the bias");
        }
    }
}

/// A whole number times its scale is y to half a step (and some roundings), and the largest one is 127.
static void check_whole_numbers(check *c, norm_problem *p) {
    for (int w = 0; w < check_width_count; w++)
        for (int k = 0; k < NORM_KINDS; k += 3) {  // the float32 ones: y is known
            int64_t cols = check_widths[w];
            promise_draw(c, p, norm_kinds[k], cols, "whole numbers");
            if (!promise_run(c, p, 1)) continue;
            for (int64_t row = 0; row < ROWS; row++) {
                const int8_t *q = (int8_t *)p->array[NORM_QUANTIZED] + row * cols;
                float step = float_of(p, NORM_QUANTIZED_SCALE, row);
                int near = 1, largest = 0;
                for (int64_t i = 0; i < cols; i++) {
                    double off = fabs((double)q[i] * step - output(p, NORM_Y, row * cols + i));
                    near &= off <= (0.5 + 127 * 0x1p-21) * step;
                    largest = abs(q[i]) > largest ? abs(q[i]) : largest;
                }
                check_that(c, near, "a whole number is off by more than half a step");
                check_that(c, largest == (step > 0 ? 127 : 0), "the largest whole number is not 127");
            }
        }
}

void check_promises(check *c) {
    norm_problem p = norm_problem_make(PROMISE_ROWS, PROMISE_COLS, PROMISE_ROWS * PROMISE_COLS, 1);
    check_constant_rows(c, &p);
    check_zero_rows(c, &p);
    check_not_finite_rows(c, &p);
    check_single_columns(c, &p);
    check_whole_numbers(c, &p);
    check_promised_accuracy(c, &p);
    norm_problem_free(&p);
}
