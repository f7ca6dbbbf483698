// arguments_norm.h: a norm of a residual sum whose arrays lie on a board, for the parts of arguments that need all of
// them.

#ifndef KERNELCHECK_ARGUMENTS_NORM_H
#define KERNELCHECK_ARGUMENTS_NORM_H

#include "arguments.h"
#include "norm_problem.h"

/// A LayerNorm with every array, each in a place of its own; `m` gets them. Rows are two elements apart.
norm_problem norm_on_board(const board *b, ck_type type, int64_t rows, int64_t cols, matrix *m);

/// What residual sums, storage types and whole numbers add to what is refused.
void check_norm_residual_arguments(check *c, board *b);
void check_norm_residual_backward_arguments(check *c, board *b);

/// Every output on every other array.
void check_norm_pairs(check *c, board *b);

#endif
