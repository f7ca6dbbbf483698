// attention_entry.h: ck_attention and its backward pass behind check.h's entry_point.

#ifndef KERNELCHECK_ATTENTION_ENTRY_H
#define KERNELCHECK_ATTENTION_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_attention(const void *args, ck_run run) { return ck_attention(args, run); }
static inline ck_status enter_attention_backward(const void *args, ck_run run) {
    return ck_attention_backward(args, run);
}

#endif
