// norm_double_backward_body.h: gradients of LayerNorm's (and RMSNorm's) gradients, for a range of rows; with one output
// it is the product of the Jacobian and a vector.
//
// The backward pass gives dx = J(g), dweight = sum_r dy * xhat, dbias = sum_r dy, with g = dy * w and, mean(.) over a
// row of n (0 for RMSNorm, where it stands alone),
//
//     J(g) = rstd * (g - mean(g) - xhat * mean(g * xhat))
//
// A loss that depends on them by the cotangents v, p, q changes as phi = <v, J(g)> + <p * xhat + q, dy>. In dy that is
// linear, and J is symmetric: ddy = J(v) * w + p * xhat + q. In w as well: dweight = sum_r dy * J(v). In x: write s, m
// for mean(v * xhat), mean(g * xhat), and c for mean((v - mean(v)) * (g - mean(g))); then
//
//     <v, J(g)> = n rstd (c - s m),    d rstd / dx = -rstd^2 xhat / n,    d s / dx = J(v) / n,    d m / dx = J(g) / n
//
// (xhat's Jacobian is J, c does not depend on x), so that its gradient is -rstd^2 xhat (c - s m) - rstd (m J(v) + s
// J(g)). With J written out, and J(p * dy) for the second term of phi:
//
//     dx = J(p * dy) - rstd^2 (m (v - mean(v)) + s (g - mean(g)) + xhat (c - 3 s m))
//
// Rows v, g and k = p * dy are centred on the means of samples before they are summed, as g is in the backward pass.
// Bound: beyond the caches bandwidth; in them some 30 operations a vector, a third of that for a tangent.

/// What the rows of one call share.
typedef struct second_order_call {
    const ck_norm_double_backward_args *args;
    int is_centred;  // LayerNorm; else RMSNorm, whose means are 0
    parameter weight;
    float *weight_sums;  // of this block of rows, or NULL
} second_order_call;

/// What is constant in one copy of the loops. `full`: more than the gradient of dy is wanted.
typedef struct second_order_kind {
    ck_type type;
    int full;
} second_order_kind;

/// A row of numbers: its mean is centre + tau, and that of its product with xhat is `slope`.
typedef struct sloped_row {
    float centre, tau, slope;
} sloped_row;

typedef struct second_order_row {
    source v, dy, x;
    float mean, rstd, shift;
    sloped_row of_v, of_g, of_k;
    float c;
} second_order_row;

/// Rows v, g = dy * w and k = p * dy.
typedef enum second_order_part { PART_V, PART_G, PART_K } second_order_part;

/// Elements i ... i + 15; `weights` are those of these columns.
V_FN vf part_left(const second_order_call *call, const second_order_row *r, second_order_part part, vf weights,
                  int64_t i, int64_t left) {
    if (part == PART_V) return read_left(r->v, i, left);
    vf dy = read_left(r->dy, i, left);
    return v_mul(dy, part == PART_K ? load_left(call->args->dweight_cotangent + i, left) : weights);
}

V_FN vf second_order_xhat(const second_order_row *r, int64_t i, int64_t left) {
    return normalized(v_sub(read_left(r->x, i, left), v_set(r->mean)), r->rstd, r->shift);
}

V_FN float part_sample_mean(const second_order_call *call, const second_order_row *r, second_order_part part) {
    int64_t n = call->args->cols;
    if (!call->is_centred) return 0.0f;
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k), left = n > BLOCK ? 16 : n - i;
        sample.v[k] = part_left(call, r, part, parameter_left(&call->weight, i, left), i, left);
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

/// Sums over a row or a chunk of it: of a part about its sample's mean, of that times xhat; over v also of its product
/// with g.
typedef struct slope_lanes {
    lanes sum, slope, product;
} slope_lanes;
typedef struct slope_sums {
    row_lanes sum, slope, product;
} slope_sums;

