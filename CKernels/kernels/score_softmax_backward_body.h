// score_softmax_backward_body.h: gradients of score_softmax for a range of items (score_sums.h), from its output y.
//
//     c = sum(y * dy),   D = sum(y * (dy - c)) - c * q          where y > 0; q = e^(sink - log_sum_exp)
//     ds = y * ((dy - c) - D)
//     dx = ds * scale                     with a softcap times fma(-t, t, 1), t = tanh(scale * x / softcap)
//     bias_sums += ds,   slopes = sum(ds * distance),   sinks = -q * (c + D)
//
// Elsewhere dx is 0, and dy adds nothing. (c + D is the mean of dy under y and q; forming it in two steps makes a
// common offset of dy cost nothing.) Bound: beyond the caches bandwidth.

typedef struct score_gradient {
    source dy, y, x;
    target dx;
    key_range keys;
    int64_t position;
    float centre, mean, scale, inverse_cap;
    float *bias_sums;
    int sums_slope, streaming;
    int64_t dy_ahead, y_ahead;  // elements to the next row
} score_gradient;

/// What is constant in one copy of the body.
typedef struct score_gradient_kind {
    ck_type type;
    int is_far;  // from the caches: the next row is asked for, and float32 is written past them
} score_gradient_kind;

/// Half lines do better in the caches: 12x512x512 in bfloat16 3.2 ms, past them 3.8; in float32 4.0 and 3.4, causal 5.3
/// and 3.6 (AVX2, Zen 3, one thread, 2026-11-28).
V_FN int streams_score_gradient(score_gradient_kind kind) { return kind.is_far && kind.type == CK_F32; }

/// A copy, which stores cannot change, with what the compiler knows.
V_FN score_gradient own_score_gradient(const score_gradient *g, score_gradient_kind kind) {
    score_gradient own = *g;
    own.dy.type = own.y.type = own.x.type = own.dx.type = kind.type;
    own.streaming = streams_score_gradient(kind);
    return own;
}

/// `a` where the probability is not 0 (also if it is a NaN), +0 elsewhere.
V_FN vf score_gradient_where_weighted(vf a, vf y) { return v_where_less(y, v_set(0x1p-149f), v_zero(), a); }

/// y * (dy - centre) of 16 keys joins the sum.
V_FN void score_gradient_sum_vector(vf *sum, const score_gradient *g, int64_t j, int whole) {
    vf y = read_keys(g->y, j, g->keys, whole), dy = read_keys(g->dy, j, g->keys, whole);
    *sum = v_fma(score_gradient_where_weighted(v_sub(dy, v_set(g->centre)), y), y, *sum);
}

/// The 64 keys from j on, of which all are there if `whole`.
V_FN void score_gradient_sum_block(lanes *sum, const score_gradient *g, int64_t j, int whole) {
    if (!whole) {
        lanes rare = *sum;  // what a loop counts through is in memory: not the sums of whole blocks
        for (int k = 0; k < 4; k++) score_gradient_sum_vector(&rare.v[k], g, j + 16 * k, 0);
        *sum = rare;
        return;
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) score_gradient_sum_vector(&sum->v[k], g, j + 16 * k, 1);
}

/// `fetch`: the same keys of the next row are asked for.
V_FN float score_gradient_sum(const score_gradient *given, int fetch, score_gradient_kind kind) {
    const score_gradient own = own_score_gradient(given, kind), *g = &own;
    key_range keys = g->keys;
    row_lanes total = row_lanes_zero();
    for (int64_t c = keys.from / CHUNK * CHUNK; c < keys.to; c += CHUNK) {
        lanes part = lanes_zero();
        key_range blocks = score_blocks(keys, c);
        for (int64_t j = blocks.from; j < blocks.to; j += BLOCK) {
            if (fetch) fetch_block(g->dy, j + g->dy_ahead, 0);
            if (fetch) fetch_block(g->y, j + g->y_ahead, 0);
            if (j >= keys.from && j + BLOCK <= keys.to)
                score_gradient_sum_block(&part, g, j, 1);
            else
                score_gradient_sum_block(&part, g, j, 0);
        }
        row_lanes_add(&total, &part, c);
    }
    lanes sum = row_lanes_total(&total, keys.to);
    return lanes_fold(&sum);
}

