// families.h: the families of checks, one function a family. main.c has the table that runs them.

#ifndef KERNELCHECK_FAMILIES_H
#define KERNELCHECK_FAMILIES_H

#include "check.h"

/// The library against the contract's words.
void check_contract(check *c);

/// The library against what its headers say of special rows.
void check_promises(check *c);

/// One instruction set against portable, for all shapes, layouts, options and thread counts.
void check_norm(check *c);
void check_norm_streaming(check *c);
void check_norm_backward(check *c);
void check_segment_norm(check *c);
void check_csr_norm(check *c);
void check_limits(check *c);

/// What is streamed past the caches, of other operators than norms and softmax, against portable.
void check_large_batches(check *c);

/// The same against the contract's words.
void check_norm_second_order(check *c);
void check_orthogonal_add(check *c);
void check_channel_norm(check *c);
void check_row_moments(check *c);
void check_row_moments_backward(check *c);

/// Conversions against the definition of each storage type: every number, every layout.
void check_convert(check *c);
void check_convert_layouts(check *c);

/// Functions of one number against float64 and the contract's words.
void check_exp(check *c);
void check_tanh(check *c);

/// Softmax and log-softmax against the contract's words, forward and backward.
void check_softmax(check *c);
void check_softmax_streaming(check *c);

/// States of softmax, merged, and rows normalized by them, against the contract's words.
void check_softmax_states(check *c);

/// Softmax over neighbourhoods against the contract's words, forward and backward.
void check_csr_softmax(check *c);
/// Softmax of masked scores against the contract's words, forward and backward, under all masks.
void check_score_softmax(check *c);

/// Attention against the contract's words, forward and backward.
void check_attention(check *c);
void check_attention_backward(check *c);

/// How much stack calls take.
void check_stack(check *c);

/// Products of matrices against the contract's words; by BLAS, where there is one, within a bound.
void check_matmul(check *c);

/// Calls in forked children.
void check_forks(check *c);

/// Ten thousand calls of each operator with arguments that nobody should give.
void check_hostile(check *c);

/// What an entry point refuses, and what it must not.
void check_arguments(check *c);

#endif
