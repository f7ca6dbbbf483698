// csr_norm_body.h: LayerNorm over the edges of each node, for a range of (head, node) pairs, heads outermost.
//
// The moments are those of norm_moments.h, over a row that is one node's edges; the output pass has one weight and bias
// for all of them. Bound: for small degrees the chain of a neighbourhood's statistics, for large ones bandwidth.

V_SLOW moments CK_JOIN(csr_careful_moments, CK_SUFFIX)(const norm_row *x, int64_t n, float epsilon, scaling *s) {
    return careful_moments(x, n, epsilon, s, 1, (norm_kind){.type = x->x.type});
}

V_FN void csr_norm_neighbourhood(const ck_csr_layer_norm_args *a, int64_t head, int64_t node, norm_kind kind) {
    int64_t first = a->offsets[node], n = a->offsets[node + 1] - first, saved = head * a->nodes + node;
    norm_row x = {.x = source_at((source){a->x, kind.type}, head * a->x_stride + first)};
    target y = target_at((target){a->y, kind.type}, head * a->y_stride + first);
    scaling s = {1, 1.0f};
    moments r = {0};
    if (n > 0) {
        float centre = sample_mean(&x, n, UNSCALED, kind);
        deviations d = row_deviations(&x, n, centre, UNSCALED, 0, kind);
        int ordinary = finish_moments(&r, centre, &d, n, a->epsilon, 1);
        if (!ordinary) r = CK_JOIN(csr_careful_moments, CK_SUFFIX)(&x, n, a->epsilon, &s);
    }
    float mean = r.centre + r.delta;
    if (a->mean) a->mean[saved] = mean / s.by;
    if (a->mean_low) a->mean_low[saved] = (r.delta - (mean - r.centre)) / s.by;
    if (a->rstd) a->rstd[saved] = r.saved_rstd;

    vf weight = v_set(a->weight ? a->weight[head] : 1.0f), bias = v_set(a->bias ? a->bias[head] : 0.0f);
    for (int64_t i = 0; i < n; i += 16) {
        vf d = centred(read_left(x.x, i, n - i), v_set(r.centre), s);
        write_left(y, i, n - i, v_fma(normalized(d, r.rstd, shift_of(r.delta, r.rstd)), weight, bias), 0);
    }
}

V_FN void csr_norm_type(const ck_csr_layer_norm_args *a, int64_t begin, int64_t end, norm_kind kind) {
    for (int64_t i = begin; i < end; i++) csr_norm_neighbourhood(a, i / a->nodes, i % a->nodes, kind);
}

CK_KERNEL(csr_norm)(const ck_csr_layer_norm_args *a, int64_t begin, int64_t end) {
    if (a->type == CK_F32)
        csr_norm_type(a, begin, end, (norm_kind){.type = CK_F32});
    else if (a->type == CK_BF16)
        csr_norm_type(a, begin, end, (norm_kind){.type = CK_BF16});
    else
        csr_norm_type(a, begin, end, (norm_kind){.type = CK_F16});
}
