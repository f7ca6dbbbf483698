// norm_trial.h: one call of a problem with every array in guarded memory of its own, compared with the problem's
// answers.

#ifndef KERNELCHECK_NORM_TRIAL_H
#define KERNELCHECK_NORM_TRIAL_H

#include "norm_problem.h"

enum { NORM_MAX_GAP = 37 };

/// Where the arrays lie. An input without a home here stays in the problem's packed array.
typedef struct norm_memory {
    guarded home[NORM_ARRAYS];
} norm_memory;

/// Homes for some of the arrays, for up to `rows`, up to `cols` and no more than `elements` in a matrix.
norm_memory norm_memory_make(int64_t rows, int64_t cols, int64_t elements, norm_set arrays);
void norm_memory_free(norm_memory *m);

/// How one call is made.
typedef struct norm_layout {
    norm_set wanted;             // of the outputs
    norm_array at[NORM_ARRAYS];  // in whose place an array lies: its own, or that of an input that it may replace
    int place[NORM_ARRAYS];      // as in guarded.h
    int64_t gap[NORM_ARRAYS];    // elements between rows
    ck_run run;
} norm_layout;

/// A layout for a call of the problem, on the instruction set under test.
norm_layout norm_layout_draw(check *c, const norm_problem *p, norm_pass pass);

/// Makes the call and compares all that it may and may not write with the problem's answers.
void norm_try(check *c, const norm_problem *p, norm_pass pass, const norm_memory *m, const norm_layout *l);

#endif
