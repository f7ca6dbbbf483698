// csr_norm_backward_body.h: gradients of csr_norm for a range of (head, node) pairs, heads outermost. Over a node's n
// edges, with xhat and t as in norm_backward_body.h:
//
//     c = the mean of a sample of dy * weight,   t_i = fma(dy_i, weight, -c),   tau = sum(t) / n,   p = sum(t * xhat) / n
//     dx = fma(-xhat, p, t - tau) * rstd
//     weight_sums = sum(dy * xhat),   bias_sums = sum(dy)                   one of each for each pair
//
// Nodes of small degree go through each step together (csr_group.h).
// Bound: for large degrees bandwidth.

typedef struct csr_gradient {
    source dy, x;
    float weight, mean, rstd, shift;
    float centre;
} csr_gradient;

V_FN vf csr_xhat(const csr_gradient *r, int64_t i, int64_t left) {
    return normalized(v_sub(read_left(r->x, i, left), v_set(r->mean)), r->rstd, r->shift);
}
V_FN vf csr_centred_gradient(const csr_gradient *r, int64_t i, int64_t left) {
    return v_fms(read_left(r->dy, i, left), v_set(r->weight), v_set(r->centre));
}

/// Sums over a neighbourhood or a chunk of it: of t, t * xhat, dy * xhat and dy.
enum { CSR_T, CSR_T_XHAT, CSR_DY_XHAT, CSR_DY, CSR_SUMS };

V_FN void csr_add(lanes *sums, vf t, vf dy, vf xhat, int k) {
    sums[CSR_T].v[k] = v_add(sums[CSR_T].v[k], t);
    sums[CSR_T_XHAT].v[k] = v_fma(t, xhat, sums[CSR_T_XHAT].v[k]);
    sums[CSR_DY_XHAT].v[k] = v_fma(dy, xhat, sums[CSR_DY_XHAT].v[k]);
    sums[CSR_DY].v[k] = v_add(sums[CSR_DY].v[k], dy);
}

V_FN void csr_vector(lanes *sums, const csr_gradient *r, int64_t i, int64_t left, int k) {
    vf t = keep_left(left, csr_centred_gradient(r, i, left));
    vf dy = keep_left(left, read_left(r->dy, i, left)), xhat = keep_left(left, csr_xhat(r, i, left));
    csr_add(sums, t, dy, xhat, k);
}

V_FN void csr_sums(float *result, const csr_gradient *r, int64_t n) {
    row_lanes total[CSR_SUMS];
    for (int s = 0; s < CSR_SUMS; s++) total[s] = row_lanes_zero();
    for (int64_t c = 0; c < n; c += CHUNK) {
        lanes sums[CSR_SUMS];
        for (int s = 0; s < CSR_SUMS; s++) sums[s] = lanes_zero();
        int64_t end = lesser(c + CHUNK, n), blocks = end - (end - c) % BLOCK;
        for (int k = 0; k < 4; k++) {
            int64_t i = c + 16 * k;
            for (; i < blocks; i += BLOCK) csr_vector(sums, r, i, 16, k);
            if (i < end) csr_vector(sums, r, i, end - i, k);
        }
        for (int s = 0; s < CSR_SUMS; s++) row_lanes_add(&total[s], &sums[s], c);
    }
    for (int s = 0; s < CSR_SUMS; s++) {
        lanes sum = row_lanes_total(&total[s], n);
        result[s] = lanes_fold(&sum);
    }
}

V_FN void csr_gradient_neighbourhood(const ck_csr_layer_norm_backward_args *a, int64_t head, int64_t node,
                                     float *weight_sums, float *bias_sums, ck_type type) {
    int64_t first = a->offsets[node], n = a->offsets[node + 1] - first, saved = head * a->nodes + node;
    float sums[CSR_SUMS] = {0};
    csr_gradient r = {
        .dy = source_at((source){a->dy, type}, head * a->dy_stride + first),
        .x = source_at((source){a->x, type}, head * a->x_stride + first),
        .weight = a->weight ? a->weight[head] : 1.0f,
        .mean = a->mean[saved],
        .rstd = a->rstd[saved],
        .shift = shift_of(a->mean_low ? a->mean_low[saved] : 0.0f, a->rstd[saved]),
    };
    if (n > 0) {
        lanes sample;
        for (int k = 0; k < 4; k++) {
            int64_t i = sample_start(n, k);
            sample.v[k] = v_mul(read_left(r.dy, i, n > BLOCK ? 16 : n - i), v_set(r.weight));
        }
        r.centre = mean_of_sample(lanes_fold(&sample), n);
        csr_sums(sums, &r, n);
    }
    if (weight_sums) {
        weight_sums[saved] = sums[CSR_DY_XHAT];
        bias_sums[saved] = sums[CSR_DY];
    }
    if (!a->dx) return;
    target dx = target_at((target){a->dx, type}, head * a->dx_stride + first);
    vf tau = v_set(sums[CSR_T] / (float)n), slope = v_set(sums[CSR_T_XHAT] / (float)n);
    for (int64_t i = 0; i < n; i += 16) {
        vf t = csr_centred_gradient(&r, i, n - i);
        vf out = v_mul(v_fnma(csr_xhat(&r, i, n - i), slope, v_sub(t, tau)), v_set(r.rstd));
        write_left(dx, i, n - i, out, 0);
    }
}

