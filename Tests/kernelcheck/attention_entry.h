// attention_entry.h: ck_attention behind check.h's entry_point.

#ifndef KERNELCHECK_ATTENTION_ENTRY_H
#define KERNELCHECK_ATTENTION_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_attention(const void *args, ck_run run) { return ck_attention(args, run); }

#endif
