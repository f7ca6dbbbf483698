/// ck_softmax_state.h: what is known of a row, or a part of one, before it is divided by its sum; can be merged: of
/// rows that are sharded over blocks or processes.
///
///     max = max_i x_i,   sum = sum_i e^(x_i - max)
///
/// Two parts, in binary64, the one with the larger max first:
///
///     max = max_1,   sum = sum_1 + sum_2 * e^(max_2 - max_1)
///
/// (Milakov, Gimelshein: Online normalizer calculation for softmax, 2018.) A merge may be given its parts in either
/// order, with the same bits; each one adds at most 2^-50 of the sum to its error. How a row is cut shows in the last
/// bits.
///
/// Nothing, and a part of nothing but -infinity, is max -infinity and sum 0; merged with others it changes nothing. A
/// part with a NaN or +infinity has a NaN for its sum, and so has everything that it is merged into; max then says
/// nothing.
#ifndef CK_SOFTMAX_STATE_H
#define CK_SOFTMAX_STATE_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ck_softmax_state {
    float max;   ///< not a NaN
    double sum;  ///< >= 0, finite; or a NaN
} ck_softmax_state;

/// Merges `count` states in their order: ((p0 + p1) + p2) + ...; of none it is max -infinity and sum 0. `result` may be
/// one of `parts`. CK_BAD_PARAMETER for a max that is a NaN, and for a sum that is negative or infinite.
CK_API ck_status ck_softmax_states_merge(const ck_softmax_state *parts, int64_t count, ck_softmax_state *result);

/// Arguments of `ck_softmax_with_states`: rows, or the same part of every row, by given states (ck_softmax finds them):
///
///     y[r][i] = e^(x[r][i] - max[r]) / sum[r]                or, logarithmic, (x[r][i] - max[r]) - ln(sum[r])
///
/// With the states of whole rows these are the bits of `ck_softmax`; with merged ones they are as accurate. For the
/// same states it gives the same bits however rows are cut. An element above its row's max becomes a NaN.
typedef struct ck_softmax_with_states_args {
    int64_t rows;                    ///< >= 0; 0 does nothing
    int64_t cols;                    ///< >= 1
    ck_type type;                    ///< of x and y
    const void *x;                   ///< [rows, cols]
    int64_t x_stride;                ///< from row to row, >= cols
    const ck_softmax_state *states;  ///< [rows], as for `ck_softmax_states_merge`
    void *y;                         ///< [rows, cols]; may be x itself (same stride)
    int64_t y_stride;                ///< from row to row, >= cols
    int32_t logarithmic;             ///< nonzero: the natural logarithm
} ck_softmax_with_states_args;

CK_API ck_status ck_softmax_with_states(const ck_softmax_with_states_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
