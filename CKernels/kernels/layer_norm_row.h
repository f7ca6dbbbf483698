// layer_norm_row.h: the output pass of layer normalization.

#define ONES_16 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define ONES_64 ONES_16, ONES_16, ONES_16, ONES_16
#define ONES_256 ONES_64, ONES_64, ONES_64, ONES_64
static const float CK_JOIN(ones, CK_SUFFIX)[CHUNK] = {ONES_256, ONES_256, ONES_256, ONES_256};
static const float CK_JOIN(zeros, CK_SUFFIX)[CHUNK];

/// Weight and bias of a chunk of columns.
typedef struct affine {
    const float *weight, *bias;
} affine;

/// Those of the chunk that begins at `column`; ones and zeros in place of what is absent.
V_FN affine affine_at(const float *weight, const float *bias, int64_t column) {
    return (affine){weight ? weight + column : CK_JOIN(ones, CK_SUFFIX), bias ? bias + column : CK_JOIN(zeros, CK_SUFFIX)};
}

/// 64 columns of output (fewer if `left` says so).
V_FN void normalize_block(float *y, const float *x, affine a, int64_t left, moments r, int streaming, scaling s) {
    for (int k = 0; k < 4; k++, left -= 16) {
        vf d = centred(load_left(x + 16 * k, left), v_set(r.centre), s);
        vf normalized = v_mul(v_sub(d, v_set(r.delta)), v_set(r.rstd));
        vf out = v_fma(normalized, load_left(a.weight + 16 * k, left), load_left(a.bias + 16 * k, left));
        if (streaming && left >= 16) v_stream(y + 16 * k, out);
        else store_left(y + 16 * k, left, out);
    }
}

/// Whether to ask, while a row is written, for what is read and written some rows on.
typedef struct fetching {
    int x, y;
} fetching;

#define NO_FETCHING ((fetching){0, 0})

/// Up to CHUNK columns of output.
V_FN void normalize_chunk(float *y, const float *x, affine a, int64_t n, moments r, int streaming, scaling s, fetching f) {
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        if (f.x) fetch_block(x + i + 4 * CHUNK);
        if (f.y) fetch_block_to_write(y + i + 2 * CHUNK);
        normalize_block(y + i, x + i, (affine){a.weight + i, a.bias + i}, BLOCK, r, streaming, s);
    }
    if (i < n) normalize_block(y + i, x + i, (affine){a.weight + i, a.bias + i}, n - i, r, streaming, s);
}

/// A row of output.
V_FN void normalize_row(const ck_layer_norm_args *a, int64_t row, moments r, scaling s, fetching f) {
    const float *x = a->x + row * a->x_stride;
    float *y = a->y + row * a->y_stride;
    for (int64_t c = 0; c < a->cols; c += CHUNK)
        normalize_chunk(y + c, x + c, affine_at(a->weight, a->bias, c), lesser(CHUNK, a->cols - c), r, 0, s, f);
}

/// Saves what the caller asked for: the mean as a rounded float and what the rounding lost.
V_FN void save_moments(const ck_layer_norm_args *a, int64_t row, moments r, float scale) {
    float mean = r.centre + r.delta;
    if (a->mean) a->mean[row] = mean / scale;
    if (a->mean_low) a->mean_low[row] = (r.delta - (mean - r.centre)) / scale;
    if (a->rstd) a->rstd[row] = r.saved_rstd;
}