V_FN void csr_gradient_group(const ck_csr_layer_norm_backward_args *a, csr_group g, float *weight_sums,
                             float *bias_sums, int vectors, ck_type type) {
    const int64_t *offsets = a->offsets + g.node;
    int64_t saved = g.head * a->nodes + g.node;
    source dy = source_at((source){a->dy, type}, g.head * a->dy_stride);
    source x = source_at((source){a->x, type}, g.head * a->x_stride);
    const float *mean = a->mean + saved, *rstd = a->rstd + saved;
    vf weight = v_set(a->weight ? a->weight[g.head] : 1.0f);
    vf nothing = v_mul(v_zero(), weight);
    vf dys[GROUP][CSR_VECTORS], xhats[GROUP][CSR_VECTORS], sums[CSR_SUMS][GROUP];
    float centre[GROUP], tau[GROUP], slope[GROUP], out[CSR_EDGES];
    for (int s = 0; s < CSR_SUMS; s++)
        for (int j = 0; j < GROUP; j++) sums[s][j] = v_zero();

    for (int j = 0; j < g.count; j++) {
        lanes sample = {{nothing, nothing, nothing, nothing}};
        float shift = shift_of(a->mean_low ? a->mean_low[saved + j] : 0.0f, rstd[j]);
        V_UNROLL
        for (int k = 0; k < vectors; k++) {
            dys[j][k] = csr_element(dy, offsets + j, k, g.readable);
            vf d = v_sub(csr_element(x, offsets + j, k, g.readable), v_set(mean[j]));
            xhats[j][k] = keep_left(csr_rest(offsets + j, k), normalized(d, rstd[j], shift));
            sample.v[k] = v_mul(dys[j][k], weight);
        }
        sums[CSR_T][j] = lanes_fold_to_vector(&sample);
    }
    vf degree = csr_degrees_of(offsets, g.count).degree;
    v_store(centre, v_div(v_add(v_fold_add_rows(sums[CSR_T]), v_zero()), degree));  // as in mean_of_sample
    for (int j = 0; j < g.count; j++) {
        lanes sum[CSR_SUMS] = {lanes_zero(), lanes_zero(), lanes_zero(), lanes_zero()};
        V_UNROLL
        for (int k = 0; k < vectors; k++) {
            vf t = keep_left(csr_rest(offsets + j, k), v_fms(dys[j][k], weight, v_set(centre[j])));
            csr_add(sum, t, dys[j][k], xhats[j][k], k);
            dys[j][k] = t;
        }
        for (int s = 0; s < CSR_SUMS; s++) sums[s][j] = lanes_fold_to_vector(&sum[s]);
    }
    if (weight_sums) {
        v_store_n(weight_sums + saved, g.count, v_fold_add_rows(sums[CSR_DY_XHAT]));
        v_store_n(bias_sums + saved, g.count, v_fold_add_rows(sums[CSR_DY]));
    }
    if (!a->dx) return;
    v_store(tau, v_div(v_fold_add_rows(sums[CSR_T]), degree));
    v_store(slope, v_div(v_fold_add_rows(sums[CSR_T_XHAT]), degree));
    for (int j = 0; j < g.count; j++) {
        V_UNROLL
        for (int k = 0; k < vectors; k++) {
            vf rest = v_sub(dys[j][k], v_set(tau[j]));
            csr_put(out, offsets, j, k, v_mul(v_fnma(xhats[j][k], v_set(slope[j]), rest), v_set(rstd[j])));
        }
    }
    csr_write(target_at((target){a->dx, type}, g.head * a->dx_stride), offsets, g.count, out);
}

V_FN void csr_gradient_type(const ck_csr_layer_norm_backward_args *a, int64_t begin, int64_t end, float *weight_sums,
                            float *bias_sums, ck_type type) {
    while (begin < end) {
        csr_group g = csr_group_at(a->offsets, a->nodes, begin, end);
        begin += g.count;
        if (g.count < CSR_FEWEST)
            for (int j = 0; j < g.count; j++)
                csr_gradient_neighbourhood(a, g.head, g.node + j, weight_sums, bias_sums, type);
        else if (g.most <= 16)
            csr_gradient_group(a, g, weight_sums, bias_sums, 1, type);
        else
            csr_gradient_group(a, g, weight_sums, bias_sums, CSR_VECTORS, type);
    }
}

CK_KERNEL(csr_norm_backward)
(const ck_csr_layer_norm_backward_args *a, int64_t begin, int64_t end, float *weight_sums, float *bias_sums) {
    if (a->type == CK_F32)
        csr_gradient_type(a, begin, end, weight_sums, bias_sums, CK_F32);
    else if (a->type == CK_BF16)
        csr_gradient_type(a, begin, end, weight_sums, bias_sums, CK_BF16);
    else
        csr_gradient_type(a, begin, end, weight_sums, bias_sums, CK_F16);
}
