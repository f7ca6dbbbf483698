/// ck_norm.h: LayerNorm and RMSNorm over the last axis, of a tensor or of a residual sum, forward and backward.
///
///     y[r][i] = (x[r][i] - mean[r]) * rstd[r] * (weight[i] + weight_offset) + bias[i]
///
///     LayerNorm    mean[r] = sum_i x[r][i] / cols,   rstd[r] = 1 / sqrt(sum_i (x[r][i] - mean[r])^2 / cols + epsilon)
///     RMSNorm      mean[r] = 0,                      rstd[r] = 1 / sqrt(sum_i x[r][i]^2 / cols + epsilon)
///
/// (Ba, Kiros, Hinton: Layer Normalization, 2016; the variance is the biased one. Zhang, Sennrich: Root Mean Square Layer
/// Normalization, 2019.)
///
/// Precision: binary32 throughout, by the arithmetic contract (the article "One answer"): the same
/// bits on every instruction set and thread count. Against float64 a row of up to 50257 nearly normal numbers is off
/// by at most 3e-7 of its largest output, under any mean offset up to 1e7 and any scale from 1e-30 to 1e30. No row is off
/// by more than (23 + cols / 32768) * 2^-24. With 16-bit storage that result is rounded once.
/// A row that holds a NaN or an infinity becomes NaN; other rows do not notice. A row without spread
/// is exactly `bias`, also for epsilon 0 (its rstd is then 0).
#ifndef CK_NORM_H
#define CK_NORM_H

#include <stddef.h>

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The sum that is normalized in place of x, where the output of a branch joins a residual stream:
///
///     h[r][i] = scale * x[r][i] + branch_scale[i] * dropout(branch[r][i] + branch_bias[i])
///
/// It is normalized as it is, before it is rounded to the storage type. `dropout` sets an element to 0 with probability
/// `dropout` and divides the others by 1 - dropout; which ones depends on the seed, the row and the column alone
/// (Philox 4x32-10: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011), on every instruction set the same.
typedef struct ck_residual {
    const void *branch;        ///< [rows, cols], stored as x
    int64_t branch_stride;     ///< from row to row, >= cols
    const void *branch_bias;   ///< [cols], or NULL for nothing (as -0, which changes no branch)
    const void *branch_scale;  ///< [cols], or NULL for ones: LayerScale
    float scale;               ///< of x, finite: 1, or another for DeepNorm
    float dropout;             ///< probability, 0 <= dropout < 1
    uint64_t seed;             ///< of dropout
    int64_t first_row;         ///< of this call in the whole batch, >= 0: for dropout
    void *sum;                 ///< [rows, cols] or NULL: h, rounded to the storage type; may be x or branch itself. Forward only
    int64_t sum_stride;        ///< from row to row, >= cols
} ck_residual;

/// Arguments of `ck_layer_norm` and `ck_rms_norm`. Strides count elements; columns are contiguous.
typedef struct ck_norm_args {
    int64_t rows;                ///< >= 0; 0 does nothing
    int64_t cols;                ///< >= 1
    ck_type type;                ///< of x, y, branch and sum
    ck_type parameter_type;      ///< of weight, bias, branch_bias and branch_scale
    const void *x;               ///< [rows, cols]
    int64_t x_stride;            ///< from row to row, >= cols
    const ck_residual *residual; ///< or NULL: x itself is normalized
    const void *weight;          ///< [cols], or NULL for ones (whatever the offset)
    const void *bias;            ///< [cols], or NULL for zeros
    float weight_offset;         ///< added to each weight, finite: 0, or 1 where a model stores weight - 1
    float epsilon;               ///< >= 0, finite
    const void *addend;          ///< [rows, cols] or NULL: added to y before it is rounded: x + norm(branch)
    int64_t addend_stride;       ///< from row to row, >= cols
    void *y;                     ///< [rows, cols]; may be x, branch or addend itself (same stride); NULL if `quantized` is given
    int64_t y_stride;            ///< from row to row, >= cols
    int8_t *quantized;           ///< [rows, cols] or NULL: round(y / quantized_scale), -127 ... 127, of y before it is rounded
    int64_t quantized_stride;    ///< from row to row, >= cols
    float *quantized_scale;      ///< [rows], with `quantized`: the row's largest |y| / 127; NaN (and zeros) if that is not finite
    float *mean;                 ///< [rows] or NULL: the mean, rounded; 0 for RMSNorm
    float *mean_low;             ///< [rows] or NULL: what rounding `mean` lost, for the backward pass
    float *rstd;                 ///< [rows] or NULL
} ck_norm_args;

