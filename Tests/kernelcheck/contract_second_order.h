// contract_second_order.h: tangents and gradients of gradients in scalar C from the words of the arithmetic contract.

#ifndef KERNELCHECK_CONTRACT_SECOND_ORDER_H
#define KERNELCHECK_CONTRACT_SECOND_ORDER_H

/// Fill the outputs of a call, whose argument struct this is (that of RMSNorm has no mean).
void contract_tangent(const void *args);
void contract_double_backward(const void *args);

#endif
