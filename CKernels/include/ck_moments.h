/// ck_moments.h: moments that can be merged: of parts of rows, of batches, of what other processes hold.
///
///     count = n,   mean = sum_i x_i / n,   m2 = sum_i (x_i - mean)^2
///
/// Two parts A and B, in binary64, in this order (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for
/// computing sample variances, 1979):
///
///     n = nA + nB,   delta = meanB - meanA,   share = nB / n
///     mean = meanA + delta * share,   m2 = (m2A + m2B) + delta * delta * (nA * share)
///
/// A mean is one binary64, which holds the mean of a binary32 row under any offset, and m2 holds the squares of
/// the largest and smallest binary32 numbers: nothing is scaled.
#ifndef CK_MOMENTS_H
#define CK_MOMENTS_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ck_moments {
    int64_t count;  ///< elements; 0: the moments of nothing, whatever the others hold
    double mean;
    double m2;  ///< sum of squared deviations from the mean
} ck_moments;

/// Merges `count` moments in their order: ((p0 + p1) + p2) + ...; of none, or of nothing, they are zeros.
/// `result` may be one of `parts`. CK_BAD_MOMENTS for a negative count or m2, CK_SIZE_OVERFLOW if counts add up to more
/// than an int64_t holds. NaNs pass through.
CK_API ck_status ck_moments_merge(const ck_moments *parts, int64_t count, ck_moments *result);

/// Arguments of `ck_row_moments`: the moments of every row, or part of a row, of x.
///
/// Rows are summed in binary32 around the mean of a sample, as for `ck_layer_norm`, and what follows is binary64: mean
/// and m2 / count are off by some 1e-7 of the deviation and of the variance, under any offset and scale. A NaN or an
/// infinity makes m2 a NaN.
typedef struct ck_row_moments_args {
    int64_t rows;         ///< >= 0; 0 does nothing
    int64_t cols;         ///< >= 1
    ck_type type;         ///< of x
    const void *x;        ///< [rows, cols]
    int64_t x_stride;     ///< from row to row, >= cols
    ck_moments *moments;  ///< [rows]
} ck_row_moments_args;

CK_API ck_status ck_row_moments(const ck_row_moments_args *args, ck_run run);

/// Arguments of `ck_normalize_rows`: rows, or the same part of every row, normalized by given moments:
///
///     y[r][i] = (x[r][i] - mean[r]) / sqrt(m2[r] / count[r] + epsilon) * weight[i] + bias[i]
///
/// With the moments of whole rows this is layer normalization; where they were merged from parts it differs from
/// `ck_layer_norm` in its last bits, by at most some 2e-7 of a row's largest output more. For the same moments it gives
/// the same bits however rows are cut.
typedef struct ck_normalize_rows_args {
    int64_t rows;               ///< >= 0; 0 does nothing
    int64_t cols;               ///< >= 1
    ck_type type;               ///< of x and y
    const void *x;              ///< [rows, cols]
    int64_t x_stride;           ///< from row to row, >= cols
    const ck_moments *moments;  ///< [rows], each of at least one element
    const float *weight;        ///< [cols], or NULL for ones
    const float *bias;          ///< [cols], or NULL for zeros
    float epsilon;              ///< >= 0, finite
    void *y;                    ///< [rows, cols]; may be x itself (same stride)
    int64_t y_stride;           ///< from row to row, >= cols
} ck_normalize_rows_args;

CK_API ck_status ck_normalize_rows(const ck_normalize_rows_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
