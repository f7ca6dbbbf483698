/// ck_norm_second_order.h: LayerNorm and RMSNorm in forward mode (the product of their Jacobian and a vector), and the
/// gradients of their gradients.
///
/// Everything starts from the statistics that the forward pass saved: xhat = (x - mean) * rstd, and w = weight +
/// weight_offset. mean_i is the mean over a row; for RMSNorm, mean and every mean_i that stands alone are 0. With
///
///     J(v) = rstd * (v - mean_i(v) - xhat * mean_i(v * xhat))          the Jacobian of xhat, which is symmetric
///
/// the tangent (forward mode: Griewank, Walther, Evaluating Derivatives, 2008) of y = xhat * w + bias is
///
///     dy = J(dx) * w + xhat * dweight + dbias
///
/// and the backward pass, with cotangents v of dx, p of dweight and q of dbias, has the gradients
///
///     ddy     = J(v) * w + xhat * p + q
///     dx      = J(p * dy) - rstd^2 * (m * (v - mean_i(v)) + s * (g - mean_i(g)) + xhat * (c - 3 s m))
///     dweight = sum_r dy * J(v)
///     g = dy * w,  s = mean_i(v * xhat),  m = mean_i(g * xhat),  c = mean_i((v - mean_i(v)) * (g - mean_i(g)))
///
/// which gradient penalties need (Gulrajani et al.: Improved Training of Wasserstein GANs, 2017). dbias is 0.
///
/// Precision: binary32 throughout, by the arithmetic contract (the article "One answer"): the same bits on every
/// instruction set and thread count. Rows are centred before they are summed, as in the backward pass.
#ifndef CK_NORM_SECOND_ORDER_H
#define CK_NORM_SECOND_ORDER_H

#include <stddef.h>

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_layer_norm_tangent` and `ck_rms_norm_tangent`. Strides count elements; columns are contiguous.
typedef struct ck_norm_tangent_args {
    int64_t rows;                 ///< >= 0; 0 does nothing
    int64_t cols;                 ///< >= 1
    ck_type type;                 ///< of x and the tangents of x and y
    ck_type parameter_type;       ///< of weight
    const void *x;                ///< [rows, cols]
    int64_t x_stride;             ///< from row to row, >= cols
    const void *x_tangent;        ///< [rows, cols]
    int64_t x_tangent_stride;     ///< from row to row, >= cols
    const void *weight;           ///< [cols], or NULL for ones (whatever the offset)
    float weight_offset;          ///< added to each weight, finite
    const float *weight_tangent;  ///< [cols], or NULL for zeros
    const float *bias_tangent;    ///< [cols], or NULL for zeros
    const float *mean;            ///< [rows]; may be NULL for RMSNorm, which does not look at it
    const float *mean_low;        ///< [rows], or NULL for zeros
    const float *rstd;            ///< [rows]
    void *y_tangent;              ///< [rows, cols]; may be x_tangent itself (same stride)
    int64_t y_tangent_stride;     ///< from row to row, >= cols
} ck_norm_tangent_args;

CK_API ck_status ck_layer_norm_tangent(const ck_norm_tangent_args *args, ck_run run);
CK_API ck_status ck_rms_norm_tangent(const ck_norm_tangent_args *args, ck_run run);

/// Arguments of `ck_layer_norm_double_backward` and `ck_rms_norm_double_backward`. What has "cotangent" in its name
/// belongs to an output of the backward pass; what has "gradient" is an output of this one.
typedef struct ck_norm_double_backward_args {
    int64_t rows, cols;        ///< as above
    ck_type type;              ///< of the matrices
    ck_type parameter_type;    ///< of weight
    const void *dx_cotangent;  ///< [rows, cols]: v
    int64_t dx_cotangent_stride;
    const float *dweight_cotangent;  ///< [cols], or NULL for zeros: p
    const float *dbias_cotangent;    ///< [cols], or NULL for zeros: q
    const void *dy;                  ///< [rows, cols], of the backward pass; may be NULL if dy_gradient alone is wanted
    int64_t dy_stride;
    const void *x;  ///< [rows, cols]
    int64_t x_stride;
    const void *weight;     ///< [cols], or NULL for ones (whatever the offset)
    float weight_offset;    ///< added to each weight, finite
    const float *mean;      ///< [rows]; may be NULL for RMSNorm, which does not look at it
    const float *mean_low;  ///< [rows], or NULL for zeros
    const float *rstd;      ///< [rows]
    void *dy_gradient;      ///< [rows, cols] or NULL; may be dx_cotangent itself (same stride)
    int64_t dy_gradient_stride;
    void *x_gradient;  ///< [rows, cols] or NULL; may be dy itself (same stride)
    int64_t x_gradient_stride;
    float *weight_gradient;  ///< [cols] or NULL
    int32_t accumulate;      ///< nonzero: add to weight_gradient instead of writing it
    void *workspace;         ///< ck_norm_double_backward_workspace(rows, cols) bytes, 64-byte aligned; NULL without
                             ///< weight_gradient
    size_t workspace_size;   ///< bytes at `workspace`
} ck_norm_double_backward_args;

CK_API ck_status ck_layer_norm_double_backward(const ck_norm_double_backward_args *args, ck_run run);
CK_API ck_status ck_rms_norm_double_backward(const ck_norm_double_backward_args *args, ck_run run);

/// Bytes of scratch memory that a double backward call needs when it is asked for the weight's gradient: the partial
/// sums of its row blocks. 0 without rows, and for sizes that it refuses.
CK_API size_t ck_norm_double_backward_workspace(int64_t rows, int64_t cols);

#ifdef __cplusplus
}
#endif
#endif
