// operators.h: calls of the library that many threads make at once: shared inputs, outputs of their own.

#ifndef THREADCHECK_OPERATORS_H
#define THREADCHECK_OPERATORS_H

#include "ckernels.h"

/// Floats of an input, and of all that a call writes and works in.
enum { INPUT = 1 << 16, OUTPUT = 1 << 16, WORKSPACE = 1 << 20 };

/// The inputs; only read once they are made.
typedef struct shared_inputs {
    _Alignas(64) float a[INPUT], b[INPUT], ones[INPUT];
} shared_inputs;

/// What one caller has to itself.
typedef struct outputs {
    _Alignas(64) float y[OUTPUT];
    _Alignas(64) float workspace[WORKSPACE];
} outputs;

typedef struct thread_operator {
    const char *name;
    ck_status (*call)(const shared_inputs *in, outputs *out, ck_run run);
} thread_operator;

extern const thread_operator thread_operators[];
extern const int thread_operator_count;

#endif
