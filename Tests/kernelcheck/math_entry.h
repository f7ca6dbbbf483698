// math_entry.h: ck_exp_1ulp and ck_tanh_2ulp behind check.h's entry_point.

#ifndef KERNELCHECK_MATH_ENTRY_H
#define KERNELCHECK_MATH_ENTRY_H

#include "ckernels.h"

typedef struct map_args {
    const float *x;
    float *y;
    int64_t count;
} map_args;

static inline ck_status enter_exp(const void *args, ck_run run) {
    const map_args *a = args;
    return ck_exp_1ulp(a->x, a->y, a->count, run);
}

static inline ck_status enter_tanh(const void *args, ck_run run) {
    const map_args *a = args;
    return ck_tanh_2ulp(a->x, a->y, a->count, run);
}

#endif
