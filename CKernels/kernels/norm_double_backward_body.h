// norm_double_backward_body.h: gradients of LayerNorm's (and RMSNorm's) gradients, for a range of rows; with one output it
// is the product of the Jacobian and a vector.
//
// The backward pass gives dx = J(g), dweight = sum_r dy * xhat, dbias = sum_r dy, with g = dy * w and, mean(.) over a row
// of n (0 for RMSNorm, where it stands alone),
//
//     J(g) = rstd * (g - mean(g) - xhat * mean(g * xhat))
//
// A loss that depends on them by the cotangents v, p, q changes as phi = <v, J(g)> + <p * xhat + q, dy>. In dy that is
// linear, and J is symmetric: ddy = J(v) * w + p * xhat + q. In w as well: dweight = sum_r dy * J(v). In x: write s, m
// for mean(v * xhat), mean(g * xhat), and c for mean((v - mean(v)) * (g - mean(g))); then
//
//     <v, J(g)> = n rstd (c - s m),    d rstd / dx = -rstd^2 xhat / n,    d s / dx = J(v) / n,    d m / dx = J(g) / n
//
// (xhat's Jacobian is J, c does not depend on x), so that its gradient is -rstd^2 xhat (c - s m) - rstd (m J(v) + s J(g)).
// With J written out, and J(p * dy) for the second term of phi:
//
//     dx = J(p * dy) - rstd^2 (m (v - mean(v)) + s (g - mean(g)) + xhat (c - 3 s m))
//
// Rows v, g and k = p * dy are centred on the means of samples before they are summed, as g is in the backward pass.
// Bound: beyond the caches bandwidth; in them some 30 operations a vector.

/// What is constant in each copy of the loops.
typedef struct second_order_kind {
    int centred;  // LayerNorm
    int full;     // whether more than dy's gradient is wanted
} second_order_kind;

/// A row of numbers about its mean: element - centre - tau, and the mean of its product with xhat.
typedef struct about_mean {
    float centre, tau, slope;
} about_mean;

typedef struct second_order_row {
    source v, dy, x, weight;
    float weight_offset;
    const float *p, *q;
    float mean, mean_low, rstd;
    about_mean of_v, of_g, of_k;
    float c;
} second_order_row;

V_FN vf second_order_xhat(const second_order_row *r, int64_t i, int64_t left, second_order_kind kind) {
    vf x = read_left(r->x, i, left);
    if (kind.centred) x = v_sub(v_sub(x, v_set(r->mean)), v_set(r->mean_low));
    return v_mul(x, v_set(r->rstd));
}
V_FN vf second_order_weight(const second_order_row *r, int64_t i, int64_t left) {
    vf weight = read_left(r->weight, i, left);
    return r->weight_offset == 0.0f ? weight : v_add(weight, v_set(r->weight_offset));
}

/// Rows v, g = dy * w and k = p * dy.
typedef enum second_order_part { PART_V, PART_G, PART_K } second_order_part;

V_FN vf second_order_left(const second_order_row *r, second_order_part part, int64_t i, int64_t left) {
    if (part == PART_V) return read_left(r->v, i, left);
    vf dy = read_left(r->dy, i, left);
    if (part == PART_K) return v_mul(load_left(r->p + i, left), dy);
    return r->weight.at ? v_mul(dy, second_order_weight(r, i, left)) : dy;
}
V_FN vf second_order_about(const second_order_row *r, second_order_part part, about_mean a, int64_t i, int64_t left,
                           second_order_kind kind) {
    vf element = second_order_left(r, part, i, left);
    return kind.centred ? v_sub(element, v_set(a.centre)) : element;
}

V_FN float second_order_sample_mean(const second_order_row *r, second_order_part part, int64_t n, second_order_kind kind) {
    if (!kind.centred) return 0.0f;
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k);
        sample.v[k] = second_order_left(r, part, i, n > BLOCK ? 16 : n - i);
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

