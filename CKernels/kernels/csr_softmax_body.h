// csr_softmax_body.h: softmax over the edges of each node, every head by itself, for a range of nodes:
//
//     y = e^x / sum(e^x)
//
// with the exponentials and the quotient of math/softmax.h. The sum is exact_sum.h's, so that it does not matter in
// which order the edges stand, nor how they lie in the lanes: up to 16 heads of an edge, or several edges, fill a
// vector. Bound: for small degrees the chain of a neighbourhood's largest element and sum, for large ones exponentials.

/// Vectors of exponentials that are kept; further ones are computed again.
#define CSR_KEPT 256

/// How the edges of a node lie in vectors: lane l holds head l mod `heads`.
typedef struct csr_vectors {
    int64_t count;        // of vectors
    int64_t width, last;  // lanes in use, in the last vector and in the others
    int heads;
    int is_dense;  // vectors follow each other without gaps
} csr_vectors;

/// `n` edges with `heads` heads, from head `first` on.
V_FN csr_vectors csr_vectors_of(int64_t n, int64_t heads, int64_t first, int is_dense) {
    if (!is_dense) {
        int64_t width = lesser(16, heads - first);
        return (csr_vectors){n, width, width, (int)width, 0};
    }
    int64_t together = 16 / heads, count = (n + together - 1) / together;
    return (csr_vectors){count, together * heads, (n - (count - 1) * together) * heads, (int)heads, 1};
}
V_FN int64_t csr_left(const csr_vectors *v, int64_t i) { return i + 1 < v->count ? v->width : v->last; }
V_FN int64_t csr_pitch(const csr_vectors *v, int64_t stride) { return v->is_dense ? v->width : stride; }

/// Lane l is number l mod `heads` of some.
V_FN vf csr_spread(float *number, int heads) {
    if (heads == 1) return v_set(number[0]);
    for (int l = heads; l < 16; l++) number[l] = number[l - heads];
    return v_load(number);
}

/// most[h] for h < heads: the largest lane of each head. No lane is a NaN.
V_FN void csr_most_of_heads(float *most, vf a, int heads) {
    if (heads == 1) {
        most[0] = v_fold_most(a);
        return;
    }
    v_store(most, a);
    for (int l = 15; l >= heads; l--)
        if (most[l] > most[l - heads]) most[l - heads] = most[l];
}

/// What takes e(x) to y: a factor, or a quotient where the largest e(x) is all of the sum.
typedef struct csr_sum {
    vf sum, factor, largest;
    int divides;
} csr_sum;

V_FN csr_sum csr_sum_of(exact_lanes *terms, vf largest, int heads) {
    double total[16];
    float number[16];
    exact_totals(total, terms, heads);
    for (int h = 0; h < heads; h++) number[h] = (float)total[h];
    vf sum = csr_spread(number, heads);
    return (csr_sum){
        .sum = sum,
        .factor = v_where_less(v_zero(), sum, v_div(v_set(1.0f), sum), sum),
        .largest = largest,
        .divides = v_outside(16, v_sub(sum, largest), 0x1p-149f, 0x1.fffffep127f),
    };
}

V_FN vf csr_probability(const csr_sum *s, vf e) {
    vf product = v_mul(e, s->factor);
    if (!s->divides) return product;
    vf quotient = v_where_less(s->sum, s->largest, product, v_div(e, s->sum));
    return v_where_less(s->largest, s->sum, product, quotient);
}

V_FN void csr_softmax_edges(source x, int64_t x_pitch, target y, int64_t y_pitch, csr_vectors v) {
    float kept[16 * CSR_KEPT], of_head[16];
    vf most = v_set(-INFINITY);
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf element = read_left(x, i * x_pitch, left);
        most = v_at_least(most, left < 16 ? v_keep_n_or(left, element, v_set(-INFINITY)) : element);
    }
    csr_most_of_heads(of_head, most, v.heads);
    most = csr_spread(of_head, v.heads);
    most = v_add(v_where_less(v_set(-INFINITY), most, most, v_zero()), v_zero());  // -0 is +0
    exp_shift shift = v_exp_shift(most);

    exact_lanes terms = exact_zero();
    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf e = keep_left(left, v_exp_shifted(read_left(x, i * x_pitch, left), shift));
        if (i < CSR_KEPT) v_store(kept + 16 * i, e);
        exact_add(&terms, e);
    }
    csr_sum sum = csr_sum_of(&terms, v_exp_shifted(most, shift), v.heads);

    for (int64_t i = 0; i < v.count; i++) {
        int64_t left = csr_left(&v, i);
        vf e = i < CSR_KEPT ? v_load(kept + 16 * i) : v_exp_shifted(read_left(x, i * x_pitch, left), shift);
        write_left(y, i * y_pitch, left, csr_probability(&sum, e), 0);
    }
}

V_FN void csr_softmax_nodes(ck_type type, const ck_csr_softmax_args *a, int64_t begin, int64_t end) {
    int is_dense = a->heads <= 16 && a->x_stride == a->heads && a->y_stride == a->heads;
    for (int64_t node = begin; node < end; node++) {
        int64_t edge = a->offsets[node], n = a->offsets[node + 1] - edge;
        for (int64_t head = 0; head < a->heads && n > 0; head += 16) {
            csr_vectors v = csr_vectors_of(n, a->heads, head, is_dense);
            csr_softmax_edges(source_at((source){a->x, type}, edge * a->x_stride + head), csr_pitch(&v, a->x_stride),
                              target_at((target){a->y, type}, edge * a->y_stride + head), csr_pitch(&v, a->y_stride),
                              v);
        }
    }
}

CK_KERNEL(csr_softmax)(const ck_csr_softmax_args *a, int64_t begin, int64_t end) {
    BY_TYPE(a->type, csr_softmax_nodes, a, begin, end);
}
