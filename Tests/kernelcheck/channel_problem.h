// channel_problem.h: inputs of ck_channel_norm and the contract's answers to them, which instruction sets must match by
// bits.

#ifndef KERNELCHECK_CHANNEL_PROBLEM_H
#define KERNELCHECK_CHANNEL_PROBLEM_H

#include "check.h"

enum { CHANNEL_ELEMENTS = 300000, CHANNELS = 1100, CHANNEL_SETS = 20000, CHANNEL_REGIONS = 64 };

typedef struct channel_gradients {
    void *dx;
    float *dweight, *dbias;
} channel_gradients;

typedef struct channel_problem {
    ck_channel_shape shape;
    int64_t counts[CHANNEL_REGIONS];
    int given, accumulate;
    float epsilon;
    const float *weight_given, *bias_given;  // NULL, or the arrays below
    // Tensors are stored as shape.type.
    void *x, *dy, *y, *inverse;
    float *weight, *bias, *before;
    channel_gradients gradients[2];  // of the normalization, of its inverse
    ck_moments *moments, *found;
} channel_problem;

channel_problem channel_problem_make(void);
void channel_problem_free(channel_problem *p);

/// Numbers for the shape that is set; each channel has a pattern of its own.
void channel_problem_draw(check *c, channel_problem *p);

/// Forward, inverse and the backward pass of both from the contract's words.
void channel_problem_solve(channel_problem *p);

/// The calls; tensors, moments and sums are the caller's to place.
ck_channel_norm_args channel_forward_args(const channel_problem *p);
ck_channel_norm_backward_args channel_backward_args(const channel_problem *p);

ck_status enter_channel_norm(const void *args, ck_run run);
ck_status enter_channel_norm_inverse(const void *args, ck_run run);
ck_status enter_channel_norm_backward(const void *args, ck_run run);
ck_status enter_channel_norm_inverse_backward(const void *args, ck_run run);

/// Compares moments by bits, NaNs being equal.
void check_moments(check *c, const ck_moments *found, const ck_moments *expected, int64_t count);

#endif
