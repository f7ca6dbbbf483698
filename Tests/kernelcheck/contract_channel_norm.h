// contract_channel_norm.h: channel normalization, its inverse and the gradients of both in scalar C from the words of
// the arithmetic contract.

#ifndef KERNELCHECK_CONTRACT_CHANNEL_NORM_H
#define KERNELCHECK_CONTRACT_CHANNEL_NORM_H

#include "ckernels.h"

/// Fill the outputs of a call; of the inverse where `inverts`.
void contract_channel_norm(const ck_channel_norm_args *args, int inverts);
void contract_channel_norm_backward(const ck_channel_norm_backward_args *args, int inverts);

#endif
