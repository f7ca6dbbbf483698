// contract_norm.c: the forward pass in scalar C: moments, output, whole numbers of eight bits.

#include <float.h>
#include <stdlib.h>

#include "contract_norm.h"
#include "contract_rows.h"
#include "contract_sums.h"

typedef struct contract_moments {
    float c, delta;  // the mean is c + delta, of x * scale
    float variance;  // of x * scale
    float rstd;      // of x * scale
    float saved_rstd;
    float scale;
} contract_moments;

/// x * scale - c, rounded once.
static float deviation(float x, contract_moments r) { return fmaf(x, r.scale, -r.c); }

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

/// RMSNorm: the mean of the squares themselves.
static contract_moments root_moments(const float *x, int64_t n, float scale) {
    contract_moments r = {.scale = scale};
    contract_sum squares = {0};
    for (int64_t i = 0; i < n; i++) contract_add_product(&squares, x[i] * scale, x[i] * scale);
    r.variance = contract_total(&squares) / (float)n;
    return r;
}

/// Around the sample's mean; where that is far from the row's, around the mean that this gave. For RMSNorm around 0.
static contract_moments moments(const float *x, int64_t n, float scale, int is_rms) {
    if (is_rms) return root_moments(x, n, scale);
    contract_moments r = moments_around(contract_sample_mean(x, n, scale), x, n, scale);
    return fmaf(-4 * r.delta, r.delta, r.variance) < 0 ? moments_around(r.c + r.delta, x, n, scale) : r;
}

static contract_moments row_moments(const float *x, int64_t n, float epsilon, int is_rms) {
    contract_moments r = moments(x, n, 1, is_rms);
    float q = r.variance + epsilon;
    if (q >= 0x1p-100f && q <= 0x1p120f) {
        r.rstd = r.saved_rstd = 1 / sqrtf(q);
        return r;
    }
    r = moments(x, n, contract_scale_of(x, n), is_rms);
    double wide = (double)r.variance + (double)epsilon * r.scale * r.scale;
    if (wide != 0) {
        double root = isinf(wide) ? (double)NAN : 1 / sqrt(wide);  // an infinity makes the row NaN
        r.rstd = (float)(root > FLT_MAX ? FLT_MAX : root);         // a row without spread is 0 * rstd, which must be 0
        r.saved_rstd = (float)(r.scale * root);
    }
    return r;
}

/// A row of outputs as whole numbers, their scale the largest magnitude / 127.
static void quantize(norm_problem *p, int64_t row, const float *y) {
    int8_t *q = (int8_t *)p->array[NORM_QUANTIZED] + row * p->cols;
    float *scale = (float *)p->array[NORM_QUANTIZED_SCALE] + row, largest = 0;
    int is_finite = 1;
    for (int64_t i = 0; i < p->cols; i++) {
        is_finite &= isfinite(y[i]) != 0;
        largest = fmaxf(largest, fabsf(y[i]));
    }
    float lift = largest < 0x1p-100f ? 0x1p100f : 1, steps = 127 / (largest * lift);
    int is_number = is_finite && largest > 0;
    for (int64_t i = 0; i < p->cols; i++) q[i] = is_number ? (int8_t)nearbyintf((y[i] * lift) * steps) : 0;
    *scale = is_finite ? largest / 127 : NAN;
}

static void forward_row(norm_problem *p, int64_t row, const float *h, float *y) {
    contract_moments r = row_moments(h, p->cols, p->epsilon, p->kind.is_rms);
    for (int64_t i = 0; i < p->cols; i++) {
        float normalized = fmaf(deviation(h[i], r), r.rstd, -(r.delta * r.rstd));
        y[i] = fmaf(normalized, contract_parameter(p, NORM_WEIGHT, i), contract_parameter(p, NORM_BIAS, i));
    }
    float mean = r.c + r.delta;
    ((float *)p->array[NORM_MEAN])[row] = mean / r.scale;
    ((float *)p->array[NORM_MEAN_LOW])[row] = (r.delta - (mean - r.c)) / r.scale;
    ((float *)p->array[NORM_RSTD])[row] = r.saved_rstd;
}

void contract_forward(norm_problem *p) {
    size_t bytes = (size_t)p->cols * sizeof(float);
    float *h = malloc(bytes), *branch = malloc(bytes), *y = malloc(bytes);
    for (int64_t row = 0; row < p->rows; row++) {
        contract_input(p, row, h, branch);
        forward_row(p, row, h, y);
        quantize(p, row, y);
        norm_put_row(p, NORM_Y, row, y);
        if (p->kind.is_residual) norm_put_row(p, NORM_SUM, row, h);
    }
    free(h);
    free(branch);
    free(y);
}
