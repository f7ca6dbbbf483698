/// ck_softmax.h: softmax and log-softmax over the last axis, forward and backward; float32, bfloat16, float16.
///
///     y[r][i] = e^x[r][i] / sum_j e^x[r][j]                  or, logarithmic, its natural logarithm
///     log_sum_exp[r] = ln sum_j e^x[r][j]
///
/// Precision: binary32, by the arithmetic contract (the article "One answer"): the same bits on every instruction set
/// and thread count. The exponentials of a row are formed without rounding x - max(x), so that small probabilities are
/// as accurate as large ones: in rows of up to 50257 columns, with scores up to 1e4, each is off by at most 4 * 2^-23
/// of itself.
///
/// A row of nothing but -infinity is 0 (logarithmic: -infinity) and its log_sum_exp -infinity. A row with +infinity or
/// a NaN becomes NaN; other rows do not notice. A row with one element above -infinity is exactly 1 there.
#ifndef CK_SOFTMAX_H
#define CK_SOFTMAX_H

#include "ck_softmax_state.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_softmax`. Strides count elements; columns are contiguous.
typedef struct ck_softmax_args {
    int64_t rows;          ///< >= 0; 0 does nothing
    int64_t cols;          ///< >= 1
    ck_type type;          ///< of x and y
    const void *x;         ///< [rows, cols]
    int64_t x_stride;      ///< from row to row, >= cols
    void *y;               ///< [rows, cols]; may be x itself (same stride); NULL if only what follows is wanted
    int64_t y_stride;      ///< from row to row, >= cols
    float *log_sum_exp;    ///< [rows] or NULL
    int32_t logarithmic;   ///< nonzero: y = x - log_sum_exp
    ck_softmax_state *states;  ///< [rows] or NULL; one of y, log_sum_exp and states is not NULL
} ck_softmax_args;

/// Takes up to 76 KiB of stack; for rows of 16385 to 65536 columns, with the GNU C library and on Apple's systems, up
/// to 268 KiB. (Elsewhere threads may have 128 KiB, as musl's do: there the exponentials of such rows are computed
/// twice.)
CK_API ck_status ck_softmax(const ck_softmax_args *args, ck_run run);

/// Arguments of `ck_softmax_backward`, from the output y of the forward pass:
///
///     dx = y * (dy - sum_j y * dy)                    or, logarithmic, dy - e^y * sum_j dy
///
/// An element whose probability is 0 has gradient 0 and adds nothing, whatever its dy. A row's dy is centred before it
/// is summed, so that a common offset of it costs nothing.
typedef struct ck_softmax_backward_args {
    int64_t rows, cols;    ///< as above
    ck_type type;          ///< of dy, y and dx
    const void *dy;        ///< [rows, cols]
    int64_t dy_stride;
    const void *y;         ///< [rows, cols]
    int64_t y_stride;
    void *dx;              ///< [rows, cols]; may be dy or y itself (same stride)
    int64_t dx_stride;
    int32_t logarithmic;   ///< as above
} ck_softmax_backward_args;

CK_API ck_status ck_softmax_backward(const ck_softmax_backward_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
