// layer_norm_row.h: the output pass of layer normalization, and the rare row that needs scaling.

/// Rows of a group, forward and backward: they share what is loaded of weight, bias and their sums.
#define TOGETHER 4

/// What a pass over the columns needs besides the row. A NULL weight is ones, a NULL bias zeros.
typedef struct affine {
    const float *weight, *bias;
} affine;

V_FN vf weight_left(affine a, int64_t i, int64_t left) { return a.weight ? load_left(a.weight + i, left) : v_set(1.0f); }
V_FN vf bias_left(affine a, int64_t i, int64_t left) { return a.bias ? load_left(a.bias + i, left) : v_zero(); }

/// 64 columns of output from column i on.
V_FN void normalize_block(float *y, const float *x, affine a, int64_t i, int64_t left, moments r, int streaming, scaling s) {
    for (int k = 0; k < 4; k++, i += 16, left -= 16) {
        vf d = centre(load_left(x + i, left), v_set(r.m), s);
        vf normalized = v_mul(v_sub(d, v_set(r.delta)), v_set(r.rstd));
        vf out = v_fma(normalized, weight_left(a, i, left), bias_left(a, i, left));
        if (streaming && left >= 16) v_stream(y + i, out);
        else store_left(y + i, left, out);
    }
}

/// Columns begin ..< end of a row of output.
V_FN void normalize_piece(float *y, const float *x, affine a, int64_t begin, int64_t end, moments r, int streaming,
                          scaling s, const float *ahead) {
    int64_t i = begin;
    for (; i + BLOCK <= end; i += BLOCK) {
        fetch_block(ahead ? ahead + i : 0);
        normalize_block(y, x, a, i, BLOCK, r, streaming, s);
    }
    if (i < end) normalize_block(y, x, a, i, end - i, r, streaming, s);
}

/// Saves what the caller asked for: the mean as a rounded float and what the rounding lost.
V_FN void save_moments(const ck_layer_norm_args *a, int64_t row, moments r, float scale) {
    float mean = r.m + r.delta;
    if (a->mean) a->mean[row] = mean / scale;
    if (a->mean_low) a->mean_low[row] = (r.delta - (mean - r.m)) / scale;
    if (a->rstd) a->rstd[row] = r.saved_rstd;
}

/// The rare branch: a row whose squares leave binary32's range, or that has no spread, or a NaN.
static __attribute__((noinline)) void CK_JOIN(layer_norm_scaled_row, CK_SUFFIX)(const ck_layer_norm_args *a, int64_t row) {
    const float *x = a->x + row * a->x_stride;
    scaling s = {1, choose_scale(x, a->cols)};
    moments r = scaled_moments(x, a->cols, a->epsilon, s);
    save_moments(a, row, r, s.by);
    normalize_piece(a->y + row * a->y_stride, x, (affine){a->weight, a->bias}, 0, a->cols, r, 0, s, 0);
}