/// Sums over a row: of a part about its sample's mean, and of that times xhat; for v and g also of their product.
typedef struct second_order_sums {
    row_lanes sum, slope, product;
} second_order_sums;

typedef struct second_order_lanes {
    lanes sum, slope, product;
} second_order_lanes;

/// One vector of sums. `with_g`: whether this pass is over v, and its product with g is wanted.
V_FN void second_order_vector(second_order_lanes *to, const second_order_row *r, second_order_part part, about_mean a,
                              int64_t i, int64_t left, int k, int with_g, second_order_kind kind) {
    vf t = keep_left(left, second_order_about(r, part, a, i, left, kind));
    vf xhat = keep_left(left, second_order_xhat(r, i, left, kind));
    if (kind.centred) to->sum.v[k] = v_add(to->sum.v[k], t);
    to->slope.v[k] = v_fma(t, xhat, to->slope.v[k]);
    if (!with_g) return;
    vf g = keep_left(left, second_order_about(r, PART_G, r->of_g, i, left, kind));
    to->product.v[k] = v_fma(t, g, to->product.v[k]);
}

V_FN void second_order_pass(second_order_row *r, second_order_part part, about_mean *a, int64_t n, int with_g,
                            second_order_kind kind) {
    second_order_sums total = {row_lanes_zero(), row_lanes_zero(), row_lanes_zero()};
    for (int64_t c = 0; c < n; c += CHUNK) {
        second_order_lanes to = {lanes_zero(), lanes_zero(), lanes_zero()};
        int64_t end = lesser(c + CHUNK, n), blocks_end = end - (end - c) % BLOCK;
        for (int k = 0; k < 4; k++) {
            for (int64_t i = c; i < blocks_end; i += BLOCK)
                second_order_vector(&to, r, part, *a, i + 16 * k, 16, k, with_g, kind);
            if (blocks_end + 16 * k < end)
                second_order_vector(&to, r, part, *a, blocks_end + 16 * k, end - blocks_end - 16 * k, k, with_g, kind);
        }
        row_lanes_add(&total.sum, &to.sum, c);
        row_lanes_add(&total.slope, &to.slope, c);
        if (with_g) row_lanes_add(&total.product, &to.product, c);
    }
    lanes sum = row_lanes_total(&total.sum, n), slope = row_lanes_total(&total.slope, n);
    a->tau = lanes_fold(&sum) / (float)n;
    a->slope = lanes_fold(&slope) / (float)n;
    if (!with_g) return;
    lanes product = row_lanes_total(&total.product, n);
    r->c = s_fma(-a->tau, r->of_g.tau, lanes_fold(&product) / (float)n);
}

V_FN void second_order_means(second_order_row *r, int64_t n, second_order_kind kind) {
    r->of_v.centre = second_order_sample_mean(r, PART_V, n, kind);
    if (kind.full) {
        r->of_g.centre = second_order_sample_mean(r, PART_G, n, kind);
        second_order_pass(r, PART_G, &r->of_g, n, 0, kind);
    }
    second_order_pass(r, PART_V, &r->of_v, n, kind.full, kind);
    if (kind.full && r->p) {
        r->of_k.centre = second_order_sample_mean(r, PART_K, n, kind);
        second_order_pass(r, PART_K, &r->of_k, n, 0, kind);
    }
}

/// element - mean of a part.
V_FN vf second_order_centred(const second_order_row *r, second_order_part part, about_mean a, int64_t i, int64_t left,
                             second_order_kind kind) {
    vf t = second_order_about(r, part, a, i, left, kind);
    return kind.centred ? v_sub(t, v_set(a.tau)) : t;
}

