// row_moments_body.h: moments of rows, and rows normalized by given moments (ck_moments.h):
//
//     y = fma((fma(x, scale, -centre) - low) * factor, weight, bias)
//
// with the rule of a set of channel_coefficients_body.h. Bound: bandwidth.

CK_KERNEL(row_moments)(const ck_row_moments_args *a, int64_t begin, int64_t end) {
    source x = {a->x, a->type};
    for (int64_t row = begin; row < end; row++)
        a->moments[row] = CK_JOIN(run_moments, CK_SUFFIX)(source_at(x, row * a->x_stride), a->cols);
}

/// A set's rule in all lanes.
V_FN xhat_rule xhat_rule_of(set_rule rule) {
    return (xhat_rule){v_set(rule.scale), v_set(rule.centre), v_set(rule.low), v_set(bounded(rule.factor))};
}

V_FN void normalize_columns_by(const ck_normalize_rows_args *a, xhat_rule r, source x, target y, int64_t i,
                               int64_t left, int streaming) {
    vf xhat = xhat_by_rule(read_left(x, i, left), r);
    vf weight = a->weight ? load_left(a->weight + i, left) : v_set(1.0f);
    vf bias = a->bias ? load_left(a->bias + i, left) : v_zero();
    write_left(y, i, left, v_fma(xhat, weight, bias), streaming);
}

V_FN void normalize_rows_by(ck_type type, const ck_normalize_rows_args *a, int64_t begin, int64_t end, int streaming) {
    for (int64_t row = begin; row < end; row++) {
        xhat_rule r = xhat_rule_of(set_rule_of(a->moments[row], a->epsilon));
        source x = source_at((source){a->x, type}, row * a->x_stride);
        target y = target_at((target){a->y, type}, row * a->y_stride);
        int64_t i = 0, whole = in_whole(16, a->cols);
        for (; i < whole; i += 16) normalize_columns_by(a, r, x, y, i, 16, streaming);
        if (i < a->cols) normalize_columns_by(a, r, x, y, i, a->cols - i, 0);
    }
}

CK_KERNEL(normalize_rows)(const ck_normalize_rows_args *a, int64_t begin, int64_t end, int streaming) {
    if (streaming)
        BY_TYPE(a->type, normalize_rows_by, a, begin, end, 1);
    else
        BY_TYPE(a->type, normalize_rows_by, a, begin, end, 0);
    if (streaming) v_stream_end();
}
