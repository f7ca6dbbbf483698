// contract_input.c: what is normalized: x, or the sum of a residual stream and a branch after dropout.

#include <math.h>

#include "contract_norm.h"
#include "contract_philox.h"

float contract_parameter(const norm_problem *p, norm_array array, int64_t i) {
    int is_factor = array == NORM_WEIGHT || array == NORM_BRANCH_SCALE;
    if (!norm_has(p->given, array)) return is_factor ? 1 : array == NORM_BRANCH_BIAS ? -0.0f : 0;
    float value = norm_value(p, array, p->parameter_type, i);
    return array == NORM_WEIGHT && p->weight_offset != 0 ? value + p->weight_offset : value;
}

float contract_dropout(const norm_problem *p, int64_t row, int64_t i, float a) {
    if (p->residual.dropout == 0) return a;
    const ck_residual *r = &p->residual;
    return contract_keeps(r->dropout, r->seed, (uint64_t)(r->first_row + row), i) ? a * (1 / (1 - r->dropout)) : 0;
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
