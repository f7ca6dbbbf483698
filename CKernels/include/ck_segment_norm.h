/// ck_segment_norm.h: LayerNorm and RMSNorm of parts of rows.
///
/// Every row is cut into the same column ranges (modalities, heads, groups of features), and each is normalized on its
/// own: segment s holds columns offsets[s] ..< offsets[s + 1]. The arithmetic of a segment is that of a row of its
/// width (ck_norm.h). Precision, special rows and sources are those of ck_norm.h.
#ifndef CK_SEGMENT_NORM_H
#define CK_SEGMENT_NORM_H

#include <stddef.h>

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_segment_layer_norm` and `ck_segment_rms_norm`. Strides count elements; columns are contiguous.
typedef struct ck_segment_norm_args {
    int64_t rows;            ///< >= 0; 0 does nothing
    int64_t cols;            ///< >= 1
    int64_t segments;        ///< >= 1
    const int64_t *offsets;  ///< [segments + 1]: from 0, never decreasing, to cols; empty segments are fine
    ck_type type;            ///< of x and y
    ck_type parameter_type;  ///< of weight and bias
    int32_t shared;          ///< nonzero: one weight and bias for all segments, which then are equally wide
    const void *x;           ///< [rows, cols]
    int64_t x_stride;        ///< from row to row, >= cols
    const void *weight;      ///< [cols], or [cols / segments] if shared; or NULL for ones
    const void *bias;        ///< likewise, or NULL for zeros
    float weight_offset;     ///< added to each weight, finite
    float epsilon;           ///< >= 0, finite
    void *y;                 ///< [rows, cols]; may be x itself (same stride)
    int64_t y_stride;        ///< from row to row, >= cols
    float *mean;             ///< [segments, rows] or NULL; of an empty segment nothing is written
    float *mean_low;         ///< [segments, rows] or NULL
    float *rstd;             ///< [segments, rows] or NULL
} ck_segment_norm_args;

CK_API ck_status ck_segment_layer_norm(const ck_segment_norm_args *args, ck_run run);
CK_API ck_status ck_segment_rms_norm(const ck_segment_norm_args *args, ck_run run);

/// Arguments of `ck_segment_layer_norm_backward` and `ck_segment_rms_norm_backward`: in each segment the gradients of
/// ck_norm.h. Shared parameters have the sums over rows and segments.
typedef struct ck_segment_norm_backward_args {
    int64_t rows, cols, segments;  ///< as above
    const int64_t *offsets;        ///< as above
    ck_type type;                  ///< of dy, x and dx
    ck_type parameter_type;        ///< of weight; its gradient is floats
    int32_t shared;                ///< as above
    const void *dy;                ///< [rows, cols]
    int64_t dy_stride;
    const void *x;  ///< [rows, cols]
    int64_t x_stride;
    const void *weight;     ///< as above
    float weight_offset;    ///< as above
    const float *mean;      ///< [segments, rows]; may be NULL for RMSNorm
    const float *mean_low;  ///< [segments, rows], or NULL for zeros
    const float *rstd;      ///< [segments, rows]
    void *dx;               ///< [rows, cols] or NULL; may be dy itself (same stride)
    int64_t dx_stride;
    float *dweight, *dbias;  ///< [cols], or [cols / segments] if shared; or NULL each
    int32_t accumulate;      ///< nonzero: add to dweight and dbias instead of writing them
    void *workspace;         ///< ck_segment_norm_backward_workspace bytes, 64-byte aligned; NULL if no sum is wanted
    size_t workspace_size;   ///< bytes at `workspace`
} ck_segment_norm_backward_args;

CK_API ck_status ck_segment_layer_norm_backward(const ck_segment_norm_backward_args *args, ck_run run);
CK_API ck_status ck_segment_rms_norm_backward(const ck_segment_norm_backward_args *args, ck_run run);

/// Bytes of scratch memory that a backward call needs when it is asked for a sum over rows. 0 without rows, and for
/// sizes and offsets that it refuses.
CK_API size_t ck_segment_norm_backward_workspace(int64_t rows, int64_t cols, int64_t segments, const int64_t *offsets);

#ifdef __cplusplus
}
#endif
#endif
