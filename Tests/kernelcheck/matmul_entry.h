// matmul_entry.h: ck_matmul and ck_matmul_blas behind check.h's entry_point.

#ifndef KERNELCHECK_MATMUL_ENTRY_H
#define KERNELCHECK_MATMUL_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_matmul(const void *args, ck_run run) { return ck_matmul(args, run); }
static inline ck_status enter_matmul_blas(const void *args, ck_run run) { return ck_matmul_blas(args, run); }

#endif
