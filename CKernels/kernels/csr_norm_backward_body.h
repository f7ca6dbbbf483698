// csr_norm_backward_body.h: gradients of csr_norm for a range of (head, node) pairs, heads outermost. Over a node's n
// edges, with xhat and t as in norm_backward_body.h:
//
//     c = the mean of a sample of dy * weight,   t_i = fma(dy_i, weight, -c),   tau = sum(t) / n,   p = sum(t * xhat) / n
//     dx = fma(-xhat, p, t - tau) * rstd
//     weight_sums = sum(dy * xhat),   bias_sums = sum(dy)                   one of each for each pair
//
// Bound: for small degrees the chain of a neighbourhood's sums, for large ones bandwidth.

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

V_FN void csr_vector(lanes *sums, const csr_gradient *r, int64_t i, int64_t left, int k) {
    vf t = keep_left(left, csr_centred_gradient(r, i, left));
    vf dy = keep_left(left, read_left(r->dy, i, left)), xhat = keep_left(left, csr_xhat(r, i, left));
    sums[CSR_T].v[k] = v_add(sums[CSR_T].v[k], t);
    sums[CSR_T_XHAT].v[k] = v_fma(t, xhat, sums[CSR_T_XHAT].v[k]);
    sums[CSR_DY_XHAT].v[k] = v_fma(dy, xhat, sums[CSR_DY_XHAT].v[k]);
    sums[CSR_DY].v[k] = v_add(sums[CSR_DY].v[k], dy);
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

V_FN void csr_gradient_type(const ck_csr_layer_norm_backward_args *a, int64_t begin, int64_t end, float *weight_sums,
                            float *bias_sums, ck_type type) {
    for (int64_t i = begin; i < end; i++)
        csr_gradient_neighbourhood(a, i / a->nodes, i % a->nodes, weight_sums, bias_sums, type);
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
