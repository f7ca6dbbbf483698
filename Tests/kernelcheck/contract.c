// contract.c: the family contract, forward: LayerNorm in scalar C from the words of the arithmetic
// contract, against the library by bits. contract_backward.c has the gradients.

#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "contract_sums.h"
#include "contract_backward.h"
#include "families.h"
#include "layer_norm_problem.h"

typedef struct contract_moments {
    float c, delta;  // the mean is c + delta, of x * scale
    float variance;  // of x * scale
    float rstd;      // of x * scale
    float saved_rstd;
    float scale;
} contract_moments;

/// x * scale - c, rounded once.
static float deviation(float x, contract_moments r) { return fmaf(x, r.scale, -r.c); }

/// The mean of the row's sample, times scale.
static float sample_mean(const float *x, int64_t n, float scale) {
    contract_sum sum = {0};
    for (int64_t j = 0; j < contract_sample_size(n); j++) contract_add(&sum, x[contract_sample_column(n, j)] * scale);
    return contract_total(&sum) / (float)contract_sample_size(n);
}

/// Deviations from c: their mean, and the mean of their squares.
static contract_moments moments_around(float c, const float *x, int64_t n, float scale) {
    contract_moments r = {.c = c, .scale = scale};
    contract_sum deviations = {0}, squares = {0};
    for (int64_t i = 0; i < n; i++) {
        float d = deviation(x[i], r);
        contract_add(&deviations, d);
        contract_add_product(&squares, d, d);
    }
    r.delta = contract_total(&deviations) / (float)n;
    r.variance = fmaf(-r.delta, r.delta, contract_total(&squares) / (float)n);
    if (r.variance < 0) r.variance = 0;
    return r;
}

/// Around the sample's mean; where that is far from the row's, around the mean that this gave.
static contract_moments moments(const float *x, int64_t n, float scale) {
    contract_moments r = moments_around(sample_mean(x, n, scale), x, n, scale);
    return fmaf(-4 * r.delta, r.delta, r.variance) < 0 ? moments_around(r.c + r.delta, x, n, scale) : r;
}

/// 2^-e for a largest magnitude in [2^e, 2^(e+1)), |e| <= 126; 1 for a row of zeros, or with Inf or NaN.
static float scale_of(const float *x, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) return 1;
        largest = fmaxf(largest, fabsf(x[i]));
    }
    if (largest == 0) return 1;
    int e;
    frexpf(largest, &e);
    e -= 1;
    if (e < -126) e = -126;
    if (e > 126) e = 126;
    return ldexpf(1, -e);
}

static contract_moments row_moments(const float *x, int64_t n, float epsilon) {
    contract_moments r = moments(x, n, 1);
    float q = r.variance + epsilon;
    if (q >= 0x1p-100f && q <= 0x1p120f) {
        r.rstd = r.saved_rstd = 1 / sqrtf(q);
        return r;
    }
    r = moments(x, n, scale_of(x, n));
    double wide = (double)r.variance + (double)epsilon * r.scale * r.scale;
    if (wide != 0) {
        double root = 1 / sqrt(wide);
        r.rstd = (float)(root > FLT_MAX ? FLT_MAX : root);  // a row without spread is 0 * rstd, which must be 0
        r.saved_rstd = (float)(r.scale * root);
    }
    return r;
}

static void contract_forward(const layer_norm_problem *p) {
    for (int64_t row = 0; row < p->rows; row++) {
        const float *x = p->x + row * p->cols;
        float *y = p->y + row * p->cols;
        contract_moments r = row_moments(x, p->cols, p->epsilon);
        for (int64_t i = 0; i < p->cols; i++) {
            float normalized = (deviation(x[i], r) - r.delta) * r.rstd;
            y[i] = fmaf(normalized, p->weight_given ? p->weight[i] : 1, p->bias_given ? p->bias[i] : 0);
        }
        float mean = r.c + r.delta;
        p->mean[row] = mean / r.scale;
        p->mean_low[row] = (r.delta - (mean - r.c)) / r.scale;
        p->rstd[row] = r.saved_rstd;
    }
}

