// contract_softmax.h: softmax of one row and its gradient. Written from the article's words, apart from the kernels.

#ifndef KERNELCHECK_CONTRACT_SOFTMAX_H
#define KERNELCHECK_CONTRACT_SOFTMAX_H

#include <math.h>
#include <stdint.h>

#include "contract_exp.h"
#include "contract_sums.h"

typedef struct contract_shift {
    float anchor, low, power;
} contract_shift;

static inline contract_shift contract_shift_of(float m) {
    float anchor = fabsf(m) > 65536 ? m : 0;
    return (contract_shift){anchor, m - anchor - 105, contract_power(m - anchor)};
}

/// a 2^power; NaN where the power is not finite: then a row's scores have no finite maximum, and it is NaN anyway.
static inline float contract_times_power(float a, float power) { return isfinite(power) ? ldexpf(a, (int)power) : NAN; }

static inline float contract_shifted_exp(float x, contract_shift s) {
    float u = x - s.anchor;
    if (isnan(u)) return u;
    if (u < s.low) u = s.low;
    float k = contract_power(u);
    return contract_times_power(1 + contract_expm1(u, k), k - s.power);
}

/// ln of a number in the contract's steps, in binary64.
static inline double contract_log(double ratio) {
    int e;
    double a = frexp(ratio, &e);  // 0.5 ..< 1
    if (a < 0x1.6a09e667f3bcdp-1) {
        a *= 2;
        e -= 1;
    }
    double f = (a - 1) / (a + 1), z = f * f, series = 1.0 / 13;
    for (int odd = 11; odd >= 1; odd -= 2) series = 1.0 / odd + z * series;
    return e * 0x1.62e42fefa39efp-1 + 2 * f * series;
}

typedef struct contract_softmax_row {
    float most, sum, largest, log_sum, log_sum_exp;
} contract_softmax_row;

/// e(x) of every element goes to `e`.
static inline contract_softmax_row contract_softmax_sums(const float *x, float *e, int64_t n) {
    float m = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > m) m = x[i];
    contract_softmax_row r = {.most = m == -INFINITY ? 0 : m + 0.0f};
    contract_shift s = contract_shift_of(r.most);
    contract_sum sum = {0};
    for (int64_t i = 0; i < n; i++) {
        e[i] = contract_shifted_exp(x[i], s);
        contract_add(&sum, e[i]);
    }
    r.sum = contract_total(&sum);
    r.largest = contract_shifted_exp(r.most, s);
    r.log_sum_exp = -INFINITY;
    if (r.sum == 0) return r;
    double log = isnan(r.sum) ? NAN : contract_log((double)r.sum / (double)r.largest);
    r.log_sum = (float)log;
    r.log_sum_exp = (float)(r.most + log);
    return r;
}

/// y takes the exponentials on the way.
static inline float contract_softmax(const float *x, float *y, int64_t n, int logarithmic) {
    contract_softmax_row r = contract_softmax_sums(x, y, n);
    float factor = r.sum == 0 ? 0 : 1 / r.sum;
    for (int64_t i = 0; i < n; i++) {
        if (logarithmic)
            y[i] = x[i] - r.most - r.log_sum;
        else if (r.sum > 0 && r.sum == r.largest)
            y[i] = y[i] / r.sum;
        else
            y[i] = y[i] * factor;
    }
    return r.log_sum_exp;
}

static inline void contract_softmax_backward(const float *dy, const float *y, float *dx, int64_t n) {
    contract_sum counted = {0}, sample = {0}, sum = {0};
    for (int64_t j = 0; j < contract_sample_size(n); j++) {
        int64_t i = contract_sample_column(n, j);
        contract_add(&sample, y[i] == 0 ? 0 : dy[i]);
        contract_add(&counted, y[i] == 0 ? 0 : 1);
    }
    float count = contract_total(&counted), c = count > 0 ? contract_total(&sample) / count : 0;
    for (int64_t i = 0; i < n; i++) contract_add_product(&sum, y[i] == 0 ? 0 : dy[i] - c, y[i]);
    float mean = contract_total(&sum);
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] == 0 ? 0 : y[i] * (dy[i] - c - mean);
}

static inline void contract_log_softmax_backward(const float *dy, const float *y, float *dx, int64_t n) {
    contract_sum sum = {0};
    for (int64_t i = 0; i < n; i++) contract_add(&sum, y[i] == -INFINITY ? 0 : dy[i]);
    float total = contract_total(&sum);
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] == -INFINITY ? 0 : fmaf(-contract_exp(y[i]), total, dy[i]);
}

#endif
