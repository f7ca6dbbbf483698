// contract_input.c: what is normalized: x, or the sum of a residual stream and a branch after dropout.

#include <math.h>

#include "contract_norm.h"
#include "contract_philox.h"

float contract_parameter(const norm_problem *p, norm_array array, int64_t i) {
    int is_factor = array == NORM_WEIGHT || array == NORM_BRANCH_SCALE;
    if (!norm_has(p->given, array)) return is_factor ? 1 : 0;
    float value = norm_value(p, array, p->parameter_type, i);
    return array == NORM_WEIGHT && p->weight_offset != 0 ? value + p->weight_offset : value;
}

/// Whether the word of an element reaches the threshold.
static int is_kept(const ck_residual *r, int64_t row, int64_t i) {
    uint64_t number = (uint64_t)(r->first_row + row);
    philox_block counter = {{(uint32_t)(i / 64 * 16 + i % 16), (uint32_t)number, (uint32_t)(number >> 32), 0}};
    philox_block words = contract_philox(counter, (uint32_t)r->seed, (uint32_t)(r->seed >> 32));
    return words.word[i % 64 / 16] >= floor(ldexp((double)r->dropout, 32));
}

float contract_dropout(const norm_problem *p, int64_t row, int64_t i, float a) {
    if (p->residual.dropout == 0) return a;
    return is_kept(&p->residual, row, i) ? a * (1 / (1 - p->residual.dropout)) : 0;
}

void contract_input(const norm_problem *p, int64_t row, float *h, float *branch) {
    for (int64_t i = 0; i < p->cols; i++) {
        h[i] = contract_element(p, NORM_X, row, i);
        branch[i] = 0;
        if (!p->kind.is_residual) continue;
        float biased = contract_element(p, NORM_BRANCH, row, i) + contract_parameter(p, NORM_BRANCH_BIAS, i);
        branch[i] = contract_dropout(p, row, i, biased);
        h[i] = fmaf(p->residual.scale, h[i], contract_parameter(p, NORM_BRANCH_SCALE, i) * branch[i]);
    }
}
