// softmax_entry.h: ck_softmax and ck_softmax_backward behind check.h's entry_point.

#ifndef KERNELCHECK_SOFTMAX_ENTRY_H
#define KERNELCHECK_SOFTMAX_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_softmax(const void *args, ck_run run) { return ck_softmax(args, run); }
static inline ck_status enter_softmax_backward(const void *args, ck_run run) { return ck_softmax_backward(args, run); }

#endif
