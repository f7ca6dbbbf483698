// row_blocks.h: how sums over rows are cut into partial sums. Part of the arithmetic contract: it depends on the
// shape alone.

#ifndef CK_ROW_BLOCKS_H
#define CK_ROW_BLOCKS_H

#include <stddef.h>

#include "entry/arguments.h"

/// Rows in one partial sum: at most 64 blocks, of at least 16 rows and a multiple of 4.
static inline int64_t ck_rows_per_sum(int64_t rows) {
    int64_t share = rows / 64 + (rows % 64 != 0);
    return share <= 16 ? 16 : (share + 3) / 4 * 4;
}
static inline int64_t ck_sum_count(int64_t rows) {
    int64_t size = ck_rows_per_sum(rows);
    return rows / size + (rows % size != 0);
}

/// Floats from one partial sum to the next: whole cache lines, so that threads do not share one.
static inline int64_t ck_sum_stride(int64_t cols) { return (cols + 15) / 16 * 16; }

/// Bytes for the partial sums of `sums` sums over rows; 0 without rows, and for sizes that are refused.
static inline size_t ck_sums_workspace(int64_t rows, int64_t cols, int64_t sums) {
    int64_t bytes;
    if (ck_check_shape(rows, cols, cols) != CK_OK || rows == 0 || cols > INT64_MAX / 64) return 0;
    if (__builtin_mul_overflow(sums * ck_sum_count(rows) * (int64_t)sizeof(float), ck_sum_stride(cols), &bytes))
        return 0;
    return (size_t)bytes;
}

#endif
