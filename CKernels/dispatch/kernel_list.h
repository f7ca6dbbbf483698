// kernel_list.h: the only list of kernels. The table's members, each instruction set's table and the
// checker all expand it, so a kernel that an instruction set lacks does not compile.
//
// A kernel works on a range of rows (or blocks) on one thread; it checks nothing, allocates nothing.

#ifndef CK_KERNEL_LIST_H
#define CK_KERNEL_LIST_H

#include <stdint.h>

#include "ck_attention.h"
#include "ck_csr_norm.h"
#include "ck_csr_softmax.h"
#include "ck_matmul.h"
#include "ck_moments_backward.h"
#include "ck_norm.h"
#include "ck_norm_second_order.h"
#include "ck_orthogonal_add.h"
#include "ck_score_softmax.h"
#include "ck_softmax.h"
#include "dispatch/attention_plan.h"
#include "dispatch/channel_region.h"
#include "dispatch/matmul_plan.h"
#include "dispatch/reach.h"
#include "dispatch/score_sums.h"

#define CK_KERNELS(KERNEL)                                                                                             \
    KERNEL(norm, (const ck_norm_args *args, int is_centred, int64_t begin, int64_t end, ck_reach reach))               \
    KERNEL(norm_backward, (const ck_norm_backward_args *args, int is_centred, int64_t begin, int64_t end, float *sums, \
                           int64_t pitch, ck_reach reach))                                                             \
    KERNEL(norm_double_backward,                                                                                       \
           (const ck_norm_double_backward_args *args, int is_centred, int64_t begin, int64_t end, float *weight_sums)) \
    KERNEL(csr_norm, (const ck_csr_layer_norm_args *args, int64_t begin, int64_t end))                                 \
    KERNEL(csr_norm_backward, (const ck_csr_layer_norm_backward_args *args, int64_t begin, int64_t end,                \
                               float *weight_sums, float *bias_sums))                                                  \
    KERNEL(row_sums,                                                                                                   \
           (const float *x, int64_t n, int64_t stride, float *result, int64_t begin, int64_t end, int accumulate))     \
    KERNEL(orthogonal_add, (const ck_orthogonal_add_args *args, int64_t begin, int64_t end, int streaming))            \
    KERNEL(orthogonal_add_backward,                                                                                    \
           (const ck_orthogonal_add_backward_args *args, int64_t begin, int64_t end, int streaming))                   \
    KERNEL(merge_sums, (const float *sums, int64_t count, int64_t stride, float *result, int64_t begin, int64_t end,   \
                        int accumulate))                                                                               \
    KERNEL(channel_moments, (const ck_channel_region *region, int64_t begin, int64_t end))                             \
    KERNEL(channel_coefficients, (const ck_channel_region *region, int64_t begin, int64_t end))                        \
    KERNEL(channel_norm, (const ck_channel_region *region, int64_t begin, int64_t end))                                \
    KERNEL(channel_gradient_sums, (const ck_channel_region *region, int64_t begin, int64_t end))                       \
    KERNEL(channel_gradient_coefficients, (const ck_channel_region *region, int64_t begin, int64_t end))               \
    KERNEL(channel_gradient, (const ck_channel_region *region, int64_t begin, int64_t end))                            \
    KERNEL(channel_parameter_gradient, (const double *totals, int64_t regions, int64_t pitch, float *result,           \
                                        int64_t begin, int64_t end, int accumulate))                                   \
    KERNEL(row_moments, (const ck_row_moments_args *args, int64_t begin, int64_t end))                                 \
    KERNEL(normalize_rows, (const ck_normalize_rows_args *args, int64_t begin, int64_t end, int streaming))            \
    KERNEL(row_gradient_moments, (const ck_row_gradient_moments_args *args, int64_t begin, int64_t end))               \
    KERNEL(normalize_rows_backward, (const ck_normalize_rows_backward_args *args, int64_t begin, int64_t end,          \
                                     float *sums, int64_t pitch, int streaming))                                       \
    KERNEL(convert, (const void *x, ck_type x_type, void *y, ck_type y_type, int64_t count, int streaming))            \
    KERNEL(softmax, (const ck_softmax_args *args, int64_t begin, int64_t end, int streaming))                          \
    KERNEL(softmax_backward, (const ck_softmax_backward_args *args, int64_t begin, int64_t end, int streaming))        \
    KERNEL(csr_softmax, (const ck_csr_softmax_args *args, int64_t begin, int64_t end))                                 \
    KERNEL(csr_softmax_backward, (const ck_csr_softmax_backward_args *args, int64_t begin, int64_t end))               \
    KERNEL(softmax_with_states, (const ck_softmax_with_states_args *args, int64_t begin, int64_t end, int streaming))  \
    KERNEL(score_softmax, (const ck_score_softmax_args *args, int64_t begin, int64_t end, int streaming))              \
    KERNEL(masked_scores, (const ck_score_softmax_args *args, int64_t begin, int64_t end))                             \
    KERNEL(score_softmax_backward, (const ck_score_softmax_backward_args *args, const ck_score_sums *sums,             \
                                    int64_t begin, int64_t end, int is_far))                                           \
    KERNEL(attention,                                                                                                  \
           (const ck_attention_args *args, const ck_attention_plan *plan, int64_t begin, int64_t end, float *space))   \
    KERNEL(attention_parts,                                                                                            \
           (const ck_attention_args *args, const ck_attention_plan *plan, int64_t begin, int64_t end, float *space))   \
    KERNEL(attention_merge,                                                                                            \
           (const ck_attention_args *args, const ck_attention_plan *plan, int64_t begin, int64_t end, float *space))   \
    KERNEL(attention_backward, (const ck_attention_backward_args *args, const ck_attention_gradient_plan *plan,        \
                                int64_t begin, int64_t end, float *space))                                             \
    KERNEL(attention_bias_backward, (const ck_attention_backward_args *args, const ck_attention_gradient_plan *plan,   \
                                     int64_t begin, int64_t end, float *space))                                        \
    KERNEL(matmul, (const ck_matmul_args *args, const ck_matmul_plan *plan, int64_t begin, int64_t end, float *space)) \
    KERNEL(exp_1ulp, (const float *x, float *y, int64_t count, int streaming))                                         \
    KERNEL(tanh_2ulp, (const float *x, float *y, int64_t count, int streaming))                                        \
    KERNEL(limit_copy, (const float *source, const float *second, float *destination, int64_t count, int streaming))   \
    KERNEL(limit_read, (const float *source, int64_t count, float *largest))                                           \
    KERNEL(limit_fma, (int64_t steps, float *sink))

/// Merges of states, in binary64, one number after the other: portable's on every machine.
#define CK_MERGES(KERNEL)                                                                                          \
    KERNEL(merge_moments, (const ck_moments *parts, int64_t count, ck_moments *result))                            \
    KERNEL(merge_gradient_moments, (const ck_gradient_moments *parts, int64_t count, ck_gradient_moments *result)) \
    KERNEL(merge_softmax_states, (const ck_softmax_state *parts, int64_t count, ck_softmax_state *result))

#endif
