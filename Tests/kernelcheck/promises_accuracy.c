// promises_accuracy.c: rows that cost careless kernels their accuracy, against float64: huge and tiny ones, wide
// offsets, a small epsilon beside 16-bit storage, a branch beside a large stream.

#include <math.h>

#include "promises.h"

enum { ROWS = PROMISE_ROWS };

/// Fills element i of a row.
typedef float (*row_function)(check *c, int64_t i);

static float normal(check *c, int64_t i) { return (void)i, random_normal(&c->random); }
static float scaled_20(check *c, int64_t i) { return 1e20f * normal(c, i); }
static float scaled_30(check *c, int64_t i) { return 1e30f * normal(c, i); }
static float scaled_minus_30(check *c, int64_t i) { return 1e-30f * normal(c, i); }
static float around_a_million(check *c, int64_t i) { return 1e6f + normal(c, i); }
static float around_30000(check *c, int64_t i) { return (void)c, (void)i, 30000; }
static float exactly_a_million(check *c, int64_t i) { return (void)c, (void)i, 1e6f; }
static float steps_above_40000(check *c, int64_t i) { return (void)c, 40000 + 32 * (float)(i % 4); }
static float near_1e_4(check *c, int64_t i) { return 1e-4f * normal(c, i); }

static void fill(check *c, norm_problem *p, norm_array array, row_function element) {
    float values[PROMISE_COLS];
    for (int64_t row = 0; row < ROWS; row++) {
        for (int64_t i = 0; i < p->cols; i++) values[i] = element(c, i);
        norm_put_row(p, array, row, values);
    }
}

/// h in float64. `without_x`: the branch alone, whose LayerNorm is the sum's if x is constant.
static double input(const norm_problem *p, int64_t i, int without_x) {
    double x = without_x ? 0 : norm_value(p, NORM_X, p->kind.type, i);
    return p->kind.is_residual ? x + norm_value(p, NORM_BRANCH, p->kind.type, i) : x;
}

/// Rounding to the storage type, beside the largest output.
static double rounding(ck_type type) { return type == CK_F32 ? 0 : type == CK_BF16 ? 0x1p-8 : 0x1p-11; }

/// Compares with float64; off by no more than `allowed` times the largest output.
static void expect_near(check *c, norm_problem *p, int without_x, double allowed) {
    if (!promise_run(c, p, 0)) return;
    int64_t n = p->cols;
    for (int64_t row = 0; row < ROWS; row++) {
        double mean = 0, square = 0, worst = 0, largest = 0;
        for (int64_t i = 0; i < n && !p->kind.is_rms; i++) mean += input(p, row * n + i, without_x);
        mean /= (double)n;  // of a constant row that constant
        for (int64_t i = 0; i < n; i++) square += pow(input(p, row * n + i, without_x) - mean, 2) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double y = (input(p, row * n + i, without_x) - mean) / sqrt(square + p->epsilon);
            double off = fabs(norm_value(p, NORM_Y, p->kind.type, row * n + i) - y);
            worst = off <= worst ? worst : off;  // a NaN stays
            largest = fmax(largest, fabs(y));
        }
        check_count(c);
        if (!(worst <= allowed * largest)) check_fail(c, "y is off by %g of its largest", worst / largest);
    }
}

/// Without parameters, so that float64 sees the same.
static void draw(check *c, norm_problem *p, norm_kind kind, int64_t cols, const char *what) {
    promise_draw(c, p, kind, cols, what);
    p->given &= ~(NORM_SET(NORM_WEIGHT) | NORM_SET(NORM_BIAS));
    p->given &= ~(NORM_SET(NORM_BRANCH_BIAS) | NORM_SET(NORM_BRANCH_SCALE));
    p->residual.scale = 1;
}

typedef struct hard_row {
    const char *what;
    row_function element;
    int fits_f16;
    float epsilon;
} hard_row;

static void check_hard_rows(check *c, norm_problem *p) {
    static const hard_row rows[] = {
        {"normal rows", normal, 1, 1e-5f},
        {"rows of 1e20", scaled_20, 0, 1e-5f},
        {"rows of 1e30", scaled_30, 0, 1e-5f},
        {"rows of 1e-30", scaled_minus_30, 0, 0},
        {"rows around 1e6", around_a_million, 0, 1e-5f},
        {"40000 and a little", steps_above_40000, 1, 1e-5f},
        {"small rows, epsilon 1e-8", near_1e_4, 1, 1e-8f},
    };
    static const int64_t cols[] = {4, 31, 64, 127, 1000, PROMISE_COLS};
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 6; j++)
            for (int k = 0; k < NORM_KINDS; k++) {
                norm_kind kind = norm_kinds[k];
                if (kind.is_residual || (kind.type == CK_F16 && !rows[i].fits_f16)) continue;
                draw(c, p, kind, cols[j], rows[i].what);
                p->epsilon = rows[i].epsilon;
                fill(c, p, NORM_X, rows[i].element);
                expect_near(c, p, 0, (23 + (double)cols[j] / 32768) * 0x1p-24 + rounding(kind.type));
            }
}

/// A branch of normal numbers beside a stream that its sum, rounded to 16 bits, would not show. float32 holds the sum
/// to 2^-5 around 1e6, to 2^-10 around 30000.
static void check_small_branches(check *c, norm_problem *p) {
    for (int64_t cols = 64; cols <= 2048; cols *= 2)
        for (ck_type type = CK_BF16; type <= CK_F16; type++) {
            draw(c, p, (norm_kind){0, 1, type}, cols, "a small branch beside a large stream");
            p->epsilon = 0;
            fill(c, p, NORM_X, type == CK_BF16 ? exactly_a_million : around_30000);
            fill(c, p, NORM_BRANCH, normal);
            expect_near(c, p, 1, type == CK_BF16 ? 0x1p-5 : 0x1p-9);
        }
}

void check_promised_accuracy(check *c, norm_problem *p) {
    check_hard_rows(c, p);
    check_small_branches(c, p);
}
