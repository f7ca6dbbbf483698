// norm_rare_row.h: the rows that the hot loops pass by: whose sample was far from their mean, whose
// squares leave binary32's range, that have no spread, or that hold a NaN or an infinity.

/// 2^-e for a row whose largest magnitude is in [2^e, 2^(e+1)), with |e| <= 126; 1 for a row of zeros
/// and for one with an infinity or a NaN. Multiplying by it is exact but for elements too small to matter.
V_FN float scale_of_magnitude(float largest) {
    uint32_t bits;
    memcpy(&bits, &largest, 4);
    if (bits == 0 || bits >= 0x7f800000) return 1.0f;
    int e = (int)(bits >> 23) - 127;
    e = e < -126 ? -126 : e > 126 ? 126 : e;
    return ldexpf(1.0f, -e);
}

V_FN float choose_scale(const norm_row *row, int64_t n, norm_kind kind) {
    vf largest = v_zero();
    for (int64_t i = 0; i < n; i += 16)
        largest = v_magnitude(largest, keep_left(n - i, input_anywhere(row, i, n - i, kind)));
    return scale_of_magnitude(v_fold_magnitude(largest));
}

/// centre and delta (in `r`) and v of x * s: from the sample's mean, and if that was far off, again from the
/// mean that this gave.
V_FN float careful_variance(moments *r, const norm_row *row, int64_t n, scaling s, int is_centred, norm_kind kind) {
    float v;
    r->centre = is_centred ? sample_mean(row, n, s, kind) : 0.0f;
    for (int again = 1;; again--) {
        deviations total = row_deviations(row, n, r->centre, s, 0, kind);
        r->delta = finish_delta(&total, n, is_centred);
        v = finish_variance(&total, n, r->delta);
        if (!again || !is_far(r->delta, v)) return v;
        r->centre += r->delta;
    }
}

/// q = v + epsilon s^2 is formed in binary64, whose range holds s^2; a row without spread and without
/// epsilon has rstd 0. On the scaled row rstd stays finite, so that 0 * rstd is 0. Only an infinity in a row makes q
/// infinite (for RMSNorm; for LayerNorm NaN): rstd is NaN, and with it the whole row.
V_FN moments scaled_moments(const norm_row *row, int64_t n, float epsilon, scaling s, int is_centred, norm_kind kind) {
    moments r;
    float v = careful_variance(&r, row, n, s, is_centred, kind);
    double q = (double)v + (double)epsilon * s.by * s.by;
    double root = q == 0.0 ? 0.0 : q == (double)INFINITY ? (double)NAN : 1.0 / sqrt(q);
    r.rstd = (float)(root > 0x1.fffffep127 ? 0x1.fffffep127 : root);
    r.saved_rstd = (float)(s.by * root);
    return r;
}

/// The moments of any row, and the scale that they are of.
V_FN moments careful_moments(const norm_row *row, int64_t n, float epsilon, scaling *s, int is_centred,
                             norm_kind kind) {
    moments r;
    *s = (scaling){1, 1.0f};
    float q = careful_variance(&r, row, n, *s, is_centred, kind) + epsilon;
    if (is_ordinary(q)) {
        r.rstd = r.saved_rstd = 1.0f / s_sqrt(q);
        return r;
    }
    s->by = choose_scale(row, n, kind);
    return scaled_moments(row, n, epsilon, *s, is_centred, kind);
}

V_SLOW void CK_JOIN(norm_rare_row, CK_SUFFIX)(norm_call *call, int64_t row, norm_kind kind) {
    scaling s;
    norm_row x = row_to_write(call, row, kind);
    moments r = careful_moments(&x, call->args->cols, call->args->epsilon, &s, call->is_centred, kind);
    save_moments(call->args, row, r, s.by);
    write_row(call, row, r, s, NO_FETCHING, kind);
}
