// csr_softmax_entry.h: ck_csr_softmax and ck_csr_softmax_backward behind check.h's entry_point.

#ifndef KERNELCHECK_CSR_SOFTMAX_ENTRY_H
#define KERNELCHECK_CSR_SOFTMAX_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_csr_softmax(const void *args, ck_run run) { return ck_csr_softmax(args, run); }
static inline ck_status enter_csr_softmax_backward(const void *args, ck_run run) {
    return ck_csr_softmax_backward(args, run);
}

#endif
