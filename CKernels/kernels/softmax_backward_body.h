// softmax_backward_body.h: gradients of softmax for a range of rows, from its output y.
//
//     c = the mean of a sample of dy,   t_i = dy_i - c,   D = sum(y * t)          where y > 0
//     dx = y * (t - D)
//
// (y sums to 1, so c + D is the mean of dy under y, and a common offset of dy costs nothing.) For a logarithmic y:
//
//     S = sum(dy),   dx = fma(-e^y, S, dy)                                       where y > -infinity
//
// Elsewhere dx is 0, and dy adds nothing. One row is written while the next one is summed.
// Bound: in the caches by instructions, 20 for eight float32 with AVX2 (callgrind, 2026-11-28); beyond them bandwidth.

/// What is constant in one copy of the body.
typedef struct softmax_gradient_kind {
    ck_type type;
    int logarithmic, streaming;
} softmax_gradient_kind;

typedef struct softmax_gradient {
    source dy, y;
    target dx;
    vf centre, sum;
    softmax_gradient_kind kind;
    int64_t ahead;  // bytes from what is summed to what is asked for with it
} softmax_gradient;

/// A copy, which stores cannot change, with what the compiler knows.
V_FN softmax_gradient own_gradient(const softmax_gradient *g, softmax_gradient_kind kind) {
    return (softmax_gradient){
        {g->dy.at, kind.type}, {g->y.at, kind.type}, {g->dx.at, kind.type}, g->centre, g->sum, kind, g->ahead};
}

/// `a` where the probability is not 0 (also if it is a NaN), +0 elsewhere.
V_FN vf softmax_gradient_where_weighted(const softmax_gradient *g, vf a, vf y) {
    return v_where_less(y, v_set(g->kind.logarithmic ? -0x1.fffffep127f : 0x1p-149f), v_zero(), a);
}

V_FN void softmax_gradient_sum_block(lanes *sum, const softmax_gradient *g, int64_t i, int64_t left) {
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(g->dy, j, rest), y = read_left(g->y, j, rest);
        if (g->kind.logarithmic) {
            sum->v[k] = v_add(sum->v[k], keep_left(rest, softmax_gradient_where_weighted(g, dy, y)));
        } else {
            vf t = softmax_gradient_where_weighted(g, v_sub(dy, g->centre), y);  // y is 0 where nothing is left
            sum->v[k] = v_fma(t, y, sum->v[k]);
        }
    }
}

/// What columns from ..< to add to `sum`.
V_FN void softmax_gradient_sums(lanes *sum, const softmax_gradient *g, int64_t from, int64_t to,
                                softmax_gradient_kind kind) {
    softmax_gradient own = own_gradient(g, kind);
    lanes total = *sum;
    for (int64_t whole = from + in_whole(BLOCK, to - from); from < whole; from += BLOCK) {
        fetch_block(own.dy, from, own.ahead);
        fetch_block(own.y, from, own.ahead);
        softmax_gradient_sum_block(&total, &own, from, BLOCK);
    }
    if (from < to) softmax_gradient_sum_block(&total, &own, from, to - from);
    *sum = total;
}

V_FN void softmax_gradient_output_block(const softmax_gradient *g, int64_t i, int64_t left) {
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(g->dy, j, rest), y = read_left(g->y, j, rest);
        vf dx = g->kind.logarithmic ? v_fnma(v_exp_1ulp(y), g->sum, dy) : v_mul(y, v_sub(v_sub(dy, g->centre), g->sum));
        write_left(g->dx, j, rest, softmax_gradient_where_weighted(g, dx, y), g->kind.streaming);
    }
}

/// dx of columns from ..< to.
V_FN void softmax_gradient_outputs(const softmax_gradient *g, int64_t from, int64_t to, softmax_gradient_kind kind) {
    softmax_gradient own = own_gradient(g, kind);
    for (int64_t whole = from + in_whole(BLOCK, to - from); from < whole; from += BLOCK)
        softmax_gradient_output_block(&own, from, BLOCK);
    if (from < to) softmax_gradient_output_block(&own, from, to - from);
}