static void compare_forward(check *c, const layer_norm_problem *p, layer_norm_problem *found) {
    ck_norm_args args = {
        .rows = p->rows,
        .cols = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .bias = p->bias_given,
        .epsilon = p->epsilon,
        .y = found->y,
        .y_stride = p->cols,
        .mean = found->mean,
        .mean_low = found->mean_low,
        .rstd = found->rstd,
    };
    if (!check_call(c, enter_layer_norm, &args, (ck_run){c->isa, 1}, CK_OK)) return;
    for (int64_t row = 0; row < p->rows; row++)
        check_row(c, "y", CK_F32, row, found->y + row * p->cols, p->y + row * p->cols, p->cols);
    check_row(c, "mean", CK_F32, 0, found->mean, p->mean, p->rows);
    check_row(c, "mean_low", CK_F32, 0, found->mean_low, p->mean_low, p->rows);
    check_row(c, "rstd", CK_F32, 0, found->rstd, p->rstd, p->rows);
    check_count(c);
}

static void compare_backward(check *c, const layer_norm_problem *p, layer_norm_problem *found) {
    size_t size = ck_norm_backward_workspace(p->rows, p->cols, 0);
    memcpy(found->dweight, p->dweight_before, (size_t)p->cols * sizeof(float));
    memcpy(found->dbias, p->dbias_before, (size_t)p->cols * sizeof(float));
    ck_norm_backward_args args = {
        .rows = p->rows,
        .cols = p->cols,
        .dy = p->dy,
        .dy_stride = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .mean = p->mean,
        .mean_low = p->mean_low_given,
        .rstd = p->rstd,
        .dx = found->dx,
        .dx_stride = p->cols,
        .dweight = found->dweight,
        .dbias = found->dbias,
        .accumulate = p->accumulate,
        .workspace = aligned_alloc(64, size),
        .workspace_size = size,
    };
    if (check_call(c, enter_layer_norm_backward, &args, (ck_run){c->isa, 1}, CK_OK)) {
        for (int64_t row = 0; row < p->rows; row++)
            check_row(c, "dx", CK_F32, row, found->dx + row * p->cols, p->dx + row * p->cols, p->cols);
        check_row(c, "dweight", CK_F32, 0, found->dweight, p->dweight, p->cols);
        check_row(c, "dbias", CK_F32, 0, found->dbias, p->dbias, p->cols);
        check_count(c);
    }
    free(args.workspace);
}

enum { MAX_ROWS = 4100, MAX_COLS = 40000, MAX_FLOATS = 70000 };

static void compare(check *c, layer_norm_problem *p, layer_norm_problem *found, int64_t rows, int64_t cols) {
    check_begin(c);
    problem_draw(c, p, rows, cols, random_below(&c->random, 2) ? WILD : TAME);
    check_describe(c, "rows %" PRId64 ", cols %" PRId64 ", epsilon %g, weight %d, bias %d, mean_low %d, accumulate %d",
                   rows, cols, (double)p->epsilon, p->weight_given != NULL, p->bias_given != NULL,
                   p->mean_low_given != NULL, p->accumulate);
    contract_forward(p);
    compare_forward(c, p, found);
    contract_backward(p);
    compare_backward(c, p, found);
}

void check_contract(check *c) {
    static const int64_t many_rows[] = {16, 17, 63, 64, 65, 257, 1023, 1024, 1025, 1100, 2049, MAX_ROWS};
    layer_norm_problem p = problem_make(MAX_ROWS, MAX_COLS, MAX_FLOATS);
    layer_norm_problem found = problem_make(MAX_ROWS, MAX_COLS, MAX_FLOATS);
    for (int w = 0; w < check_width_count; w++)
        for (int64_t repeat = 0; repeat < (c->quick ? 2 : 8); repeat++) {
            int64_t rows = repeat % 2 && check_widths[w] <= 600 ? 14 + 3 * repeat : 1 + repeat;
            compare(c, &p, &found, rows, check_widths[w]);
        }
    for (int i = 0; i < 12; i++)
        for (int64_t cols = 1; cols <= 17; cols += 8) compare(c, &p, &found, many_rows[i], cols);
    static const int64_t third_level[] = {16383, 16384, 16385, 32768, 33000, 40000};
    for (int i = 0; i < 6; i++) compare(c, &p, &found, 1, third_level[i]);
    problem_free(&p);
    problem_free(&found);
}
