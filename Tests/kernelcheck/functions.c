// functions.c: the families exp and tanh: error in ULP against float64, growth from float to float, bits against the
// contract's words, special values, on every 997th float and on all that lie near something special; with
// --exhaustive on all 2^32.

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract_exp.h"
#include "families.h"
#include "guarded.h"
#include "math_entry.h"

typedef struct function {
    const char *name;
    entry_point entry;
    double (*truth)(double);
    float (*contract)(float);
    double bound;       // in ULP
    float specials[8];  // floats near these are never left out; ends with NaN
} function;

/// Floats go to the kernel in pieces of this many, in increasing order.
enum { PIECE = 1 << 16 };

typedef struct walk {
    float *x, *y, *expected;
    int64_t count;
    float last;  // the result before those of the piece; NaN at first
    double worst;
    float worst_at;
} walk;

/// The n-th float in increasing order, from -NaN over -infinity, -0 and +0 to +NaN.
static float nth_float(uint32_t n) {
    uint32_t bits = n < 0x80000000 ? ~n : n - 0x80000000;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint32_t number_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits + 0x80000000;
}

/// The distance of the floats around `truth`, for a magnitude of at least the least normal number's.
static double ulp(double truth) {
    int exponent;
    frexp(truth, &exponent);
    return ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static double error_in_ulp(float y, double truth) {
    if (isnan(truth)) return isnan(y) ? 0 : INFINITY;
    if (fabs(truth) >= 0x1.ffffffp127) return isinf(y) && (y > 0) == (truth > 0) ? 0 : INFINITY;
    return isfinite(y) ? fabs(y - truth) / ulp(truth) : INFINITY;
}

static void check_piece(check *c, const function *f, walk *w) {
    map_args args = {w->x, w->y, w->count};
    if (w->count == 0 || !check_call(c, f->entry, &args, (ck_run){c->isa, 1}, CK_OK)) return;
    for (int64_t i = 0; i < w->count; i++) {
        double error = error_in_ulp(w->y[i], f->truth(w->x[i]));
        if (error > w->worst) {
            w->worst = error;
            w->worst_at = w->x[i];
        }
        if (w->y[i] < w->last) check_fail(c, "%s falls at %a, to %a", f->name, (double)w->x[i], (double)w->y[i]);
        w->last = w->y[i];
        w->expected[i] = f->contract(w->x[i]);
    }
    check_row(c, f->name, CK_F32, 0, w->y, w->expected, w->count);
    check_count(c);
    w->count = 0;
}

/// Floats `first` to `last`, by their numbers, `step` apart.
static void walk_range(check *c, const function *f, walk *w, uint32_t first, uint32_t last, uint32_t step) {
    w->last = NAN;
    for (uint64_t n = first; n <= last; n += step) {
        w->x[w->count++] = nth_float((uint32_t)n);
        if (w->count == PIECE) check_piece(c, f, w);
    }
    check_piece(c, f, w);
}

static void walk_floats(check *c, const function *f) {
    guarded x = guarded_make(PIECE * sizeof(float)), y = guarded_make(PIECE * sizeof(float));
    walk w = {.x = x.first, .y = y.first, .expected = malloc(PIECE * sizeof(float))};
    check_begin(c);
    check_describe(c, "%s, floats in increasing order", f->name);
    walk_range(c, f, &w, 0, UINT32_MAX, c->exhaustive ? 1 : c->quick ? 99991 : 997);
    for (int i = 0; !isnan(f->specials[i]); i++) {
        uint32_t middle = number_of(f->specials[i]);
        walk_range(c, f, &w, middle - 2000, middle + 2000, 1);
    }
    check_that(c, w.worst <= f->bound, "an error beyond the bound in the name");
    if (c->exhaustive || w.worst > f->bound)
        printf("  %s on %s: at most %.4f ULP, at %a\n", f->name, ck_isa_name(c->isa), w.worst, (double)w.worst_at);
    free(w.expected);
    guarded_free(&x);
    guarded_free(&y);
}

/// Every count up to some vectors, at every place, in place or not, on threads; the values are those of the walk.
static void check_layouts(check *c, const function *f) {
    enum { MOST = 5000 };
    int64_t bytes = matrix_needs(CK_F32, 1, MOST);
    guarded home_x = guarded_make(bytes), home_y = guarded_make(bytes);
    float *numbers = malloc(MOST * sizeof(float)), *expected = malloc(MOST * sizeof(float));
    for (int64_t count = 1; count <= MOST; count += 1 + count / 16) {
        check_begin(c);
        int in_place = (int)random_below(&c->random, 2);
        check_describe(c, "%s of %" PRId64 ", in place %d", f->name, count, in_place);
        for (int64_t i = 0; i < count; i++) {
            numbers[i] = 20 * random_normal(&c->random);
            expected[i] = f->contract(numbers[i]);
        }
        matrix x = matrix_place(&home_x, CK_F32, 1, count, count, (int)random_below(&c->random, PLACES));
        matrix y = in_place ? x : matrix_place(&home_y, CK_F32, 1, count, count, (int)random_below(&c->random, PLACES));
        matrix_fill(x, numbers);
        map_args args = {x.base, y.base, count};
        if (!check_call(c, f->entry, &args, (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}, CK_OK))
            continue;
        matrix_expect(c, "y", y, expected);
        if (!in_place) matrix_expect(c, "x", x, numbers);
    }
    free(numbers);
    free(expected);
    guarded_free(&home_x);
    guarded_free(&home_y);
}

/// So many numbers that the result bypasses the caches: a row of them again and again.
static void check_streamed(check *c, const function *f) {
    enum { IN_ROW = 5000 };
    int64_t rows = ck_inspect().last_cache / (2 * IN_ROW * (int64_t)sizeof(float)) + 1;
    int64_t bytes = matrix_needs(CK_F32, rows, IN_ROW);
    guarded home_x = guarded_make(bytes), home_y = guarded_make(bytes);
    float numbers[IN_ROW], expected[IN_ROW];
    check_begin(c);
    check_describe(c, "%s of %" PRId64 " times %d", f->name, rows, IN_ROW);
    matrix x = matrix_place(&home_x, CK_F32, rows, IN_ROW, IN_ROW, 3);
    matrix y = matrix_place(&home_y, CK_F32, rows, IN_ROW, IN_ROW, 0);
    for (int64_t i = 0; i < IN_ROW; i++) {
        numbers[i] = 20 * random_normal(&c->random);
        expected[i] = f->contract(numbers[i]);
    }
    for (int64_t row = 0; row < rows; row++) memcpy((float *)x.base + row * IN_ROW, numbers, sizeof numbers);
    map_args args = {x.base, y.base, rows * IN_ROW};
    if (check_call(c, f->entry, &args, (ck_run){c->isa, 2}, CK_OK))
        for (int64_t row = 0; row < rows; row++)
            check_row(c, "y", CK_F32, row, (float *)y.base + row * IN_ROW, expected, IN_ROW);
    matrix_expect_around(c, "y", y);
    check_count(c);
    guarded_free(&home_x);
    guarded_free(&home_y);
}

static void check_exact(check *c, const function *f, float x, float y) {
    float found = NAN;
    map_args args = {&x, &found, 1};
    check_begin(c);
    check_describe(c, "%s(%a)", f->name, (double)x);
    if (check_call(c, f->entry, &args, (ck_run){c->isa, 1}, CK_OK)) check_row(c, f->name, CK_F32, 0, &found, &y, 1);
    check_count(c);
}

void check_exp(check *c) {
    function f = {"exp",        enter_exp, exp,
                  contract_exp, 1,         {0, -87.33655f, -103.97208f, -104, 88.722839f, 89, INFINITY, NAN}};
    walk_floats(c, &f);
    check_layouts(c, &f);
    check_streamed(c, &f);
    check_exact(c, &f, 0.0f, 1);
    check_exact(c, &f, -0.0f, 1);
    check_exact(c, &f, -INFINITY, 0);
    check_exact(c, &f, INFINITY, INFINITY);
    check_exact(c, &f, NAN, NAN);
}

void check_tanh(check *c) {
    function f = {"tanh",        enter_tanh, tanh,
                  contract_tanh, 2,          {0, 0.5625f, -0.5625f, 9.010913f, -9.010913f, 10, INFINITY, NAN}};
    walk_floats(c, &f);
    check_layouts(c, &f);
    check_streamed(c, &f);
    check_exact(c, &f, 0.0f, 0.0f);
    check_exact(c, &f, -0.0f, -0.0f);
    check_exact(c, &f, INFINITY, 1);
    check_exact(c, &f, -INFINITY, -1);
    check_exact(c, &f, 20, 1);
    check_exact(c, &f, NAN, NAN);
}
