// softmax_entry.h: ck_softmax, ck_softmax_backward and ck_softmax_with_states behind check.h's entry_point, and the
// arguments of the first two.

#ifndef KERNELCHECK_SOFTMAX_ENTRY_H
#define KERNELCHECK_SOFTMAX_ENTRY_H

#include "guarded.h"

static inline ck_status enter_softmax(const void *args, ck_run run) { return ck_softmax(args, run); }
static inline ck_status enter_softmax_backward(const void *args, ck_run run) { return ck_softmax_backward(args, run); }
static inline ck_status enter_softmax_with_states(const void *args, ck_run run) {
    return ck_softmax_with_states(args, run);
}

/// Calls on all rows of matrices that have been placed.
static inline ck_softmax_args softmax_forward_args(matrix x, matrix y, int logarithmic) {
    return (ck_softmax_args){
        .rows = x.rows,
        .cols = x.cols,
        .type = x.type,
        .x = x.base,
        .x_stride = x.stride,
        .y = y.base,
        .y_stride = y.stride,
        .logarithmic = logarithmic,
    };
}
static inline ck_softmax_backward_args softmax_backward_args(matrix dy, matrix y, matrix dx, int logarithmic) {
    return (ck_softmax_backward_args){
        .rows = y.rows,
        .cols = y.cols,
        .type = y.type,
        .dy = dy.base,
        .dy_stride = dy.stride,
        .y = y.base,
        .y_stride = y.stride,
        .dx = dx.base,
        .dx_stride = dx.stride,
        .logarithmic = logarithmic,
    };
}

#endif
