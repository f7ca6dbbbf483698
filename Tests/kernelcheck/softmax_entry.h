// softmax_entry.h: ck_softmax, ck_softmax_backward and ck_softmax_with_states behind check.h's entry_point.

#ifndef KERNELCHECK_SOFTMAX_ENTRY_H
#define KERNELCHECK_SOFTMAX_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_softmax(const void *args, ck_run run) { return ck_softmax(args, run); }
static inline ck_status enter_softmax_backward(const void *args, ck_run run) { return ck_softmax_backward(args, run); }
static inline ck_status enter_softmax_with_states(const void *args, ck_run run) {
    return ck_softmax_with_states(args, run);
}

#endif
