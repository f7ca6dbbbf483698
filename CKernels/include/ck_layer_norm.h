/// ck_layer_norm.h: layer normalization over the last axis, forward and backward, float32.
///
///     y[r][i] = (x[r][i] - mean[r]) * rstd[r] * weight[i] + bias[i]
///     mean[r] = sum_i x[r][i] / cols
///     rstd[r] = 1 / sqrt(sum_i (x[r][i] - mean[r])^2 / cols + epsilon)
///
/// (Ba, Kiros, Hinton: Layer Normalization, 2016; the variance is the biased one.)
///
/// Precision: binary32 throughout, by the arithmetic contract (the article "One answer"): the same
/// bits on every instruction set and thread count. Against float64 a row of up to 50257 nearly normal numbers is off
/// by at most 3e-7 of its largest output, under any mean offset up to 1e7 and any scale from 1e-30 to 1e30. No row is off
/// by more than (23 + cols / 32768) * 2^-24.
/// A row that holds a NaN or an infinity becomes NaN; other rows do not notice. A row without spread
/// is exactly `bias`, also for epsilon 0 (its rstd is then 0).
#ifndef CK_LAYER_NORM_H
#define CK_LAYER_NORM_H

#include <stddef.h>

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_layer_norm`. Strides count elements; columns are contiguous.
typedef struct ck_layer_norm_args {
    int64_t rows;          ///< >= 0; 0 does nothing
    int64_t cols;          ///< >= 1
    const float *x;        ///< [rows, cols]
    int64_t x_stride;      ///< from row to row, >= cols
    const float *weight;   ///< [cols], or NULL for ones
    const float *bias;     ///< [cols], or NULL for zeros
    float epsilon;         ///< >= 0, finite
    float *y;              ///< [rows, cols]; may be x itself (same stride)
    int64_t y_stride;      ///< from row to row, >= cols
    float *mean;           ///< [rows] or NULL: the mean, rounded
    float *mean_low;       ///< [rows] or NULL: what rounding `mean` lost, for the backward pass
    float *rstd;           ///< [rows] or NULL
} ck_layer_norm_args;

CK_API ck_status ck_layer_norm(const ck_layer_norm_args *args, ck_run run);

/// Arguments of `ck_layer_norm_backward`. With xhat = (x - mean) * rstd and g = dy * weight:
///
///     dx      = rstd * (g - mean_i(g) - xhat * mean_i(g * xhat))
///     dweight = sum_r dy * xhat
///     dbias   = sum_r dy
///
/// The mean is the pair (mean, mean_low) that the forward pass saved: under a mean offset of 1e6 one
/// float cannot hold it well enough. Rows are centred before they are summed,
/// like the forward pass's.
typedef struct ck_layer_norm_backward_args {
    int64_t rows, cols;      ///< as above
    const float *dy;         ///< [rows, cols]
    int64_t dy_stride;
    const float *x;          ///< [rows, cols]
    int64_t x_stride;
    const float *weight;     ///< [cols], or NULL for ones
    const float *mean;       ///< [rows]
    const float *mean_low;   ///< [rows], or NULL for zeros (then as accurate as one float allows)
    const float *rstd;       ///< [rows]
    float *dx;               ///< [rows, cols] or NULL; may be dy itself (same stride)
    int64_t dx_stride;
    float *dweight;          ///< [cols] or NULL
    float *dbias;            ///< [cols] or NULL
    int32_t accumulate;      ///< nonzero: add to dweight and dbias instead of writing them
    void *workspace;         ///< ck_layer_norm_backward_workspace(rows, cols) bytes, 64-byte aligned; NULL if no sum is wanted
    size_t workspace_size;   ///< bytes at `workspace`
} ck_layer_norm_backward_args;

CK_API ck_status ck_layer_norm_backward(const ck_layer_norm_backward_args *args, ck_run run);

/// Bytes of scratch memory that `ck_layer_norm_backward` needs when it is asked for dweight or dbias:
/// the partial sums of its row blocks. 0 without rows, and for sizes that it refuses.
CK_API size_t ck_layer_norm_backward_workspace(int64_t rows, int64_t cols);

#ifdef __cplusplus
}
#endif
#endif
