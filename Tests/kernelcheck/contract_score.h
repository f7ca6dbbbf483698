// contract_score.h: softmax of one row of masked scores, and its gradient. Written from the article's words, apart from
// the kernels.

#ifndef KERNELCHECK_CONTRACT_SCORE_H
#define KERNELCHECK_CONTRACT_SCORE_H

#include "contract_softmax.h"

/// A row and what its mask says of it. `bias` and `boolean` may be NULL.
typedef struct contract_score_row {
    const float *x, *bias;
    const uint8_t *boolean;
    int64_t keys, from, to, position;
    float scale, cap, slope, sink;
} contract_score_row;

/// j - position, in the steps of the contract.
static inline float contract_distance(const contract_score_row *r, int64_t j) {
    return (float)(j / 16 * 16 - r->position) + (float)(j % 16);
}

static inline float contract_score(const contract_score_row *r, int64_t j) {
    if (j < r->from || j >= r->to || (r->boolean && !r->boolean[j])) return -INFINITY;
    float s = r->scale * r->x[j];
    if (r->cap != 0) s = r->cap * contract_tanh(s * (1 / r->cap));
    if (r->bias) s = s + r->bias[j];
    if (r->slope != 0) s = fmaf(r->slope, contract_distance(r, j), s);
    return s;
}

/// The output of a row; its log-sum-exp.
static inline float contract_score_softmax(const contract_score_row *r, float *y) {
    float m = r->sink > -INFINITY ? r->sink : -INFINITY;
    for (int64_t j = 0; j < r->keys; j++) {
        y[j] = contract_score(r, j);
        if (y[j] > m) m = y[j];
    }
    m = m == -INFINITY ? 0 : m + 0.0f;
    contract_shift shift = contract_shift_of(m);
    contract_sum all = {0};
    for (int64_t j = 0; j < r->keys; j++) contract_add(&all, contract_shifted_exp(y[j], shift));
    float sum = contract_total(&all) + contract_shifted_exp(r->sink, shift), largest = contract_shifted_exp(m, shift);
    for (int64_t j = 0; j < r->keys; j++) {
        float e = contract_shifted_exp(y[j], shift);
        if (isnan(sum))
            y[j] = y[j] == -INFINITY ? 0 : NAN;
        else if (sum == 0)
            y[j] = 0;
        else
            y[j] = sum == largest ? e / sum : e * (1 / sum);
    }
    if (isnan(sum)) return NAN;
    return sum == 0 ? -INFINITY : (float)(m + contract_log((double)sum / (double)largest));
}

/// What a row gives to the gradients of its head's slope and sink.
typedef struct contract_score_sums {
    float slope, sink;
} contract_score_sums;

/// The gradient ds of the masked scores, and that of x.
static inline contract_score_sums contract_score_backward(const contract_score_row *r, const float *dy, const float *y,
                                                          float log_sum_exp, float *ds, float *dx) {
    contract_sum first = {0}, second = {0}, slope = {0};
    for (int64_t j = 0; j < r->keys; j++) contract_add_product(&first, y[j] == 0 ? 0 : dy[j], y[j]);
    float c = contract_total(&first), share = r->sink == -INFINITY ? 0 : contract_exp(r->sink - log_sum_exp);
    for (int64_t j = 0; j < r->keys; j++) contract_add_product(&second, y[j] == 0 ? 0 : dy[j] - c, y[j]);
    float d = fmaf(-c, share, contract_total(&second));
    for (int64_t j = 0; j < r->keys; j++) {
        ds[j] = y[j] == 0 ? 0 : y[j] * (dy[j] - c - d);
        contract_add_product(&slope, ds[j], contract_distance(r, j));
        float t = r->cap == 0 ? 0 : contract_tanh(r->scale * r->x[j] * (1 / r->cap));
        dx[j] = y[j] == 0 ? 0 : ds[j] * r->scale * fmaf(-t, t, 1);
    }
    return (contract_score_sums){contract_total(&slope), -share * (c + d)};
}

#endif