CK_API ck_status ck_layer_norm(const ck_norm_args *args, ck_run run);
CK_API ck_status ck_rms_norm(const ck_norm_args *args, ck_run run);

/// Arguments of `ck_layer_norm_backward` and `ck_rms_norm_backward`. With h = x or the residual sum,
/// xhat = (h - mean) * rstd, g = dy * (weight + weight_offset) and mean_i(g) = 0 for RMSNorm:
///
///     dh            = rstd * (g - mean_i(g) - xhat * mean_i(g * xhat)) + dsum
///     dweight       = sum_r dy * xhat
///     dbias         = sum_r dy
///     dx            = dh, or scale * dh
///     dbranch       = dropout(branch_scale * dh)
///     dbranch_bias  = sum_r dbranch
///     dbranch_scale = sum_r dh * dropout(branch + branch_bias)
///
/// The mean is the pair (mean, mean_low) that the forward pass saved: under a mean offset of 1e6 one
/// float cannot hold it well enough. Rows are centred before they are summed, like the forward pass's. h is computed
/// anew from x and branch, because what was stored of it may have been rounded.
typedef struct ck_norm_backward_args {
    int64_t rows, cols;           ///< as above
    ck_type type;                 ///< of dy, dsum, x, branch, dx and dbranch
    ck_type parameter_type;       ///< of weight, branch_bias and branch_scale; their gradients are floats
    const void *dy;               ///< [rows, cols]
    int64_t dy_stride;
    const void *dsum;             ///< [rows, cols] or NULL: the gradient that reaches h by other ways than the norm
    int64_t dsum_stride;
    const void *x;                ///< [rows, cols]
    int64_t x_stride;
    const ck_residual *residual;  ///< or NULL; its `sum` is not looked at
    const void *weight;           ///< [cols], or NULL for ones
    float weight_offset;          ///< as forward
    const float *mean;            ///< [rows]; may be NULL for RMSNorm
    const float *mean_low;        ///< [rows], or NULL for zeros (then as accurate as one float allows)
    const float *rstd;            ///< [rows]
    void *dx;                     ///< [rows, cols] or NULL; may be dy or dsum itself (same stride)
    int64_t dx_stride;
    void *dbranch;                ///< [rows, cols] or NULL; only with a residual; may be dy or dsum itself (same stride)
    int64_t dbranch_stride;
    float *dweight, *dbias;             ///< [cols] or NULL each
    float *dbranch_bias, *dbranch_scale; ///< [cols] or NULL each; only with a residual
    int32_t accumulate;           ///< nonzero: add to the sums over rows instead of writing them
    void *workspace;              ///< ck_norm_backward_workspace bytes, 64-byte aligned; NULL if no sum is wanted
    size_t workspace_size;        ///< bytes at `workspace`
} ck_norm_backward_args;

CK_API ck_status ck_layer_norm_backward(const ck_norm_backward_args *args, ck_run run);
CK_API ck_status ck_rms_norm_backward(const ck_norm_backward_args *args, ck_run run);

/// Bytes of scratch memory that a backward call needs when it is asked for a sum over rows: the partial sums of its row
/// blocks. `residual` nonzero: with a residual. 0 without rows, and for sizes that it refuses.
CK_API size_t ck_norm_backward_workspace(int64_t rows, int64_t cols, int32_t residual);

#ifdef __cplusplus
}
#endif
#endif
