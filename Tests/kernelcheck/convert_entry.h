// convert_entry.h: ck_convert behind check.h's entry_point.

#ifndef KERNELCHECK_CONVERT_ENTRY_H
#define KERNELCHECK_CONVERT_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_convert(const void *args, ck_run run) { return ck_convert(args, run); }

#endif