V_FN void slope_vector(slope_lanes *to, const second_order_call *call, const second_order_row *r,
                       second_order_part part, float centre, vf weights, int64_t i, int64_t left, int k, int with_g) {
    vf t = keep_left(left, v_sub(part_left(call, r, part, weights, i, left), v_set(centre)));
    to->sum.v[k] = v_add(to->sum.v[k], t);
    to->slope.v[k] = v_fma(t, keep_left(left, second_order_xhat(r, i, left)), to->slope.v[k]);
    if (!with_g) return;
    vf g = keep_left(left, v_sub(part_left(call, r, PART_G, weights, i, left), v_set(r->of_g.centre)));
    to->product.v[k] = v_fma(t, g, to->product.v[k]);
}

/// Finds tau and slope of a part, and `with_g` c.
V_FN sloped_row slope_of(second_order_call *call, second_order_row *r, second_order_part part, int with_g) {
    sloped_row found = {.centre = part_sample_mean(call, r, part)};
    int64_t n = call->args->cols;
    slope_sums total = {row_lanes_zero(), row_lanes_zero(), row_lanes_zero()};
    for (int64_t c = 0; c < n; c += CHUNK) {
        slope_lanes to = {lanes_zero(), lanes_zero(), lanes_zero()};
        const float *weight = parameter_chunk(&call->weight, c);
        int64_t width = lesser(CHUNK, n - c), blocks = width - width % BLOCK;
        for (int k = 0; k < 4; k++) {
            int64_t i = 16 * k;
            for (; i < blocks; i += BLOCK)
                slope_vector(&to, call, r, part, found.centre, v_load(weight + i), c + i, 16, k, with_g);
            if (i < width)
                slope_vector(&to, call, r, part, found.centre, load_left(weight + i, width - i), c + i, width - i, k,
                             with_g);
        }
        row_lanes_add(&total.sum, &to.sum, c);
        row_lanes_add(&total.slope, &to.slope, c);
        if (with_g) row_lanes_add(&total.product, &to.product, c);
    }
    lanes sum = row_lanes_total(&total.sum, n), slope = row_lanes_total(&total.slope, n);
    if (call->is_centred) found.tau = lanes_fold(&sum) / (float)n;
    found.slope = lanes_fold(&slope) / (float)n;
    if (with_g) {
        lanes product = row_lanes_total(&total.product, n);
        r->c = s_fma(-found.tau, r->of_g.tau, lanes_fold(&product) / (float)n);
    }
    return found;
}

/// Elements i ... i + 15 of a part, less its mean.
V_FN vf part_about_mean(const second_order_call *call, const second_order_row *r, second_order_part part, sloped_row s,
                        vf weights, int64_t i, int64_t left) {
    return v_sub(v_sub(part_left(call, r, part, weights, i, left), v_set(s.centre)), v_set(s.tau));
}

typedef struct second_order_targets {
    target dy_gradient, x_gradient;  // .at is NULL where it is not wanted
} second_order_targets;

V_FN void second_order_vector(const second_order_call *call, const second_order_row *r, second_order_targets to,
                              vf weights, int64_t i, int64_t left, int full) {
    const ck_norm_double_backward_args *a = call->args;
    vf rstd = v_set(r->rstd), xhat = second_order_xhat(r, i, left);
    vf v = part_about_mean(call, r, PART_V, r->of_v, weights, i, left);
    vf jacobian_v = v_mul(v_fnma(xhat, v_set(r->of_v.slope), v), rstd);
    if (full && call->weight_sums) {
        vf sums = load_left(call->weight_sums + i, left);
        store_left(call->weight_sums + i, left, v_fma(read_left(r->dy, i, left), jacobian_v, sums));
    }
    if (full && to.x_gradient.at) {
        vf along = v_set(s_fma(-3.0f * r->of_v.slope, r->of_g.slope, r->c));
        vf g = part_about_mean(call, r, PART_G, r->of_g, weights, i, left);
        vf inner = v_fma(v, v_set(r->of_g.slope), v_fma(g, v_set(r->of_v.slope), v_mul(xhat, along))), outer = v_zero();
        if (a->dweight_cotangent) {
            vf k = part_about_mean(call, r, PART_K, r->of_k, weights, i, left);
            outer = v_fnma(xhat, v_set(r->of_k.slope), k);
        }
        write_left(to.x_gradient, i, left, v_mul(v_fnma(inner, rstd, outer), rstd), 0);
    }
    if (!to.dy_gradient.at) return;
    vf out = a->dbias_cotangent ? load_left(a->dbias_cotangent + i, left) : v_zero();
    out = v_fma(jacobian_v, weights, out);
    if (a->dweight_cotangent) out = v_fma(xhat, load_left(a->dweight_cotangent + i, left), out);
    write_left(to.dy_gradient, i, left, out, 0);
}

