// contract_softmax_state.h: states of softmax, merged and normalized by. Written from the article's words, apart from
// the kernels.

#ifndef KERNELCHECK_CONTRACT_SOFTMAX_STATE_H
#define KERNELCHECK_CONTRACT_SOFTMAX_STATE_H

#include "ck_softmax_state.h"
#include "contract_softmax.h"

/// The exponentials go to `e`.
static inline ck_softmax_state contract_state(const float *x, float *e, int64_t n) {
    contract_softmax_row r = contract_softmax_sums(x, e, n);
    if (r.sum == 0) return (ck_softmax_state){-INFINITY, 0};
    return (ck_softmax_state){r.most, (double)r.sum / (double)r.largest};
}

/// e^x in binary64, for x <= 0.
static inline double contract_wide_exp(double x) {
    if (isnan(x) || x < -700) return isnan(x) ? x : 0;
    double k = nearbyint(x * 0x1.71547652b82fep0), product = k * 0x1.62e42feep-1, low = k * 0x1.a39ef35793c76p-33;
    double r = x - product - low, series = 1;
    for (int n = 13; n > 0; n--) {
        double term = series * r;
        series = 1 + term / n;
    }
    return ldexp(series, (int)k);
}

static inline ck_softmax_state contract_merged(ck_softmax_state a, ck_softmax_state b) {
    if (a.max == b.max) return (ck_softmax_state){a.max, a.sum + b.sum};
    if (a.max < b.max) return contract_merged(b, a);
    double part = b.sum * contract_wide_exp((double)b.max - (double)a.max);
    return (ck_softmax_state){a.max, a.sum + part};
}

static inline void contract_softmax_with_state(const float *x, ck_softmax_state state, float *y, int64_t n,
                                               int logarithmic) {
    float m = state.max == -INFINITY ? 0 : state.max + 0.0f;
    contract_shift s = contract_shift_of(m);
    float largest = contract_shifted_exp(m, s), sum = (float)(state.sum * largest);
    float log = sum == 0 ? 0 : isnan(sum) ? NAN : (float)contract_log(state.sum);
    if (isnan(log)) sum = NAN;
    for (int64_t i = 0; i < n; i++) {
        float e = contract_shifted_exp(x[i] > state.max ? m : x[i], s);
        if (x[i] > state.max)
            y[i] = NAN;
        else if (logarithmic)
            y[i] = x[i] - m - log;
        else
            y[i] = sum == 0 ? e * 0 : sum == largest ? e / sum : e * (1 / sum);
    }
}

#endif
