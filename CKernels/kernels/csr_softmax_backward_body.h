// csr_softmax_backward_body.h: gradients of csr_softmax for a range of nodes, from its output y. Over a node's edges,
// every head by itself, where y > 0:
//
//     c = the middle of the least and the largest dy,   t = dy - c,   D = sum(y * t)
//     dx = y * (t - D)
//
// and 0 elsewhere. (y sums to 1, so c + D is the mean of dy under y, and a common offset of dy costs nothing.) The sum
// is exact_sum.h's, of t beside a power of two near its largest, so that the order of the edges does not matter. Bound:
// for small degrees the chain of a neighbourhood's extremes and sum, for large ones bandwidth.

/// `a` where the probability is not 0 (also if it is a NaN), `b` elsewhere.
V_FN vf csr_where_probable(vf y, vf a, vf b) { return v_where_less(y, v_set(0x1p-149f), b, a); }

/// The power of two at or below a magnitude, at least 2^-126; infinite with it or with a NaN.
V_FN float csr_power_below(float magnitude) {
    uint32_t bits;
    memcpy(&bits, &magnitude, 4);
    bits &= 0x7f800000;
    if (bits == 0) bits = 0x00800000;
    memcpy(&magnitude, &bits, 4);
    return magnitude;
}

typedef struct csr_softmax_gradient {
    source dy, y;
    target dx;
    int64_t dy_pitch, y_pitch, dx_pitch;
    vf centre, scale;  // of t = dy - centre, and what brings it below 2
    float power[16];   // of each head: 1 / scale
} csr_softmax_gradient;

V_FN void csr_find_centres(csr_softmax_gradient *g, csr_vectors v) {
    vf infinity = v_set(INFINITY), most = v_set(-INFINITY), least = infinity;
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf y = read_left(g->y, i * g->y_pitch, left);  // 0 where nothing is left
        vf dy = read_left(g->dy, i * g->dy_pitch, left);
        most = v_at_least(most, csr_where_probable(y, dy, v_set(-INFINITY)));
        least = v_at_most(least, csr_where_probable(y, dy, infinity));
    }
    float above[16], below[16], centre[16], scale[16];
    csr_most_of_heads(above, most, v.heads);
    csr_most_of_heads(below, v_sub(v_zero(), least), v.heads);
    for (int h = 0; h < v.heads; h++) {
        centre[h] = (0.5f * above[h] - 0.5f * below[h]) + 0.0f;  // -0 is +0
        float up = above[h] - centre[h], down = centre[h] + below[h];
        g->power[h] = csr_power_below(down > up ? down : up);
        scale[h] = 1.0f / g->power[h];
    }
    g->centre = csr_spread(centre, v.heads);
    g->scale = csr_spread(scale, v.heads);
}

/// The sum of y * t for each head.
V_FN vf csr_gradient_sums(const csr_softmax_gradient *g, csr_vectors v) {
    exact_lanes terms = exact_zero();
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf y = read_left(g->y, i * g->y_pitch, left);
        vf t = v_mul(v_sub(read_left(g->dy, i * g->dy_pitch, left), g->centre), g->scale);
        exact_add_product(&terms, csr_where_probable(y, y, v_zero()), csr_where_probable(y, t, v_zero()));
    }
    double total[16];
    float sum[16];
    exact_totals(total, &terms, v.heads);
    for (int h = 0; h < v.heads; h++) sum[h] = (float)(total[h] * (double)g->power[h]);
    return csr_spread(sum, v.heads);
}

V_FN void csr_softmax_gradient_edges(csr_softmax_gradient *g, csr_vectors v) {
    csr_find_centres(g, v);
    vf sum = csr_gradient_sums(g, v);
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf y = read_left(g->y, i * g->y_pitch, left), dy = read_left(g->dy, i * g->dy_pitch, left);
        vf dx = v_mul(y, v_sub(v_sub(dy, g->centre), sum));
        write_left(g->dx, i * g->dx_pitch, left, csr_where_probable(y, dx, v_zero()), 0);
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