/// The mean of dy over the sample of norm_moments.h, as far as it counts.
V_FN float softmax_gradient_centre(const softmax_gradient *g, int64_t n) {
    lanes sum, count;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k), left = n > BLOCK ? 16 : n - i;
        vf y = read_left(g->y, i, left);
        sum.v[k] = softmax_gradient_where_weighted(g, read_left(g->dy, i, left), y);
        count.v[k] = softmax_gradient_where_weighted(g, v_set(1.0f), y);
    }
    float counted = lanes_fold(&count);
    return counted > 0.0f ? lanes_fold(&sum) / counted : 0.0f;
}

/// Columns of a row that are written before as many of the next one are summed. Single blocks where float32 goes past
/// the caches: 4096x1024 3.5 ms, with 256 columns 4.1; bfloat16 2.6 and 2.4 (AVX2, Zen 3, one thread, 2026-11-28).
V_FN int64_t gradient_strip(softmax_gradient_kind kind) {
    return kind.streaming && kind.type == CK_F32 ? BLOCK : STRIP;
}

/// The next row is asked for, if rows are neither short nor long: 4096x4096 0.9 of its time with 8 KiB ahead, 4096x1024
/// the same (likewise).
V_FN int64_t gradient_ahead(int64_t cols, softmax_gradient_kind kind) {
    int64_t row = cols * size_of(kind.type);
    return row < AHEAD || row > 8 * AHEAD ? 2 * AHEAD : row;
}

V_FN void softmax_gradients(const ck_softmax_backward_args *a, int64_t begin, int64_t end, softmax_gradient_kind kind) {
    int64_t n = a->cols, strip = gradient_strip(kind);
    softmax_gradient written = {0}, summed;
    for (int64_t row = begin - 1; row < end; row++) {
        int writes = row >= begin, sums = row + 1 < end;
        int64_t next = sums ? row + 1 : begin;
        summed = (softmax_gradient){
            .dy = source_at((source){a->dy, kind.type}, next * a->dy_stride),
            .y = source_at((source){a->y, kind.type}, next * a->y_stride),
            .dx = target_at((target){a->dx, kind.type}, next * a->dx_stride),
            .kind = kind,
            .ahead = gradient_ahead(a->cols, kind),
        };
        summed.centre = v_set(sums && !kind.logarithmic ? softmax_gradient_centre(&summed, n) : 0.0f);
        row_lanes total = row_lanes_zero();
        for (int64_t c = 0; c < n; c += CHUNK) {
            lanes part = lanes_zero();
            for (int64_t i = c; i < lesser(c + CHUNK, n); i += strip) {
                if (writes) softmax_gradient_outputs(&written, i, lesser(i + strip, n), kind);
                if (sums) softmax_gradient_sums(&part, &summed, i, lesser(i + strip, n), kind);
            }
            row_lanes_add(&total, &part, c);
        }
        lanes sum = row_lanes_total(&total, n);
        summed.sum = v_set(lanes_fold(&sum));
        written = summed;
    }
}

V_FN void softmax_gradients_of_type(ck_type type, const ck_softmax_backward_args *a, int64_t begin, int64_t end,
                                    int streaming) {
    if (a->logarithmic)
        softmax_gradients(a, begin, end, (softmax_gradient_kind){type, 1, streaming});
    else if (streaming)
        softmax_gradients(a, begin, end, (softmax_gradient_kind){type, 0, 1});
    else
        softmax_gradients(a, begin, end, (softmax_gradient_kind){type, 0, 0});
}

CK_KERNEL(softmax_backward)(const ck_softmax_backward_args *a, int64_t begin, int64_t end, int streaming) {
    BY_TYPE(a->type, softmax_gradients_of_type, a, begin, end, streaming);
    if (streaming) v_stream_end();
}
