// contract_sums.h: the contract's order of a sum of a row, one element at a time: 64 lanes, three levels,
// folded by halves. Written from the design's words, apart from the kernels.

#ifndef KERNELCHECK_CONTRACT_SUMS_H
#define KERNELCHECK_CONTRACT_SUMS_H

#include <math.h>
#include <stdint.h>

enum { LANES = 64, ELEMENTS_PER_LEVEL = 1024, ELEMENTS_PER_SECOND_LEVEL = 16384 };

/// Begin with all zeros.
typedef struct contract_sum {
    float lane[LANES], second[LANES], third[LANES];
    int64_t count;
} contract_sum;

static inline void contract_move_up(float *lower, float *upper) {
    for (int j = 0; j < LANES; j++) {
        upper[j] += lower[j];
        lower[j] = 0;
    }
}

/// Adds a * b + 0, rounded once together with the sum. With a = 1 it is an ordinary addition.
static inline void contract_add_product(contract_sum *s, float a, float b) {
    float *lane = &s->lane[s->count % LANES];
    *lane = fmaf(a, b, *lane);
    if (++s->count % ELEMENTS_PER_LEVEL == 0) contract_move_up(s->lane, s->second);
    if (s->count % ELEMENTS_PER_SECOND_LEVEL == 0) contract_move_up(s->second, s->third);
}

static inline void contract_add(contract_sum *s, float a) { contract_add_product(s, 1, a); }

static inline float contract_total(contract_sum *s) {
    contract_move_up(s->lane, s->second);
    contract_move_up(s->second, s->third);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) s->third[j] += s->third[j + half];
    return s->third[0];
}

/// Column `j` of the 64 (or fewer) in the sample of a row of `n`: 16 around the middle of each quarter.
static inline int64_t contract_sample_column(int64_t n, int64_t j) {
    return n <= LANES ? j : (2 * (j / 16) + 1) * n / 8 - 8 + j % 16;
}
static inline int64_t contract_sample_size(int64_t n) { return n < LANES ? n : LANES; }

#endif
