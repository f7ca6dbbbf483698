// limits_entry.h: ck_limit_copy, ck_limit_read and ck_limit_fma behind check.h's entry_point.

#ifndef KERNELCHECK_LIMITS_ENTRY_H
#define KERNELCHECK_LIMITS_ENTRY_H

#include "ckernels.h"

typedef struct copy_args {
    const float *source, *second;  // a second one is added
    float *destination;
    int64_t count;
    int32_t streaming;
} copy_args;

static inline ck_status enter_copy(const void *args, ck_run run) {
    const copy_args *a = args;
    return ck_limit_copy(a->source, a->second, a->destination, a->count, a->streaming, run);
}

static inline ck_status enter_read(const void *args, ck_run run) {
    const copy_args *a = args;
    return ck_limit_read(a->source, a->count, a->destination, run);
}

typedef struct fma_args {
    int64_t steps;
    float *sink;
} fma_args;

static inline ck_status enter_fma(const void *args, ck_run run) {
    const fma_args *a = args;
    return ck_limit_fma(a->steps, a->sink, run);
}

#endif
