/// ck_moments_backward.h: gradients of rows that were normalized by moments merged from parts (ck_moments.h).
///
/// Where a row is sharded, what its gradient needs of all elements is merged as its moments are. With
/// xhat = (x - mean) / sqrt(m2 / count + epsilon) and g = dy * weight:
///
///     gradient = mean(g),   normalized = mean(xhat),   comoment = sum((g - mean(g)) * (xhat - mean(xhat)))
///
/// Each part finds its own (ck_row_gradient_moments), all are merged in one order, and each part finds the gradients of
/// its columns from the result (ck_normalize_rows_backward).
#ifndef CK_MOMENTS_BACKWARD_H
#define CK_MOMENTS_BACKWARD_H

#include <stddef.h>

#include "ck_base.h"
#include "ck_moments.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ck_gradient_moments {
    int64_t count;      ///< elements; 0: those of nothing, whatever the others hold
    double gradient;    ///< mean of dy * weight
    double normalized;  ///< mean of xhat; over a whole row it is 0 but for rounding
    double comoment;    ///< sum of products of the deviations from these two
} ck_gradient_moments;

/// Merges `count` of them in their order: ((p0 + p1) + p2) + ...; of none, or of nothing, they are zeros. Two parts A
/// and B in binary64, in this order (Pebay: Formulas for robust, one-pass parallel computation of covariances, 2008):
///
///     n = nA + nB,   share = nB / n,   d = gradientB - gradientA,   e = normalizedB - normalizedA
///     gradient = gradientA + d * share,   normalized = normalizedA + e * share
///     comoment = (comomentA + comomentB) + (d * e) * (nA * share)
///
/// `result` may be one of `parts`. CK_BAD_MOMENTS for a negative count, CK_SIZE_OVERFLOW if counts add up to more than
/// an int64_t holds. NaNs pass through.
CK_API ck_status ck_gradient_moments_merge(const ck_gradient_moments *parts, int64_t count,
                                           ck_gradient_moments *result);

/// Arguments of `ck_row_gradient_moments`: the gradient moments of every row, or part of a row.
///
/// Gradients are summed in binary32 around the mean of a sample, as in `ck_layer_norm_backward`, and what follows is
/// binary64: an offset that all dy of a row share costs nothing.
typedef struct ck_row_gradient_moments_args {
    int64_t rows;                           ///< >= 0; 0 does nothing
    int64_t cols;                           ///< >= 1
    ck_type type;                           ///< of dy and x
    const void *dy;                         ///< [rows, cols]
    int64_t dy_stride;                      ///< from row to row, >= cols
    const void *x;                          ///< [rows, cols]: the input of the forward pass
    int64_t x_stride;                       ///< from row to row, >= cols
    const ck_moments *moments;              ///< [rows], each of at least one element: those of whole rows
    const float *weight;                    ///< [cols], or NULL for ones
    float epsilon;                          ///< of the forward pass
    ck_gradient_moments *gradient_moments;  ///< [rows]
} ck_row_gradient_moments_args;

CK_API ck_status ck_row_gradient_moments(const ck_row_gradient_moments_args *args, ck_run run);

/// Arguments of `ck_normalize_rows_backward`. With the gradient moments of whole rows and n = their count:
///
///     dx      = (g - gradient - xhat * (comoment / n)) / sqrt(m2 / count + epsilon)
///     dweight = sum over rows of dy * xhat
///     dbias   = sum over rows of dy
///
/// That is the gradient of layer normalization. With means and comoments of 0 (count 1) it is that of
/// `ck_normalize_rows` by moments that do not depend on x. For the same moments it gives the same bits however rows are
/// cut.
typedef struct ck_normalize_rows_backward_args {
    int64_t rows;                                 ///< >= 0; 0 writes only sums over no rows
    int64_t cols;                                 ///< >= 1
    ck_type type;                                 ///< of dy, x and dx
    const void *dy;                               ///< [rows, cols]
    int64_t dy_stride;                            ///< from row to row, >= cols
    const void *x;                                ///< [rows, cols]: the input of the forward pass
    int64_t x_stride;                             ///< from row to row, >= cols
    const ck_moments *moments;                    ///< [rows], each of at least one element
    const ck_gradient_moments *gradient_moments;  ///< [rows], each of at least one element
    const float *weight;                          ///< [cols], or NULL for ones
    float epsilon;                                ///< of the forward pass
    void *dx;                                     ///< [rows, cols] or NULL; may be dy itself (same stride)
    int64_t dx_stride;                            ///< from row to row, >= cols
    float *dweight;                               ///< [cols] or NULL
    float *dbias;                                 ///< [cols] or NULL
    int32_t accumulate;                           ///< nonzero: add to dweight and dbias instead of writing them
    void *workspace;                              ///< with dweight or dbias: so many bytes, 64-byte aligned
    size_t workspace_size;
} ck_normalize_rows_backward_args;

CK_API ck_status ck_normalize_rows_backward(const ck_normalize_rows_backward_args *args, ck_run run);

/// Bytes of scratch memory for dweight and dbias; 0 without rows, and for sizes that are refused.
CK_API size_t ck_normalize_rows_backward_workspace(int64_t rows, int64_t cols);

#ifdef __cplusplus
}
#endif
#endif
