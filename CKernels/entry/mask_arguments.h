// mask_arguments.h: the checks of a ck_mask, for every operator that takes one.

#ifndef CK_MASK_ARGUMENTS_H
#define CK_MASK_ARGUMENTS_H

#include "entry/strided_rows.h"

/// Of the scores that a mask is for.
typedef struct ck_score_shape {
    int64_t batch, heads, queries, keys;
} ck_score_shape;

/// Positions and windows are within this, so that sums of them fit.
#define CK_FARTHEST_KEY (INT64_MAX / 4)

static inline ck_grid ck_score_grid(const void *base, int64_t size, ck_score_shape s, ck_strides strides) {
    return (ck_grid){base, size, s.batch, s.heads, s.queries, s.keys, strides};
}

enum { CK_MASK_AREAS = 6 };

/// The memory that a mask reads, for checks of overlaps. The mask has been checked.
static inline void ck_mask_areas(const ck_mask *m, ck_score_shape s, ck_area *areas) {
    ck_score_shape rows = s;
    rows.keys = 1;
    areas[0] = ck_grid_area(ck_score_grid(m->bias, ck_size_of(m->bias_type), s, m->bias_strides));
    areas[1] = ck_grid_area(ck_score_grid(m->boolean, 1, s, m->boolean_strides));
    areas[2] = ck_grid_area(ck_score_grid(m->lengths, (int64_t)sizeof *m->lengths, rows, m->length_strides));
    areas[3] = ck_vector_area(m->slopes, CK_F32, s.heads);
    areas[4] = ck_vector_area(m->sinks, CK_F32, s.heads);
    areas[5] = (ck_area){m->offsets, 1, s.batch, s.batch, (int64_t)sizeof *m->offsets};
}

static inline ck_status ck_check_lengths(const ck_mask *m, ck_score_shape s) {
    for (int64_t b = 0; b < (m->length_strides.batch ? s.batch : 1); b++)
        for (int64_t h = 0; h < (m->length_strides.head ? s.heads : 1); h++)
            for (int64_t q = 0; q < (m->length_strides.row ? s.queries : 1); q++) {
                int64_t length =
                    m->lengths[b * m->length_strides.batch + h * m->length_strides.head + q * m->length_strides.row];
                if (length < 0 || length > s.keys) return CK_BAD_LENGTHS;
            }
    return CK_OK;
}

static inline int ck_is_position(int64_t p) { return p >= -CK_FARTHEST_KEY && p <= CK_FARTHEST_KEY; }

/// Everything about a mask for scores whose shape has been checked and has rows.
static inline ck_status ck_check_mask(const ck_mask *m, ck_score_shape s) {
    ck_score_shape rows = s;
    rows.keys = 1;
    if (m->softcap != 0.0f && !(m->softcap >= 0x1p-126f && m->softcap <= 0x1p126f)) return CK_BAD_PARAMETER;
    if (!ck_is_position(m->offset)) return CK_BAD_PARAMETER;
    if (m->windowed && (m->window_left < -1 || m->window_right < -1 || m->window_left > CK_FARTHEST_KEY ||
                        m->window_right > CK_FARTHEST_KEY))
        return CK_BAD_PARAMETER;
    if (m->bias) {
        CK_CHECK(ck_check_type(m->bias_type));
        CK_CHECK(ck_check_grid(ck_score_grid(m->bias, 4, s, m->bias_strides)));
    }
    if (m->boolean) CK_CHECK(ck_check_grid(ck_score_grid(m->boolean, 1, s, m->boolean_strides)));
    if (m->lengths) CK_CHECK(ck_check_grid(ck_score_grid(m->lengths, 8, rows, m->length_strides)));
    ck_area areas[CK_MASK_AREAS];
    ck_mask_areas(m, s, areas);
    for (int i = 0; i < CK_MASK_AREAS; i++) CK_CHECK(ck_check_optional(areas[i]));
    for (int64_t b = 0; m->offsets && b < s.batch; b++)
        if (!ck_is_position(m->offsets[b])) return CK_BAD_PARAMETER;
    return m->lengths ? ck_check_lengths(m, s) : CK_OK;
}

#endif