V_FN void second_order_output(second_order_call *call, const second_order_row *r, second_order_targets to, int full) {
    int64_t n = call->args->cols;
    for (int64_t c = 0; c < n; c += CHUNK) {
        const float *weight = parameter_chunk(&call->weight, c);
        int64_t i = 0, width = lesser(CHUNK, n - c), whole = in_whole(16, width);
        for (; i < whole; i += 16) second_order_vector(call, r, to, v_load(weight + i), c + i, 16, full);
        if (i < width) second_order_vector(call, r, to, load_left(weight + i, width - i), c + i, width - i, full);
    }
}

V_FN void second_order_rows(const ck_norm_double_backward_args *a, int is_centred, int64_t begin, int64_t end,
                            float *weight_sums, second_order_kind kind) {
    second_order_call call;
    call.args = a;
    call.is_centred = is_centred;
    call.weight_sums = weight_sums;
    parameter_set(&call.weight, a->weight, a->parameter_type, a->weight_offset, CK_JOIN(ones, CK_SUFFIX), a->cols);
    for (int64_t row = begin; row < end; row++) {
        second_order_row r = {
            .v = source_at((source){a->dx_cotangent, kind.type}, row * a->dx_cotangent_stride),
            .dy = kind.full ? source_at((source){a->dy, kind.type}, row * a->dy_stride) : (source){0, kind.type},
            .x = source_at((source){a->x, kind.type}, row * a->x_stride),
            .mean = is_centred ? a->mean[row] : 0.0f,
            .rstd = a->rstd[row],
            .shift = shift_of(is_centred && a->mean_low ? a->mean_low[row] : 0.0f, a->rstd[row]),
        };
        second_order_targets to = {
            optional_target(a->dy_gradient, kind.type, row * a->dy_gradient_stride),
            optional_target(a->x_gradient, kind.type, row * a->x_gradient_stride),
        };
        if (kind.full) r.of_g = slope_of(&call, &r, PART_G, 0);
        r.of_v = slope_of(&call, &r, PART_V, kind.full);
        if (kind.full && a->dweight_cotangent) r.of_k = slope_of(&call, &r, PART_K, 0);
        second_order_output(&call, &r, to, kind.full);
    }
}

/// A copy of the loops for each kind.
#define CK_SECOND_ORDER_KINDS(KIND) \
    KIND(tangent_f32, CK_F32, 0)    \
    KIND(tangent_bf16, CK_BF16, 0)  \
    KIND(tangent_f16, CK_F16, 0)    \
    KIND(full_f32, CK_F32, 1)       \
    KIND(full_bf16, CK_BF16, 1)     \
    KIND(full_f16, CK_F16, 1)

#define CK_SECOND_ORDER_COPY(name, type, full)                                                                 \
    V_SLOW void CK_JOIN(second_order_##name, CK_SUFFIX)(const ck_norm_double_backward_args *a, int is_centred, \
                                                        int64_t begin, int64_t end, float *weight_sums) {      \
        second_order_rows(a, is_centred, begin, end, weight_sums, (second_order_kind){type, full});            \
    }
CK_SECOND_ORDER_KINDS(CK_SECOND_ORDER_COPY)

CK_KERNEL(norm_double_backward)
(const ck_norm_double_backward_args *a, int is_centred, int64_t begin, int64_t end, float *weight_sums) {
    for (int64_t i = 0; weight_sums && i < a->cols; i += 16) store_left(weight_sums + i, a->cols - i, v_zero());
    int is_full = a->x_gradient || weight_sums;
#define CK_SECOND_ORDER_CALL(name, of_type, full) \
    if (a->type == of_type && is_full == full)    \
        CK_JOIN(second_order_##name, CK_SUFFIX)(a, is_centred, begin, end, weight_sums);
    CK_SECOND_ORDER_KINDS(CK_SECOND_ORDER_CALL)
}
