// csr_group.h: neighbourhoods of small degree, of which up to sixteen go through each step together: their statistics
// fill the lanes of one vector, as those of short rows do (norm_short_body.h). Each has at most 64 edges, so that
// every lane of its sums has one at most. They lie behind each other, so that what is read past the edges of one are
// those of the next, and what is written past them is written again: masked stores cost more than whole ones twice
// (degree 1 forward 210 and 86 ms, degree 2 47 and 39, degree 16 the same; 8 heads of 524288 edges, this and what
// follows on one thread of Zen 3, AVX2, 2026-11-28).
// Bound: from memory by reading (22 % of the time at the first load of x, perf); in the caches not profiled.

/// Vectors that hold the edges of a node.
#define CSR_VECTORS (BLOCK / 16)
#define CSR_EDGES (GROUP * BLOCK)
/// Nodes that are faster together than one after the other (degree 16, 8192 heads: three 1.83 and together 1.43 ms,
/// backward 3.57 and 2.56; two 1.16 and 1.30, 2.59 and 2.46).
#define CSR_FEWEST 3

typedef struct csr_group {
    int64_t head, node;  // the first one
    int count;
    int64_t most;      // the largest degree
    int64_t readable;  // edges of the head before this one may be read
} csr_group;

/// The group that begins with pair `begin` of begin ..< end (heads outermost), or one node of larger degree.
V_FN csr_group csr_group_at(const int64_t *offsets, int64_t nodes, int64_t begin, int64_t end) {
    csr_group g = {.head = begin / nodes};
    g.node = begin - g.head * nodes;
    int64_t last = lesser(end - g.head * nodes, nodes);
    g.readable = offsets[last];
    for (; g.count < GROUP && g.node + g.count < last; g.count++) {
        int64_t n = offsets[g.node + g.count + 1] - offsets[g.node + g.count];
        if (n > BLOCK) break;
        if (n > g.most) g.most = n;
    }
    if (g.count == 0) g.count = 1;
    return g;
}

typedef struct csr_degrees {
    vf degree;        // a node's degree in its lane, 1 if that is 0
    uint32_t filled;  // bits of those that have edges
} csr_degrees;

V_FN csr_degrees csr_degrees_of(const int64_t *offsets, int count) {
    float degree[GROUP];
    uint32_t filled = 0;
    for (int j = 0; j < GROUP; j++) {
        int64_t n = j < count ? offsets[j + 1] - offsets[j] : 0;
        degree[j] = n > 0 ? (float)n : 1.0f;
        filled |= (uint32_t)(n > 0) << j;
    }
    return (csr_degrees){v_load(degree), filled};
}

/// Edges of the node at `offsets` in its vectors from the k-th on.
V_FN int64_t csr_rest(const int64_t *offsets, int k) { return offsets[1] - offsets[0] - 16 * k; }

/// Its k-th vector of elements, +0 in lanes without an edge. Asking ahead: degree 16 forward from memory 7.4 and 5.8
/// ms, from the last cache level (52428 edges) 0.69 and 0.67.
V_FN vf csr_element(source s, const int64_t *offsets, int k, int64_t readable) {
    int64_t at = offsets[0] + 16 * k;
    v_fetch((const char *)source_at(s, at).at + AHEAD);
    return keep_left(csr_rest(offsets, k), read_left(s, at, readable - at));
}

/// Puts down the output of node j of a group; nodes come in their order.
V_FN void csr_put(float *out, const int64_t *offsets, int j, int k, vf a) {
    v_store(out + (offsets[j] - offsets[0]) + 16 * k, a);
}

V_FN void csr_write(target y, const int64_t *offsets, int count, const float *out) {
    int64_t edges = offsets[count] - offsets[0];
    for (int64_t i = 0; i < edges; i += 16) write_left(y, offsets[0] + i, edges - i, v_load(out + i), 0);
}
