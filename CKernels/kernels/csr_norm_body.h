// csr_norm_body.h: LayerNorm over the edges of each node, for a range of (head, node) pairs, heads outermost.
//
// The moments are those of norm_moments.h, over a row that is one node's edges; the output pass has one weight and bias
// for all of them. Nodes of small degree go through each step together (csr_group.h).
// Bound: for large degrees bandwidth.

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

V_SLOW void CK_JOIN(csr_rare_neighbourhood, CK_SUFFIX)(const ck_csr_layer_norm_args *a, int64_t head, int64_t node) {
    csr_norm_neighbourhood(a, head, node, (norm_kind){.type = a->type});
}

V_FN void csr_norm_group(const ck_csr_layer_norm_args *a, csr_group g, int vectors, norm_kind kind) {
    const int64_t *offsets = a->offsets + g.node;
    source x = source_at((source){a->x, kind.type}, g.head * a->x_stride);
    vf kept[GROUP][CSR_VECTORS];  // the elements, and then their deviations; +0 in lanes without an edge
    vf sums[GROUP], squares[GROUP];
    float centre[GROUP], delta[GROUP], rstd[GROUP], out[CSR_EDGES];
    for (int j = 0; j < GROUP; j++) sums[j] = squares[j] = v_zero();
    for (int j = 0; j < g.count; j++) {
        lanes sample = lanes_zero();
        V_UNROLL
        for (int k = 0; k < vectors; k++) sample.v[k] = kept[j][k] = csr_element(x, offsets + j, k, g.readable);
        sums[j] = lanes_fold_to_vector(&sample);
    }
    csr_degrees n = csr_degrees_of(offsets, g.count);
    vf centres = v_div(v_add(v_fold_add_rows(sums), v_zero()), n.degree);  // as in mean_of_sample
    v_store(centre, centres);
    for (int j = 0; j < g.count; j++) {
        deviations d = no_deviations();
        V_UNROLL
        for (int k = 0; k < vectors; k++) {
            vf e = keep_left(csr_rest(offsets + j, k), centred(kept[j][k], v_set(centre[j]), UNSCALED));
            d.sum.v[k] = v_add(d.sum.v[k], e);
            d.squares.v[k] = v_fma(e, e, d.squares.v[k]);
            kept[j][k] = e;
        }
        sums[j] = lanes_fold_to_vector(&d.sum);
        squares[j] = lanes_fold_to_vector(&d.squares);
    }
    short_moments m = short_moments_of(sums, squares, g.count, centres, n.degree, a->epsilon, 1);
    if (m.rare) {
        for (int j = 0; j < g.count; j++) CK_JOIN(csr_rare_neighbourhood, CK_SUFFIX)(a, g.head, g.node + j);
        return;
    }
    m.rstd = v_keep_bits(n.filled, m.rstd);
    v_store(delta, m.delta);
    v_store(rstd, m.rstd);
    int64_t saved = g.head * a->nodes + g.node;
    save_short_moments(m, g.count, a->mean ? a->mean + saved : 0, a->mean_low ? a->mean_low + saved : 0,
                       a->rstd ? a->rstd + saved : 0);

    vf weight = v_set(a->weight ? a->weight[g.head] : 1.0f), bias = v_set(a->bias ? a->bias[g.head] : 0.0f);
    for (int j = 0; j < g.count; j++) {
        float shift = shift_of(delta[j], rstd[j]);
        V_UNROLL
        for (int k = 0; k < vectors; k++)
            csr_put(out, offsets, j, k, v_fma(normalized(kept[j][k], rstd[j], shift), weight, bias));
    }
    csr_write(target_at((target){a->y, kind.type}, g.head * a->y_stride), offsets, g.count, out);
}

V_FN void csr_norm_type(const ck_csr_layer_norm_args *a, int64_t begin, int64_t end, norm_kind kind) {
    while (begin < end) {
        csr_group g = csr_group_at(a->offsets, a->nodes, begin, end);
        begin += g.count;
        if (g.count < CSR_FEWEST)
            for (int j = 0; j < g.count; j++) csr_norm_neighbourhood(a, g.head, g.node + j, kind);
        else if (g.most <= 16)
            csr_norm_group(a, g, 1, kind);
        else
            csr_norm_group(a, g, CSR_VECTORS, kind);
    }
}

CK_KERNEL(csr_norm)(const ck_csr_layer_norm_args *a, int64_t begin, int64_t end) {
    if (a->type == CK_F32)
        csr_norm_type(a, begin, end, (norm_kind){.type = CK_F32});
    else if (a->type == CK_BF16)
        csr_norm_type(a, begin, end, (norm_kind){.type = CK_BF16});
    else
        csr_norm_type(a, begin, end, (norm_kind){.type = CK_F16});
}
