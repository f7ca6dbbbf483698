/// ck_orthogonal_add.h: a residual addition that adds only what is new: the part of an update that is orthogonal to x.
///
///     h[r][i] = x[r][i] + u[r][i],   u = f - a x,   a = <x, f> / (<x, x> + epsilon)          for each row
///
/// Centred, rows are taken without their means: u = f~ - a x~ with x~ = x - mean(x), f~ = f - mean(f),
/// a = <x~, f~> / (<x~, x~> + epsilon). Then u is orthogonal to x and to the constant row: it is uncorrelated with x.
///
/// (Oh, Cho, Kim, Choi, Yu: Revisiting Residual Connections: Orthogonal Updates for Stable and Efficient Deep Networks,
/// 2025.)
///
/// Precision: binary32 throughout, by the arithmetic contract (the article "One answer"): the same bits on every
/// instruction set and thread count. With rows of numbers from 1e-30 to 1e30 nothing over- or underflows on the way,
/// also for epsilon 0: such rows are worked on times powers of two. With 16-bit storage the result is rounded once. A
/// row of zeros as x gives exactly f, unless centred. A NaN or an infinity stays in its row.
#ifndef CK_ORTHOGONAL_ADD_H
#define CK_ORTHOGONAL_ADD_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_orthogonal_add`. Strides count elements; columns are contiguous.
typedef struct ck_orthogonal_add_args {
    int64_t rows;           ///< >= 0; 0 does nothing
    int64_t cols;           ///< >= 1
    ck_type type;           ///< of x, update and h
    int32_t centred;        ///< nonzero: rows without their means
    float epsilon;          ///< >= 0, finite
    const void *x;          ///< [rows, cols]
    int64_t x_stride;       ///< from row to row, >= cols
    const void *update;     ///< [rows, cols]: f
    int64_t update_stride;  ///< from row to row, >= cols
    void *h;                ///< [rows, cols]; may be x itself (same stride)
    int64_t h_stride;       ///< from row to row, >= cols
} ck_orthogonal_add_args;

CK_API ck_status ck_orthogonal_add(const ck_orthogonal_add_args *args, ck_run run);

/// Arguments of `ck_orthogonal_add_backward`. With b = <x, dh> / (<x, x> + epsilon), all of it centred if h was:
///
///     dupdate = dh - b x                 (centred: dh~ - b x~)
///     dx      = dh - a dupdate - b u
///
/// It is exact: a depends on x, and that is part of dx. Everything is computed anew from x and f, which dx needs
/// anyway.
typedef struct ck_orthogonal_add_backward_args {
    int64_t rows, cols;  ///< as above
    ck_type type;        ///< of all tensors
    int32_t centred;     ///< as forward
    float epsilon;       ///< as forward
    const void *dh;      ///< [rows, cols]
    int64_t dh_stride;
    const void *x;  ///< [rows, cols]
    int64_t x_stride;
    const void *update;  ///< [rows, cols]: f
    int64_t update_stride;
    void *dx;  ///< [rows, cols] or NULL; may be dh itself (same stride)
    int64_t dx_stride;
    void *dupdate;  ///< [rows, cols] or NULL
    int64_t dupdate_stride;
} ck_orthogonal_add_backward_args;

CK_API ck_status ck_orthogonal_add_backward(const ck_orthogonal_add_backward_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
