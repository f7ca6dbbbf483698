// row_moments_backward_body.h: gradients of rows that were normalized by given moments (ck_moments_backward.h). With
// the rule of a set, and c the mean of a sample of dy * weight:
//
//     xhat = (fma(x, scale, -centre) - low) * factor,   t = fma(dy, weight, -c)
//     gradient = c + sum(t) / n,   normalized = sum(xhat) / n,   comoment = sum(t * xhat) - sum(t) * normalized
//     dx = fma(-xhat, h, fma(dy, weight, -mean) - mean_low) * rstd
//
// where mean + mean_low is the merged `gradient` and h the merged comoment / n. Bound: bandwidth.

/// The mean of a sample of dy * weight.
V_FN float weighted_sample_mean(source dy, const float *weight, int64_t n) {
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k), left = n > BLOCK ? 16 : n - i;
        vf a = read_left(dy, i, left);
        sample.v[k] = weight ? v_mul(a, load_left(weight + i, left)) : a;
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

V_FN void find_gradient_moments(ck_type type, const ck_row_gradient_moments_args *a, const float *weight, int64_t begin,
                                int64_t end) {
    double n = (double)a->cols;
    for (int64_t row = begin; row < end; row++) {
        xhat_rule rule = xhat_rule_of(set_rule_of(a->moments[row], a->epsilon));
        source dy = source_at((source){a->dy, type}, row * a->dy_stride);
        float centre = weighted_sample_mean(dy, weight, a->cols);
        gradient_run g = {dy, source_at((source){a->x, type}, row * a->x_stride), weight, rule, v_set(centre)};
        gradient_sums sums = sum_gradient_run(&g, a->cols);
        double normalized = sums.xhat / n;
        a->gradient_moments[row] =
            (ck_gradient_moments){a->cols, centre + sums.dy / n, normalized, sums.product - sums.dy * normalized};
    }
}

CK_KERNEL(row_gradient_moments)(const ck_row_gradient_moments_args *a, int64_t begin, int64_t end) {
    if (a->weight)
        BY_TYPE(a->type, find_gradient_moments, a, a->weight, begin, end);
    else
        BY_TYPE(a->type, find_gradient_moments, a, 0, begin, end);
}

/// Rows that share what is loaded of weight and of the sums over rows.
#define ROWS_BY_MOMENTS 4

typedef struct row_gradient {
    source dy, x;
    target dx;  // dx.at is NULL if it is not wanted
    gradient_coefficients by;
} row_gradient;

V_FN row_gradient row_gradient_at(ck_type type, const ck_normalize_rows_backward_args *a, int64_t row) {
    set_rule rule = set_rule_of(a->moments[row], a->epsilon);
    ck_gradient_moments g = a->gradient_moments[row];
    float mean = (float)g.gradient;
    return (row_gradient){
        .dy = source_at((source){a->dy, type}, row * a->dy_stride),
        .x = source_at((source){a->x, type}, row * a->x_stride),
        .dx = optional_target(a->dx, type, row * a->dx_stride),
        .by = {xhat_rule_of(rule), v_set((float)(rule.factor * rule.scale)), v_set(1.0f), v_set(mean),
               v_set((float)(g.gradient - mean)), v_set((float)(g.comoment / (double)g.count))},
    };
}

/// Columns i ... i + 15 of some rows; `sums` has those of weight and, `pitch` on, those of bias, or is NULL.
V_FN void row_gradient_columns(ck_type type, const row_gradient *rows, int count, const float *weight, float *sums,
                               int64_t pitch, int64_t i, int64_t left, int streaming) {
    vf w = weight ? load_left(weight + i, left) : v_set(1.0f), weight_sum = v_zero(), bias_sum = v_zero();
    if (sums) {
        weight_sum = v_load(sums + i);
        bias_sum = v_load(sums + pitch + i);
    }
    for (int k = 0; k < count; k++) {
        const row_gradient *r = &rows[k];
        gradient_coefficients by = r->by;
        vf dy = read_left((source){r->dy.at, type}, i, left);
        vf xhat = xhat_by_rule(read_left((source){r->x.at, type}, i, left), by.rule);
        weight_sum = v_fma(dy, xhat, weight_sum);
        bias_sum = v_add(bias_sum, dy);
        if (!r->dx.at) continue;
        by.weight = w;
        write_left((target){r->dx.at, type}, i, left, gradient_by_moments(dy, xhat, by), streaming);
    }
    if (sums) {
        v_store(sums + i, weight_sum);
        v_store(sums + pitch + i, bias_sum);
    }
}

V_FN void row_gradients(ck_type type, const ck_normalize_rows_backward_args *a, int64_t begin, int64_t end, float *sums,
                        int64_t pitch, int streaming) {
    row_gradient rows[ROWS_BY_MOMENTS];
    for (; begin < end; begin += ROWS_BY_MOMENTS) {
        int count = (int)lesser(ROWS_BY_MOMENTS, end - begin);
        int64_t i = 0, whole = in_whole(16, a->cols);
        for (int k = 0; k < count; k++) rows[k] = row_gradient_at(type, a, begin + k);
        for (; i < whole; i += 16) row_gradient_columns(type, rows, count, a->weight, sums, pitch, i, 16, streaming);
        if (i < a->cols) row_gradient_columns(type, rows, count, a->weight, sums, pitch, i, a->cols - i, 0);
    }
}

/// `sums`, of this block of rows, are 2 * pitch floats, or NULL if they are not wanted.
CK_KERNEL(normalize_rows_backward)
(const ck_normalize_rows_backward_args *a, int64_t begin, int64_t end, float *sums, int64_t pitch, int streaming) {
    for (int64_t i = 0; sums && i < 2 * pitch; i += 16) v_store(sums + i, v_zero());
    if (streaming)
        BY_TYPE(a->type, row_gradients, a, begin, end, sums, pitch, 1);
    else
        BY_TYPE(a->type, row_gradients, a, begin, end, sums, pitch, 0);
    if (streaming) v_stream_end();
}
