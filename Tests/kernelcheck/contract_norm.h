// contract_norm.h: LayerNorm and RMSNorm in scalar C from the words of the arithmetic contract, apart from the kernels.

#ifndef KERNELCHECK_CONTRACT_NORM_H
#define KERNELCHECK_CONTRACT_NORM_H

#include "norm_problem.h"

/// Element (row, i) of a matrix of the problem, widened.
static inline float contract_element(const norm_problem *p, norm_array array, int64_t row, int64_t i) {
    return norm_value(p, array, p->kind.type, row * p->cols + i);
}

/// A parameter of column i, or what stands for one that is not given. The weight's offset is added.
float contract_parameter(const norm_problem *p, norm_array array, int64_t i);

/// What is normalized in a row, and the branch in it after dropout (zeros without one).
void contract_input(const norm_problem *p, int64_t row, float *h, float *branch);

/// An element of the branch or of its gradient after dropout.
float contract_dropout(const norm_problem *p, int64_t row, int64_t i, float a);

/// Fills all outputs of the forward pass.
void contract_forward(norm_problem *p);

/// Fills all outputs of the backward pass, from the saved moments.
void contract_backward(norm_problem *p);

#endif