/// The output of 16 keys, of which `left` are there. `plain`: without bias, slope and softcap.
V_FN void score_gradient_output_vector(vf *slope, const score_gradient *g, int64_t j, int64_t left, int whole,
                                       int plain) {
    vf y = read_keys(g->y, j, g->keys, whole), dy = read_keys(g->dy, j, g->keys, whole);
    vf ds = v_mul(y, v_sub(v_sub(dy, v_set(g->centre)), v_set(g->mean)));
    ds = score_gradient_where_weighted(ds, y);
    if (!plain && g->bias_sums) store_left(g->bias_sums + j, left, v_add(load_left(g->bias_sums + j, left), ds));
    if (!plain && g->sums_slope) *slope = v_fma(ds, key_distances(j, g->position), *slope);
    vf dx = v_mul(ds, v_set(g->scale));
    if (!plain && g->inverse_cap > 0.0f) {
        vf s = v_mul(v_set(g->scale), read_keys(g->x, j, g->keys, whole));
        dx = v_mul(dx, softcap_slope(s, v_set(g->inverse_cap)));
    }
    write_left(g->dx, j, left, score_gradient_where_weighted(dx, y), g->streaming);
}

/// The 64 keys from j on, of which `left` are there.
V_FN void score_gradient_output_block(lanes *slope, const score_gradient *g, int64_t j, int64_t left, int whole,
                                      int plain) {
    if (!whole || !plain) {
        lanes rare = *slope;
        for (int k = 0; k < 4; k++)
            score_gradient_output_vector(&rare.v[k], g, j + 16 * k, left - 16 * k, whole, plain);
        *slope = rare;
        return;
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) score_gradient_output_vector(&slope->v[k], g, j + 16 * k, left - 16 * k, whole, plain);
}

V_FN float score_gradient_output_of_kind(const score_gradient *given, int64_t n, int plain, score_gradient_kind kind) {
    const score_gradient own = own_score_gradient(given, kind), *g = &own;
    key_range keys = g->keys;
    row_lanes total = row_lanes_zero();
    write_zeros(g->dx, 0, keys.from / BLOCK * BLOCK, g->streaming);
    for (int64_t c = keys.from / CHUNK * CHUNK; c < keys.to; c += CHUNK) {
        lanes part = lanes_zero();
        key_range blocks = score_blocks(keys, c);
        for (int64_t j = blocks.from; j < blocks.to; j += BLOCK)
            if (j >= keys.from && j + BLOCK <= keys.to)
                score_gradient_output_block(&part, g, j, BLOCK, 1, plain);
            else
                score_gradient_output_block(&part, g, j, n - j, 0, plain);
        row_lanes_add(&total, &part, c);
    }
    write_zeros(g->dx, (keys.to + BLOCK - 1) / BLOCK * BLOCK, n, g->streaming);
    lanes slope = row_lanes_total(&total, keys.to);
    return lanes_fold(&slope);
}

V_FN void score_gradient_with_sums(ck_type type, const score_gradient *g, int64_t n, int is_far, float *slope) {
    *slope = score_gradient_output_of_kind(g, n, 0, (score_gradient_kind){type, is_far});
}

/// Once for all callers: it is long.
V_SLOW float CK_JOIN(score_gradient_of_any, CK_SUFFIX)(const score_gradient *g, int64_t n, score_gradient_kind kind) {
    float slope;
    BY_TYPE(kind.type, score_gradient_with_sums, g, n, kind.is_far, &slope);
    return slope;
}

/// A row of `n` elements; the gradient of its slope.
V_FN float score_gradient_output(const score_gradient *g, int64_t n, score_gradient_kind kind) {
    int is_plain = !g->bias_sums && !g->sums_slope && !(g->inverse_cap > 0.0f);
    if (is_plain) return score_gradient_output_of_kind(g, n, 1, kind);
    return CK_JOIN(score_gradient_of_any, CK_SUFFIX)(g, n, kind);
}

