// offsets.h: the checks of what cuts rows into segments.

#ifndef CK_OFFSETS_H
#define CK_OFFSETS_H

#include "entry/arguments.h"

static inline ck_area ck_offsets_area(const int64_t *offsets, int64_t segments) {
    return (ck_area){offsets, 1, segments + 1, segments + 1, (int64_t)sizeof *offsets};
}

/// Segments, at least one, and room for their offsets and for a statistic of each segment of each row.
static inline ck_status ck_check_statistics_shape(int64_t rows, int64_t segments) {
    int64_t bytes;
    if (segments <= 0) return CK_BAD_SHAPE;
    if (segments > INT64_MAX / 16 || __builtin_mul_overflow(rows, segments, &bytes) || bytes > INT64_MAX / 8)
        return CK_SIZE_OVERFLOW;
    return CK_OK;
}

/// offsets[segments + 1]: from 0, never decreasing, to `total`.
static inline ck_status ck_check_offsets(const int64_t *offsets, int64_t segments, int64_t total) {
    CK_CHECK(ck_check_pointer(ck_offsets_area(offsets, segments)));
    if (offsets[0] != 0 || offsets[segments] != total) return CK_BAD_OFFSETS;
    for (int64_t s = 0; s < segments; s++)
        if (offsets[s + 1] < offsets[s]) return CK_BAD_OFFSETS;
    return CK_OK;
}

#endif
