// attention_keys.h: rows of queries, keys and values as the products want them: as floats in whole vectors, or turned,
// so that the lanes of a vector are keys.

/// Rows of one head of a tensor.
typedef struct row_source {
    source at;  // row 0, or page 0
    ck_strides strides;
    const int32_t *pages;  // NULL: rows follow each other
    int64_t page_size, width;
} row_source;

V_FN source row_of(const row_source *s, int64_t j) {
    if (!s->pages) return source_at(s->at, j * s->strides.row);
    return source_at(s->at, s->pages[j / s->page_size] * s->strides.batch + j % s->page_size * s->strides.row);
}

/// Rows of floats in whole vectors.
typedef struct float_rows {
    const float *at;
    int64_t pitch, count, width;  // width: a multiple of 16
    int is_finite;                // -1: not yet known
} float_rows;

/// Up to 16 rows from `first` on: to[pitch d + r] is element d of row r, +0 where there is none.
V_FN void turn_16_rows(const row_source *s, int64_t first, int64_t count, float *to, ck_type type, int64_t pitch) {
    const float *rows[16], *widened_rows[16];
    float widened[16 * 16];
    for (int r = 0; r < 16; r++) {
        rows[r] = r < count ? row_of(s, first + r).at : CK_JOIN(zeros, CK_SUFFIX);
        widened_rows[r] = widened + 16 * r;
    }
    for (int64_t d = 0; d < s->width; d += 16) {
        int64_t left = s->width - d;
        if (type == CK_F32 && left >= 16) {
            v_turn(rows, d, to + d * pitch, pitch);
            continue;
        }
        for (int r = 0; r < 16; r++) v_store(widened + 16 * r, read_left((source){rows[r], type}, d, left));
        v_turn(widened_rows, 0, to + d * pitch, pitch);
    }
}

/// 64 rows, of which `count` are there.
V_SLOW void CK_JOIN(turn_rows, CK_SUFFIX)(const row_source *s, int64_t first, int64_t count, float *to) {
    for (int64_t k = 0; k < BLOCK; k += 16, to += 16) {
        if (s->at.type == CK_F32)
            turn_16_rows(s, first + k, count - k, to, CK_F32, BLOCK);
        else if (s->at.type == CK_BF16)
            turn_16_rows(s, first + k, count - k, to, CK_BF16, BLOCK);
        else
            turn_16_rows(s, first + k, count - k, to, CK_F16, BLOCK);
    }
}

V_FN void widen_row(source row, int64_t width, float *to) {
    for (int64_t d = 0; d < width; d += 16) v_store(to + d, read_left(row, d, width - d));
}

/// `count` rows where they are, or in `space`.
V_SLOW float_rows CK_JOIN(widen_rows, CK_SUFFIX)(const row_source *s, int64_t first, int64_t count, float *space) {
    int64_t pitch = ck_whole_vectors(s->width);
    int is_even = !s->pages || first % s->page_size + count <= s->page_size;
    if (s->at.type == CK_F32 && pitch == s->width && is_even)
        return (float_rows){row_of(s, first).at, s->strides.row, count, pitch, -1};
    for (int64_t k = 0; k < count; k++) widen_row(row_of(s, first + k), s->width, space + k * pitch);
    return (float_rows){space, pitch, count, pitch, -1};
}

V_SLOW int CK_JOIN(are_finite, CK_SUFFIX)(float_rows *r) {
    if (r->is_finite >= 0) return r->is_finite;
    vf largest = v_zero();
    for (int64_t k = 0; k < r->count; k++)
        for (int64_t d = 0; d < r->width; d += 16) largest = v_magnitude(largest, v_load(r->at + k * r->pitch + d));
    r->is_finite = v_fold_magnitude(largest) < INFINITY;
    return r->is_finite;
}
