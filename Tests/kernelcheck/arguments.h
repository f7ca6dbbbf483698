// arguments.h: the parts of the family arguments, one for each operator's entry points.

#ifndef KERNELCHECK_ARGUMENTS_H
#define KERNELCHECK_ARGUMENTS_H

#include "board.h"

void check_norm_arguments(check *c, board *b);
void check_norm_backward_arguments(check *c, board *b);
void check_channel_norm_arguments(check *c, board *b);
void check_convert_arguments(check *c, board *b);
void check_limits_arguments(check *c, board *b);
void check_math_arguments(check *c, board *b);
void check_segment_norm_arguments(check *c, board *b);
void check_softmax_arguments(check *c, board *b);
void check_csr_softmax_arguments(check *c, board *b);
void check_score_softmax_arguments(check *c, board *b);
void check_attention_arguments(check *c, board *b);
void check_attention_backward_arguments(check *c, board *b);
void check_matmul_arguments(check *c, board *b);

/// Makes a right call into another by statements on `a` (of type `type`) and `run`, which also describe
/// the case, then gives the verdict, an expression. Each operator's file shortens this to REFUSES and ACCEPTS.
#define CHANGED_CALL(type, right, verdict, ...)     \
    do {                                            \
        type a = right;                             \
        ck_run run = {c->isa, 1};                   \
        check_begin(c);                             \
        check_describe(c, #type ", " #__VA_ARGS__); \
        __VA_ARGS__;                                \
        verdict;                                    \
    } while (0)

/// A pointer one byte further on, for a function that must not follow it.
#define MISALIGNED(pointer) ((void *)((char *)(pointer) + 1))

/// The last float of the address space: no vector of two begins there.
#define AT_THE_END ((void *)(UINTPTR_MAX - 3))

#endif
