/// ck_score_softmax.h: the softmax of attention scores under a mask, forward and backward, and the masked scores alone;
/// float32, bfloat16, float16.
///
///     s = scale * x, as ck_mask.h changes it,     y[j] = e^s[j] / (e^sink + sum_k e^s[k])
///     log_sum_exp = ln(e^sink + sum_k e^s[k])     over the keys that take part; no sink: e^sink is 0
///
/// Precision: binary32, by the arithmetic contract (the article "One answer"): the same bits on every instruction set
/// and thread count, and whether a key is left out by a boolean or by a structured mask. Without a mask it is
/// ck_softmax.
///
/// A key that takes no part has y = 0 and gradient 0. A row without any has log_sum_exp -infinity (with a sink: the
/// sink). A row with +infinity or a NaN among the keys that take part, or in its sink, is NaN there, and 0 where s is
/// -infinity or the key takes no part; other rows do not notice.
#ifndef CK_SCORE_SOFTMAX_H
#define CK_SCORE_SOFTMAX_H

#include <stddef.h>

#include "ck_mask.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_score_softmax`. Strides count elements; keys are contiguous.
typedef struct ck_score_softmax_args {
    int64_t batch, heads, queries;  ///< >= 0; where one is 0, nothing is done
    int64_t keys;                   ///< >= 1
    ck_type type;                   ///< of x and y
    float scale;                    ///< finite
    const void *x;                  ///< [batch, heads, queries, keys]
    ck_strides x_strides;           ///< >= 0
    void *y;               ///< the same shape; may be x itself (same strides); NULL if only log_sum_exp is wanted
    ck_strides y_strides;  ///< rows must not meet
    float *log_sum_exp;    ///< [batch, heads, queries] or NULL, if y is not
    ck_mask mask;
} ck_score_softmax_args;

/// Takes up to 272 KiB of stack.
CK_API ck_status ck_score_softmax(const ck_score_softmax_args *args, ck_run run);

/// The masked scores themselves, from the same arguments: y = s as it enters the softmax, -infinity for a key that
/// takes no part, whatever stands there. y is needed; log_sum_exp and the mask's sinks are not used.
CK_API ck_status ck_masked_scores(const ck_score_softmax_args *args, ck_run run);

/// Arguments of `ck_score_softmax_backward`, from the output y of the forward pass. With q = e^(sink - log_sum_exp):
///
///     D  = sum_j y * dy                        ds = y * (dy - D)
///     dx = ds * scale * (1 - tanh(scale * x / softcap)^2)             the last factor with a softcap only
///     dbias = ds,  dslopes = ds * (j - p),  dsinks = -q * D           each summed over what shares an element
///
/// An element with y = 0 has gradient 0 and adds nothing, whatever its dy and x. Of the mask only softcap, the
/// structured masks and sinks are read: y tells the rest. A row's dy is centred before it is summed, so that a common
/// offset of it costs nothing.
typedef struct ck_score_softmax_backward_args {
    int64_t batch, heads, queries, keys;  ///< as above
    ck_type type;                         ///< of dy, y, x and dx
    float scale;                          ///< finite
    const void *dy, *y;                   ///< [batch, heads, queries, keys]
    const void *x;                        ///< of the forward pass; read with a softcap only
    const float *log_sum_exp;             ///< [batch, heads, queries]; read with sinks only
    void *dx;                             ///< may be dy or y itself (same strides)
    ck_strides dy_strides, y_strides, x_strides, dx_strides;
    float *dbias;              ///< NULL, or the gradient of a bias of these strides:
    ck_strides dbias_strides;  ///< 0 along an axis of more than one: a sum over it
    float *dslopes, *dsinks;   ///< [heads] or NULL; dsinks with sinks only
    void *workspace;           ///< 64-byte aligned; NULL is fine if it needs 0 bytes
    size_t workspace_size;     ///< in bytes, >= ck_score_softmax_backward_workspace
    ck_mask mask;
} ck_score_softmax_backward_args;

/// Bytes of workspace for a call: 0 unless sums are wanted. It reads counts, dbias, dslopes, dsinks and strides alone.
CK_API size_t ck_score_softmax_backward_workspace(const ck_score_softmax_backward_args *args);

CK_API ck_status ck_score_softmax_backward(const ck_score_softmax_backward_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
