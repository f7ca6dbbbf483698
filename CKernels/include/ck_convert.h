/// ck_convert.h: numbers from one storage type to another.
///
///     y[r][i] = x[r][i], rounded once to y's type
///
/// Precision: x is widened to binary32, which is exact, and rounded to nearest, ties to even. Numbers too large for y's
/// type become infinity, those too small for its normal numbers become subnormal ones or zero with their sign, a NaN
/// stays a NaN. (IEEE 754-2019, 5.4.2; bfloat16 is a binary32 whose last 16 bits are left away.)
#ifndef CK_CONVERT_H
#define CK_CONVERT_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_convert`. Strides count elements; columns are contiguous. A vector is one row.
typedef struct ck_convert_args {
    int64_t rows;      ///< >= 0; 0 does nothing
    int64_t cols;      ///< >= 1
    const void *x;     ///< [rows, cols]
    ck_type x_type;
    int64_t x_stride;  ///< from row to row, >= cols
    void *y;           ///< [rows, cols]; may be x itself if elements have the same size (same stride)
    ck_type y_type;    ///< any, also x's
    int64_t y_stride;  ///< from row to row, >= cols
} ck_convert_args;

CK_API ck_status ck_convert(const ck_convert_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
