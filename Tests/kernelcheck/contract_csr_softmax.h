// contract_csr_softmax.h: softmax over one head of the edges of a node, and its gradient. Written from the article's
// words, apart from the kernels. Elements are `pitch` apart.

#ifndef KERNELCHECK_CONTRACT_CSR_SOFTMAX_H
#define KERNELCHECK_CONTRACT_CSR_SOFTMAX_H

#include "contract_softmax.h"

/// A sum in whole units of 2^-50; `is_number` until something else came.
typedef struct contract_exact {
    __int128 units;
    int is_number;
} contract_exact;

/// The product of two floats is exact in binary64, and so is its product with 2^50.
static inline void contract_exact_add(contract_exact *s, float a, float b) {
    double term = (double)a * b;
    s->is_number = s->is_number && isfinite(term);
    if (isfinite(term)) s->units += llrint(ldexp(term, 50));
}

static inline double contract_exact_total(contract_exact s) { return s.is_number ? ldexp((double)s.units, -50) : NAN; }

static inline void contract_csr_softmax(const float *x, float *y, int64_t n, int64_t pitch) {
    float most = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (x[i * pitch] > most) most = x[i * pitch];
    if (most == -INFINITY || most == 0) most = 0;
    contract_shift shift = contract_shift_of(most);
    contract_exact exact = {0, 1};
    for (int64_t i = 0; i < n; i++) {
        y[i * pitch] = contract_shifted_exp(x[i * pitch], shift);
        contract_exact_add(&exact, y[i * pitch], 1);
    }
    float sum = (float)contract_exact_total(exact), factor = 1 / sum, largest = contract_shifted_exp(most, shift);
    for (int64_t i = 0; i < n; i++) {
        float e = y[i * pitch];
        y[i * pitch] = sum == 0 ? 0 : sum == largest ? e / sum : e * factor;
    }
}

static inline void contract_csr_softmax_backward(const float *dy, const float *y, float *dx, int64_t n, int64_t pitch) {
    float most = -INFINITY, least = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (y[i * pitch] != 0 && dy[i * pitch] > most) most = dy[i * pitch];
        if (y[i * pitch] != 0 && dy[i * pitch] < least) least = dy[i * pitch];
    }
    float middle = most / 2 + least / 2, centre = middle == 0 ? 0 : middle;
    float spread = fmaxf(most - centre, centre - least), power = NAN;
    if (isfinite(centre)) power = ldexpf(1, spread < 0x1p-126f ? -126 : ilogbf(spread));
    contract_exact exact = {0, 1};
    for (int64_t i = 0; i < n; i++)
        if (y[i * pitch] != 0) contract_exact_add(&exact, y[i * pitch], (dy[i * pitch] - centre) * (1 / power));
    float sum = (float)(contract_exact_total(exact) * power);
    for (int64_t i = 0; i < n; i++)
        dx[i * pitch] = y[i * pitch] == 0 ? 0 : y[i * pitch] * ((dy[i * pitch] - centre) - sum);
}

#endif
