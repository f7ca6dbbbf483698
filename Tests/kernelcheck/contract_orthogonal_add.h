// contract_orthogonal_add.h: the orthogonal residual addition in scalar C from the words of the arithmetic contract.

#ifndef KERNELCHECK_CONTRACT_ORTHOGONAL_ADD_H
#define KERNELCHECK_CONTRACT_ORTHOGONAL_ADD_H

/// Fill the outputs of a call, whose argument struct this is.
void contract_orthogonal_add(const void *args);
void contract_orthogonal_add_backward(const void *args);

#endif
