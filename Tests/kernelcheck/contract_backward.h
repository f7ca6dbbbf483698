// contract_backward.h: LayerNorm's gradients in scalar C from the words of the arithmetic contract.

#ifndef KERNELCHECK_CONTRACT_BACKWARD_H
#define KERNELCHECK_CONTRACT_BACKWARD_H

#include "layer_norm_problem.h"

/// Fills dx, dweight and dbias from the problem's inputs and moments.
void contract_backward(const layer_norm_problem *p);

#endif
