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

/// The block of rows from `first` on, but for up to three at its end; none if it begins behind the last row or lies in
/// several pages.
V_FN rows_ahead block_ahead(const row_source *s, int64_t first, int64_t end) {
    int64_t rows = lesser(BLOCK, end - first) / 4, size = size_of(s->at.type), pitch = s->strides.row * size;
    if (rows <= 0 || (s->pages && first % s->page_size + 4 * rows > s->page_size)) return (rows_ahead){0};
    return (rows_ahead){row_of(s, first).at, rows, rows * pitch, pitch, s->width * size, 16 * size, 0};
}

/// Rows of floats in whole vectors.
typedef struct float_rows {
    const float *at;
    int64_t pitch, count, width;  // width: a multiple of 16
    int is_finite;                // -1: not yet known
    int is_paired;                // two rows in one: product_tile.h
} float_rows;

/// Into c: the product of rows that are yet to be named with these.
V_FN product product_with(const float_rows *b, float *c, int64_t c_pitch, int to_sums) {
    return (product){
        .c = c,
        .c_pitch = c_pitch,
        .b = b->at,
        .b_pitch = b->pitch,
        .depth = b->count,
        .columns = b->width,
        .to_sums = to_sums,
        .is_paired = b->is_paired,
    };
}

/// Up to 16 rows from `first` on: to[pitch d + r] is element d of row r, +0 where there is none.
V_FN void turn_16_rows(const row_source *s, int64_t first, int64_t count, float *to, ck_type type, int64_t pitch,
                       rows_ahead *ahead) {
    const float *rows[16], *widened_rows[16];
    float widened[16 * 16];
    for (int r = 0; r < 16; r++) {
        rows[r] = r < count ? row_of(s, first + r).at : CK_JOIN(zeros, CK_SUFFIX);
        widened_rows[r] = widened + 16 * r;
    }
    for (int64_t d = 0; d < s->width; d += 16) {
        int64_t left = s->width - d;
        for (int r = 0; r < 16; r += 4) fetch_next(ahead, 0);
        if (type == CK_F32 && left >= 16) {
            v_turn(rows, d, to + d * pitch, pitch);
            continue;
        }
        for (int r = 0; r < 16; r++) v_store(widened + 16 * r, read_left((source){rows[r], type}, d, left));
        v_turn(widened_rows, 0, to + d * pitch, pitch);
    }
}

/// 64 rows from `first` on, if there are so many before `end`; the next ones are asked for.
V_SLOW void CK_JOIN(turn_rows, CK_SUFFIX)(const row_source *s, int64_t first, int64_t end, float *to) {
    rows_ahead ahead = block_ahead(s, first + BLOCK, end);
    for (int64_t k = first; k < first + BLOCK; k += 16, to += 16) {
        if (s->at.type == CK_F32)
            turn_16_rows(s, k, end - k, to, CK_F32, BLOCK, &ahead);
        else if (s->at.type == CK_BF16)
            turn_16_rows(s, k, end - k, to, CK_BF16, BLOCK, &ahead);
        else
            turn_16_rows(s, k, end - k, to, CK_F16, BLOCK, &ahead);
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
        return (float_rows){row_of(s, first).at, s->strides.row, count, pitch, -1, 0};
    for (int64_t k = 0; k < count; k++) widen_row(row_of(s, first + k), s->width, space + k * pitch);
    return (float_rows){space, pitch, count, pitch, -1, 0};
}

V_SLOW int CK_JOIN(are_finite, CK_SUFFIX)(float_rows *r) {
    if (r->is_finite >= 0) return r->is_finite;
    vf largest = v_zero();
    for (int64_t k = 0; k < r->count; k++)
        for (int64_t d = 0; d < r->width; d += 16) largest = v_magnitude(largest, v_load(r->at + k * r->pitch + d));
    r->is_finite = v_fold_magnitude(largest) < INFINITY;
    return r->is_finite;
}

/// Factors of pairs from here on, and values from there on that meet rounded weights, have products whose sums are
/// never subnormal: they are multiples of 2^-126.
#define LEAST_FACTOR 0x1p-56f
#define LEAST_VALUE 0x1p-72f

/// Whether all numbers are 0 or have a magnitude from `least` on, below infinity.
V_FN int are_from(const float_rows *r, float least) {
    vf largest = v_zero(), small = v_zero();
    for (int64_t k = 0; k < r->count; k++)
        for (int64_t d = 0; d < r->width; d += 16) {
            vf a = v_abs(v_load(r->at + k * r->pitch + d));
            largest = v_magnitude(largest, a);
            small = v_magnitude(small, v_where_less(a, v_set(least), a, v_zero()));
        }
    return v_fold_magnitude(largest) < INFINITY && v_fold_magnitude(small) == 0.0f;
}

/// Two rows each of bfloat16 numbers turn into one of pairs, where `rows` has them in `space`; if that is safe.
V_SLOW void CK_JOIN(pair_rows, CK_SUFFIX)(float_rows *rows, float *space, float least) {
    if (!are_from(rows, least)) return;
    for (int64_t k = 0; k < rows->count; k += 2)
        for (int64_t d = 0; d < rows->width; d += 16) {
            vf second = k + 1 < rows->count ? v_load(space + (k + 1) * rows->pitch + d) : v_zero();
            v_store(space + k / 2 * rows->pitch + d, v_pair_bf16(v_load(space + k * rows->pitch + d), second));
        }
    rows->count = (rows->count + 1) / 2;
    rows->is_paired = 1;
    rows->is_finite = 1;
}

/// 32 neighbours in a row of bfloat16 numbers, or of rounded weights, as pairs; none is subnormal.
V_FN vf pairs_of_row(vf first, vf second) {
    return v_swap_pairs(v_pairs_of(v_round_bf16_normal(first), v_round_bf16_normal(second)));
}

/// A row of bfloat16 numbers as pairs. `width` is a multiple of 16.
V_FN void pair_row(const float *from, int64_t width, float *to) {
    for (int64_t d = 0; d < width; d += 32)
        v_store(to + d / 2, pairs_of_row(v_load(from + d), d + 16 < width ? v_load(from + d + 16) : v_zero()));
}
