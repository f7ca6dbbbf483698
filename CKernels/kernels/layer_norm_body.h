// layer_norm_body.h: y = ((x - m) - delta) * rstd * weight + bias for a range of rows.
//
// A row is read three times: for its sum, its deviations, its output. Where the output stays in the caches, the
// next row is summed while this one is written. Where it is streamed past them, rows are written in groups, which
// take turns on pieces of weight and bias that stay in the first cache level.
// Bound: in the caches by loads (1 + 1 + 3 a vector) and 5 additions; beyond them by bandwidth, for which
// every pass asks for the group after this one (a prototype at 4096x4096 reached 79 % of the copy when each line
// was asked for once, 88 % when every pass did; Zen 4, 2026-11-24).

/// Columns of weight and bias that they take turns on: 4 KiB.
#define PIECE 512

/// Moments of a row whose sum is known; 0 if the row needs scaling.
V_FN int row_moments(const float *x, int64_t n, float epsilon, float sum_of_x, moments *r, const float *ahead) {
    vf sum, squares;
    r->m = sum_of_x / (float)n;
    row_deviations(x, n, v_set(r->m), &sum, &squares, UNSCALED, ahead);
    r->delta = v_fold_add(sum) / (float)n;
    float v = s_fma(-r->delta, r->delta, v_fold_add(squares) / (float)n);
    float q = (v < 0.0f ? 0.0f : v) + epsilon;
    r->rstd = r->saved_rstd = 1.0f / s_sqrt(q);
    return is_ordinary(q);
}

/// Writes a row and returns the sum of the next one.
V_FN float normalize_row_and_sum(float *y, const float *x, affine a, const float *next, int64_t n, moments r) {
    lanes total = lanes_zero();
    for (int64_t c = 0; c < n; c += CHUNK) {
        lanes part = lanes_zero();
        int64_t end = lesser(c + CHUNK, n), i = c;
        for (; i + BLOCK <= end; i += BLOCK) {
            normalize_block(y, x, a, i, BLOCK, r, 0, UNSCALED);
            sum_block(&part, next + i, BLOCK, UNSCALED);
        }
        if (i < end) {
            normalize_block(y, x, a, i, end - i, r, 0, UNSCALED);
            sum_block(&part, next + i, end - i, UNSCALED);
        }
        lanes_add(&total, &part);
    }
    return v_fold_add(lanes_fold_to_vector(&total));
}

/// Rows whose output stays in the caches: the next row is summed while this one is written, so that loads
/// from afar overlap the stores and the chain of a row's statistics.
V_FN void layer_norm_cached(const ck_layer_norm_args *a, affine affine, int64_t begin, int64_t end) {
    int64_t n = a->cols;
    float sum = begin < end ? v_fold_add(row_sum(a->x + begin * a->x_stride, n, UNSCALED, 0)) : 0.0f;
    for (int64_t row = begin; row < end; row++) {
        const float *x = a->x + row * a->x_stride, *next = x + a->x_stride;
        float *y = a->y + row * a->y_stride;
        moments r;
        int ordinary = row + 2 < end ? row_moments(x, n, a->epsilon, sum, &r, next + a->x_stride)
                                     : row_moments(x, n, a->epsilon, sum, &r, 0);
        if (ordinary) save_moments(a, row, r, 1.0f);
        else CK_JOIN(layer_norm_scaled_row, CK_SUFFIX)(a, row);
        if (ordinary && row + 1 < end) sum = normalize_row_and_sum(y, x, affine, next, n, r);
        else if (ordinary) normalize_piece(y, x, affine, 0, n, r, 0, UNSCALED, 0);
        else if (row + 1 < end) sum = v_fold_add(row_sum(next, n, UNSCALED, 0));
    }
}

/// `count` rows from `begin` on, past the caches. `fetch`: whether as many rows follow, to be asked for meanwhile.
V_FN void layer_norm_group(const ck_layer_norm_args *a, affine affine, int64_t begin, int count, int fetch) {
    const float *x = a->x + begin * a->x_stride, *ahead = x + count * a->x_stride;
    int64_t n = a->cols, stride = a->x_stride;
    moments r[TOGETHER];
    int ordinary[TOGETHER];
    for (int row = 0; row < count; row++) {
        const float *ahead_row = fetch ? ahead + row * stride : 0;
        float sum = v_fold_add(row_sum(x + row * stride, n, UNSCALED, ahead_row));
        ordinary[row] = row_moments(x + row * stride, n, a->epsilon, sum, &r[row], ahead_row);
        if (ordinary[row]) save_moments(a, begin + row, r[row], 1.0f);
        else CK_JOIN(layer_norm_scaled_row, CK_SUFFIX)(a, begin + row);
    }
    for (int64_t c = 0; c < n; c += PIECE)
        for (int row = 0; row < count; row++)
            if (ordinary[row])
                normalize_piece(a->y + (begin + row) * a->y_stride, x + row * stride, affine, c, lesser(c + PIECE, n),
                                r[row], 1, UNSCALED, fetch ? ahead + row * stride : 0);
}

V_FN void layer_norm_streamed(const ck_layer_norm_args *a, affine affine, int64_t begin, int64_t end) {
    for (; begin + 2 * TOGETHER <= end; begin += TOGETHER) layer_norm_group(a, affine, begin, TOGETHER, 1);
    for (; begin < end; begin += TOGETHER) layer_norm_group(a, affine, begin, (int)lesser(TOGETHER, end - begin), 0);
}

V_FN void layer_norm_rows(const ck_layer_norm_args *a, affine affine, int64_t begin, int64_t end, int streaming) {
    if (a->cols <= SHORT) layer_norm_short(a, affine, begin, end, streaming);
    else if (streaming) layer_norm_streamed(a, affine, begin, end);
    else layer_norm_cached(a, affine, begin, end);
    if (streaming) v_stream_end();
}

CK_KERNEL(layer_norm)(const ck_layer_norm_args *a, int64_t begin, int64_t end, int streaming) {
    affine both = {a->weight, a->bias};
    if (!both.weight || !both.bias) layer_norm_rows(a, both, begin, end, 0);
    else if (streaming) layer_norm_rows(a, both, begin, end, 1);
    else layer_norm_rows(a, both, begin, end, 0);
}
