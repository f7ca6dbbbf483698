/// ck_matmul.h: products of matrices, many of one shape in a call; float32, bfloat16, float16.
///
///     c[i][j] = scale * sum_t a[i][t] * b[t][j]
///
/// for each batch entry and head; a matrix b serves heads / b_heads heads that follow each other, as the keys of
/// attention do. A stride of 0 shares a matrix or a row among all.
///
/// Precision: binary32, by the arithmetic contract (the article "One answer"): the same bits on every instruction set
/// and thread count, for a row alone or among others, whether a matrix is transposed or not. Up to a depth of 512 the
/// sum is one chain of fused multiply-adds, the score of attention; beyond, chunks of 512 are added in order.
#ifndef CK_MATMUL_H
#define CK_MATMUL_H

#include <stddef.h>

#include "ck_base.h"
#include "ck_mask.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_matmul` and `ck_matmul_blas`. Strides count elements; the last axis in memory is contiguous.
typedef struct ck_matmul_args {
    int64_t batch, heads;          ///< >= 0
    int64_t b_heads;               ///< heads is a multiple of it
    int64_t rows, columns, depth;  ///< >= 0; without depth c is 0
    float scale;                   ///< finite
    const void *a;                 ///< [batch, heads, rows, depth]; transposed: [batch, heads, depth, rows]
    ck_type a_type;
    ck_strides a_strides;
    int32_t a_transposed;
    const void *b;  ///< [batch, b_heads, depth, columns]; transposed: [batch, b_heads, columns, depth]
    ck_type b_type;
    ck_strides b_strides;
    int32_t b_transposed;
    void *c;  ///< [batch, heads, rows, columns]; rows must not meet
    ck_type c_type;
    ck_strides c_strides;
    void *workspace;  ///< ck_matmul_workspace(args, run) bytes, a multiple of 64
    size_t workspace_size;
} ck_matmul_args;

/// Bytes of workspace: for each thread less than 1 MiB. 0 for wrong sizes and where nothing is to be done.
CK_API size_t ck_matmul_workspace(const ck_matmul_args *args, ck_run run);

CK_API ck_status ck_matmul(const ck_matmul_args *args, ck_run run);

/// The same product by the BLAS that this build links (ck_inspect names it), of floats: within the rounding errors of
/// other orders of the sum, but not the contract's bits. It needs no workspace, and counts that fit an int.
///
/// The BLAS runs on the threads of this call alone: its own count is 1 meanwhile, for the whole process. Where other
/// code of the process changes that count during a call, the count found after it may be either one.
///
/// CK_BLAS_UNAVAILABLE in a build without one.
CK_API ck_status ck_matmul_blas(const ck_matmul_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
