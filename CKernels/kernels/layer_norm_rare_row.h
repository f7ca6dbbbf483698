// layer_norm_rare_row.h: the rows that the hot loops pass by: whose sample was far from their mean, whose
// squares leave binary32's range, that have no spread, or that hold a NaN or an infinity.

/// 2^-e for a row whose largest magnitude is in [2^e, 2^(e+1)), with |e| <= 126; 1 for a row of zeros
/// and for one with an infinity or a NaN. Multiplying by it is exact but for elements too small to matter.
V_FN float choose_scale(const float *x, int64_t n) {
    vf largest = v_zero();
    for (int64_t i = 0; i < n; i += 16) largest = v_magnitude(largest, load_left(x + i, n - i));
    float magnitude = v_fold_magnitude(largest);
    uint32_t bits;
    memcpy(&bits, &magnitude, 4);
    if (bits == 0 || bits >= 0x7f800000) return 1.0f;
    int e = (int)(bits >> 23) - 127;
    e = e < -126 ? -126 : e > 126 ? 126 : e;
    return ldexpf(1.0f, -e);
}

/// centre and delta (in `r`) and v of x * s: from the sample's mean, and if that was far off, again from the
/// mean that this gave.
V_FN float careful_variance(moments *r, const float *x, int64_t n, scaling s) {
    float v;
    r->centre = sample_mean(x, n, s);
    for (int again = 1;; again--) {
        deviations total = row_deviations(x, n, r->centre, s, 0);
        r->delta = finish_delta(&total, n);
        v = finish_variance(&total, n, r->delta);
        if (!again || !is_far(r->delta, v)) return v;
        r->centre += r->delta;
    }
}

/// q = v + epsilon s^2 is formed in binary64, whose range holds s^2; a row without spread and without
/// epsilon has rstd 0. On the scaled row rstd stays finite, so that 0 * rstd is 0.
V_FN moments scaled_moments(const float *x, int64_t n, float epsilon, scaling s) {
    moments r;
    float v = careful_variance(&r, x, n, s);
    double q = (double)v + (double)epsilon * s.by * s.by;
    double root = q == 0.0 ? 0.0 : 1.0 / sqrt(q);
    r.rstd = (float)(root > 0x1.fffffep127 ? 0x1.fffffep127 : root);
    r.saved_rstd = (float)(s.by * root);
    return r;
}

static __attribute__((noinline)) void CK_JOIN(layer_norm_rare_row, CK_SUFFIX)(const ck_layer_norm_args *a, int64_t row) {
    const float *x = a->x + row * a->x_stride;
    scaling s = {1, 1.0f};
    moments r;
    float q = careful_variance(&r, x, a->cols, s) + a->epsilon;
    if (is_ordinary(q)) {
        r.rstd = r.saved_rstd = 1.0f / s_sqrt(q);
    } else {
        s.by = choose_scale(x, a->cols);
        r = scaled_moments(x, a->cols, a->epsilon, s);
    }
    save_moments(a, row, r, s.by);
    normalize_row(a, row, r, s, NO_FETCHING);
}
