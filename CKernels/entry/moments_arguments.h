// moments_arguments.h: moments as arguments.

#ifndef CK_MOMENTS_ARGUMENTS_H
#define CK_MOMENTS_ARGUMENTS_H

#include "ck_moments.h"
#include "entry/arguments.h"

static inline ck_area ck_moments_area(const ck_moments *base, int64_t count) {
    int64_t words = (int64_t)(sizeof *base / 8);
    return (ck_area){base, 1, words * count, words * count, 8};
}

/// Moments that an output follows from.
static inline ck_status ck_check_given_moments(const ck_moments *moments, int64_t count) {
    CK_CHECK(ck_check_pointer(ck_moments_area(moments, count)));
    for (int64_t i = 0; i < count; i++)
        if (moments[i].count < 1 || moments[i].m2 < 0.0) return CK_BAD_MOMENTS;
    return CK_OK;
}

/// Rows by moments that stay on one thread: some KiB.
static inline int64_t ck_rows_together(int64_t cols) { return 1 + 4096 / cols; }
static inline int64_t ck_row_blocks(int64_t rows, int64_t cols) {
    int64_t size = ck_rows_together(cols);
    return rows / size + (rows % size != 0);
}

#endif
