// csr_softmax_backward_body.h: gradients of csr_softmax for a range of nodes, from its output y. Over a node's edges,
// every head by itself, where y > 0:
//
//     s = 2^-e with 2^e <= max |dy|,   D = sum(y * (dy * s)) / s,   high = D, rounded,   low = D - high
//     dx = y * ((dy - high) - low)
//
// and 0 elsewhere. The sum is exact_sum.h's and D a pair of floats, so that neither the order of the edges nor a common
// offset of dy matters. Bound: for small degrees the chain of a neighbourhood's sums, for large ones bandwidth.

/// `a` where the probability is not 0 (also if it is a NaN), +0 elsewhere.
V_FN vf csr_where_probable(vf y, vf a) { return v_where_less(y, v_set(0x1p-149f), v_zero(), a); }

/// The power of two at or below a magnitude, at least 2^-126; infinite with it or with a NaN.
V_FN float csr_power_below(float magnitude) {
    uint32_t bits;
    memcpy(&bits, &magnitude, 4);
    bits &= 0x7f800000;
    if (bits == 0) bits = 0x00800000;
    memcpy(&magnitude, &bits, 4);
    return magnitude;
}

/// The mean of dy under y.
typedef struct csr_mean {
    vf high, low;
} csr_mean;

V_FN csr_mean csr_mean_of(exact_lanes *terms, const float *power, int heads) {
    double total[16];
    float high[16], low[16];
    exact_totals(total, terms, heads);
    for (int h = 0; h < heads; h++) {
        double mean = total[h] * (double)power[h];
        high[h] = (float)mean;
        low[h] = (float)(mean - (double)high[h]);
    }
    return (csr_mean){csr_spread(high, heads), csr_spread(low, heads)};
}

typedef struct csr_softmax_gradient {
    source dy, y;
    target dx;
    int64_t dy_pitch, y_pitch, dx_pitch;
} csr_softmax_gradient;

V_FN void csr_softmax_gradient_edges(const csr_softmax_gradient *g, csr_vectors v) {
    float power[16], number[16];
    vf most = v_zero();
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf y = read_left(g->y, i * g->y_pitch, left);  // 0 where nothing is left
        most = v_magnitude(most, csr_where_probable(y, read_left(g->dy, i * g->dy_pitch, left)));
    }
    if (v.heads == 1)
        power[0] = v_fold_magnitude(most);
    else
        csr_most_of_heads(power, most, v.heads);
    for (int h = 0; h < v.heads; h++) {
        power[h] = csr_power_below(power[h]);
        number[h] = 1.0f / power[h];
    }
    vf scale = csr_spread(number, v.heads);

    exact_lanes terms = exact_zero();
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf y = read_left(g->y, i * g->y_pitch, left);
        vf dy = v_mul(read_left(g->dy, i * g->dy_pitch, left), scale);
        exact_add_product(&terms, csr_where_probable(y, y), csr_where_probable(y, dy));
    }
    csr_mean mean = csr_mean_of(&terms, power, v.heads);

    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf y = read_left(g->y, i * g->y_pitch, left), dy = read_left(g->dy, i * g->dy_pitch, left);
        vf dx = v_mul(y, v_sub(v_sub(dy, mean.high), mean.low));
        write_left(g->dx, i * g->dx_pitch, left, csr_where_probable(y, dx), 0);
    }
}

V_FN void csr_softmax_gradient_nodes(ck_type type, const ck_csr_softmax_backward_args *a, int64_t begin, int64_t end) {
    int is_dense = a->heads <= 16 && a->dy_stride == a->heads && a->y_stride == a->heads && a->dx_stride == a->heads;
    for (int64_t node = begin; node < end; node++) {
        int64_t edge = a->offsets[node], n = a->offsets[node + 1] - edge;
        for (int64_t head = 0; head < a->heads && n > 0; head += 16) {
            csr_vectors v = csr_vectors_of(n, a->heads, head, is_dense);
            csr_softmax_gradient g = {
                .dy = source_at((source){a->dy, type}, edge * a->dy_stride + head),
                .y = source_at((source){a->y, type}, edge * a->y_stride + head),
                .dx = target_at((target){a->dx, type}, edge * a->dx_stride + head),
                .dy_pitch = csr_pitch(&v, a->dy_stride),
                .y_pitch = csr_pitch(&v, a->y_stride),
                .dx_pitch = csr_pitch(&v, a->dx_stride),
            };
            csr_softmax_gradient_edges(&g, v);
        }
    }
}

CK_KERNEL(csr_softmax_backward)(const ck_csr_softmax_backward_args *a, int64_t begin, int64_t end) {
    BY_TYPE(a->type, csr_softmax_gradient_nodes, a, begin, end);
}
