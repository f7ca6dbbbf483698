/// ck_mask.h: what attention does to its scores before the softmax: one struct, shared by ck_score_softmax and
/// attention.
///
/// A score s of query i and key j, scaled by the operator, passes through these steps in this order; each is left out
/// where its field is 0 or NULL, and `(ck_mask){0}` is no mask at all:
///
///     s = softcap * tanh(s / softcap)
///     s = s + bias[batch][head][i][j]
///     s = s + slopes[head] * (j - p)              with p = offset + i, the query's position among the keys
///     key j takes no part unless boolean[batch][head][i][j] is not 0
///     key j takes no part unless j <= p                                       if causal
///     key j takes no part unless p - window_left <= j <= p + window_right     if windowed
///     key j takes no part unless j < lengths[batch][head][i]
///
/// and sinks[head] is one more score in the sum below the fraction, with no key of its own.
///
/// The last three cut a row to a range of keys: outside it nothing is read or computed. Nothing of a key that takes no
/// part shows in a result, even if it is NaN or infinite. Sources: softcap, Gemma 2 (2024); slopes, ALiBi (Press et
/// al., 2022); sinks, gpt-oss (2025) and Xiao et al., 2023; windows, Longformer (Beltagy et al., 2020).
#ifndef CK_MASK_H
#define CK_MASK_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Elements from batch entry to batch entry, head to head, row to row; 0 where all share the same ones.
typedef struct ck_strides {
    int64_t batch, head, row;
} ck_strides;

typedef struct ck_mask {
    float softcap;            ///< 0: none; otherwise 2^-126 ... 2^126
    const void *bias;         ///< [batch, heads, queries, keys], keys contiguous
    ck_type bias_type;        ///< of bias
    ck_strides bias_strides;  ///< row: from query to query
    const float *slopes;      ///< [heads]; positive ones make far keys before the query lighter
    const uint8_t *boolean;   ///< [batch, heads, queries, keys], keys contiguous; nonzero: takes part
    ck_strides boolean_strides;
    int32_t causal;          ///< nonzero: no key after the query
    int32_t windowed;        ///< nonzero: the window below counts
    int64_t window_left;     ///< keys before the query that take part, -1: all
    int64_t window_right;    ///< keys after it, -1: all
    int64_t offset;          ///< position of query 0; keys - queries aligns the last query with the last key
    const int64_t *offsets;  ///< [batch], instead of `offset`; NULL: the same for all
    const int64_t *lengths;  ///< [batch, heads, queries], each within 0 ... keys
    ck_strides length_strides;
    const float *sinks;  ///< [heads]; -infinity: none
} ck_mask;

#ifdef __cplusplus
}
#endif
#endif