/// e^(sink - log_sum_exp), the sink's share of the sum.
V_FN float sink_share(const ck_score_softmax_backward_args *a, score_place p, int64_t row) {
    float sink = mask_sink(&a->mask, p.head), lane[16];
    if (sink == -INFINITY) return 0.0f;
    v_store(lane, v_exp_1ulp(v_set(sink - a->log_sum_exp[row])));
    return lane[0];
}

V_FN void score_gradient_row(const ck_score_softmax_backward_args *a, const ck_score_sums *sums, score_place p,
                             float *bias_sums, score_gradient_kind kind) {
    int fetch = kind.is_far && p.query + 1 < a->queries;
    int64_t row = (p.batch * a->heads + p.head) * a->queries + p.query;
    int64_t saved = p.head * sums->head_pitch + p.batch * a->queries + p.query;
    score_gradient g = {
        .dy = source_at((source){a->dy, kind.type}, score_row_start(a->dy_strides, p)),
        .y = source_at((source){a->y, kind.type}, score_row_start(a->y_strides, p)),
        .dx = target_at((target){a->dx, kind.type}, score_row_start(a->dx_strides, p)),
        .keys = mask_keys(&a->mask, p.batch, p.head, p.query, a->keys),
        .position = mask_position(&a->mask, p.batch, p.query),
        .scale = a->scale,
        .bias_sums = bias_sums,
        .sums_slope = sums->slopes != 0,
        .dy_ahead = a->dy_strides.row,
        .y_ahead = a->y_strides.row,
    };
    if (a->mask.softcap > 0.0f) {
        g.inverse_cap = 1.0f / a->mask.softcap;
        g.x = source_at((source){a->x, kind.type}, score_row_start(a->x_strides, p));
    }
    float share = sink_share(a, p, row), centre = score_gradient_sum(&g, fetch, kind);
    g.centre = centre;
    g.mean = s_fma(-centre, share, score_gradient_sum(&g, 0, kind));
    float slope = score_gradient_output(&g, a->keys, kind);
    if (sums->slopes) sums->slopes[saved] = slope;
    if (sums->sinks) sums->sinks[saved] = -share * (g.centre + g.mean);
}

/// Place number `apart` of the axes that tell rows of the bias apart, number `summed` of the others.
V_FN score_place score_place_among(const ck_score_sums *s, int64_t apart, int64_t summed) {
    ck_score_axes a = s->apart, b = s->summed;
    return (score_place){
        .batch = apart / a.queries / a.heads + summed / b.queries / b.heads,
        .head = apart / a.queries % a.heads + summed / b.queries % b.heads,
        .query = apart % a.queries + summed % b.queries,
    };
}

V_FN void score_gradients(const ck_score_softmax_backward_args *a, const ck_score_sums *sums, int64_t begin,
                          int64_t end, score_gradient_kind kind) {
    for (int64_t item = begin; item < end; item++) {
        int64_t apart = item / sums->blocks, first = item % sums->blocks * sums->per_block;
        score_place place = score_place_among(sums, apart, 0);
        float *bias_sums = a->dbias ? a->dbias + score_row_start(a->dbias_strides, place) : 0;
        if (sums->blocks > 1) bias_sums = sums->partial + item * sums->pitch;
        for (int64_t j = 0; j < a->keys && bias_sums; j += 16) store_left(bias_sums + j, a->keys - j, v_zero());
        for (int64_t i = first; i < lesser(first + sums->per_block, sums->count); i++)
            score_gradient_row(a, sums, score_place_among(sums, apart, i), bias_sums, kind);
    }
}

V_FN void score_gradients_of_type(ck_type type, const ck_score_softmax_backward_args *a, const ck_score_sums *sums,
                                  int64_t begin, int64_t end, int is_far) {
    if (is_far)
        score_gradients(a, sums, begin, end, (score_gradient_kind){type, 1});
    else
        score_gradients(a, sums, begin, end, (score_gradient_kind){type, 0});
}

CK_KERNEL(score_softmax_backward)
(const ck_score_softmax_backward_args *a, const ck_score_sums *sums, int64_t begin, int64_t end, int is_far) {
    BY_TYPE(a->type, score_gradients_of_type, a, sums, begin, end, is_far);
    if (is_far) v_stream_end();
}