V_FN void second_order_output(const second_order_row *r, target dy_gradient, target x_gradient, float *weight_sums,
                              int64_t n, second_order_kind kind) {
    vf rstd = v_set(r->rstd), slope_v = v_set(r->of_v.slope), slope_g = v_set(r->of_g.slope);
    vf along = v_set(s_fma(-3.0f * r->of_v.slope, r->of_g.slope, r->c));
    for (int64_t i = 0; i < n; i += 16) {
        int64_t left = n - i;
        vf xhat = second_order_xhat(r, i, left, kind);
        vf v = second_order_centred(r, PART_V, r->of_v, i, left, kind);
        vf jacobian_v = v_mul(v_fnma(xhat, slope_v, v), rstd);
        if (kind.full && weight_sums) {
            vf sums = load_left(weight_sums + i, left);
            store_left(weight_sums + i, left, v_fma(read_left(r->dy, i, left), jacobian_v, sums));
        }
        if (kind.full && x_gradient.at) {
            vf g = second_order_centred(r, PART_G, r->of_g, i, left, kind);
            vf inner = v_fma(v, slope_g, v_fma(g, slope_v, v_mul(xhat, along))), outer = v_zero();
            if (r->p) outer = v_fnma(xhat, v_set(r->of_k.slope), second_order_centred(r, PART_K, r->of_k, i, left, kind));
            write_left(x_gradient, i, left, v_mul(v_fnma(inner, rstd, outer), rstd), 0);
        }
        if (!dy_gradient.at) continue;
        vf out = r->q ? load_left(r->q + i, left) : v_zero();
        out = r->weight.at ? v_fma(jacobian_v, second_order_weight(r, i, left), out) : v_add(jacobian_v, out);
        if (r->p) out = v_fma(xhat, load_left(r->p + i, left), out);
        write_left(dy_gradient, i, left, out, 0);
    }
}

V_FN void second_order_rows(const ck_norm_double_backward_args *a, int64_t begin, int64_t end, float *weight_sums,
                            ck_type type, second_order_kind kind) {
    for (int64_t row = begin; row < end; row++) {
        second_order_row r = {
            .v = source_at((source){a->dx_cotangent, type}, row * a->dx_cotangent_stride),
            .dy = kind.full ? source_at((source){a->dy, type}, row * a->dy_stride) : (source){0, type},
            .x = source_at((source){a->x, type}, row * a->x_stride),
            .weight = {a->weight, a->parameter_type},
            .weight_offset = a->weight_offset,
            .p = a->dweight_cotangent,
            .q = a->dbias_cotangent,
            .mean = kind.centred ? a->mean[row] : 0.0f,
            .mean_low = kind.centred && a->mean_low ? a->mean_low[row] : 0.0f,
            .rstd = a->rstd[row],
        };
        second_order_means(&r, a->cols, kind);
        second_order_output(&r, optional_row(a->dy_gradient, type, row * a->dy_gradient_stride),
                            optional_row(a->x_gradient, type, row * a->x_gradient_stride), weight_sums, a->cols, kind);
    }
}

V_FN void second_order_type(const ck_norm_double_backward_args *a, int64_t begin, int64_t end, float *weight_sums,
                            ck_type type, int centred) {
    int full = a->x_gradient || weight_sums;
    if (centred && full) second_order_rows(a, begin, end, weight_sums, type, (second_order_kind){1, 1});
    else if (centred) second_order_rows(a, begin, end, 0, type, (second_order_kind){1, 0});
    else if (full) second_order_rows(a, begin, end, weight_sums, type, (second_order_kind){0, 1});
    else second_order_rows(a, begin, end, 0, type, (second_order_kind){0, 0});
}

CK_KERNEL(norm_double_backward)(const ck_norm_double_backward_args *a, int64_t begin, int64_t end, float *weight_sums,
                                int centred) {
    for (int64_t i = 0; weight_sums && i < a->cols; i += 16) store_left(weight_sums + i, a->cols - i, v_zero());
    if (a->type == CK_F32) second_order_type(a, begin, end, weight_sums, CK_F32, centred);
    else if (a->type == CK_BF16) second_order_type(a, begin, end, weight_sums, CK_BF16, centred);
    else second_order_type(a, begin, end, weight_sums, CK_F16, centred);
}
