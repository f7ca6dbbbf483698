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
// Bound: beyond the caches bandwidth.

typedef struct softmax_gradient {
    source dy, y;
    target dx;
    vf centre, sum;
    int logarithmic, streaming;
} softmax_gradient;

/// `a` where the probability is not 0 (also if it is a NaN), +0 elsewhere.
V_FN vf softmax_gradient_where_weighted(const softmax_gradient *g, vf a, vf y) {
    return v_where_less(y, v_set(g->logarithmic ? -0x1.fffffep127f : 0x1p-149f), v_zero(), a);
}

V_FN void softmax_gradient_sum_block(lanes *sum, const softmax_gradient *g, int64_t i, int64_t left) {
    for (int k = 0; k < 4; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(g->dy, j, rest), y = read_left(g->y, j, rest);
        if (g->logarithmic) {
            sum->v[k] = v_add(sum->v[k], keep_left(rest, softmax_gradient_where_weighted(g, dy, y)));
        } else {
            vf t = softmax_gradient_where_weighted(g, v_sub(dy, g->centre), y);  // y is 0 where nothing is left
            sum->v[k] = v_fma(t, y, sum->v[k]);
        }
    }
}

V_FN void softmax_gradient_output_block(const softmax_gradient *g, int64_t i, int64_t left) {
    for (int k = 0; k < 4; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(g->dy, j, rest), y = read_left(g->y, j, rest);
        vf dx = g->logarithmic ? v_fnma(v_exp_1ulp(y), g->sum, dy) : v_mul(y, v_sub(v_sub(dy, g->centre), g->sum));
        write_left(g->dx, j, rest, softmax_gradient_where_weighted(g, dx, y), g->streaming);
    }
}

/// The mean of dy over the sample of layer_norm_moments.h, as far as it counts.
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

V_FN void softmax_gradient_columns(const softmax_gradient *written, const softmax_gradient *summed, lanes *sum,
                                   int64_t i, int64_t n) {
    if (n - i >= BLOCK) {
        if (written) softmax_gradient_output_block(written, i, BLOCK);
        if (summed) {
            fetch_block(summed->dy, i, 2 * AHEAD);
            fetch_block(summed->y, i, 2 * AHEAD);
            softmax_gradient_sum_block(sum, summed, i, BLOCK);
        }
        return;
    }
    if (written) softmax_gradient_output_block(written, i, n - i);
    if (summed) softmax_gradient_sum_block(sum, summed, i, n - i);
}

V_FN void softmax_gradients(const ck_softmax_backward_args *a, int64_t begin, int64_t end, ck_type type,
                            int logarithmic, int streaming) {
    int64_t n = a->cols;
    softmax_gradient written = {0}, summed;
    for (int64_t row = begin - 1; row < end; row++) {
        int writes = row >= begin, sums = row + 1 < end;
        int64_t next = sums ? row + 1 : begin;
        summed = (softmax_gradient){
            .dy = source_at((source){a->dy, type}, next * a->dy_stride),
            .y = source_at((source){a->y, type}, next * a->y_stride),
            .dx = target_at((target){a->dx, type}, next * a->dx_stride),
            .logarithmic = logarithmic,
            .streaming = streaming,
        };
        summed.centre = v_set(sums && !logarithmic ? softmax_gradient_centre(&summed, n) : 0.0f);
        row_lanes total = row_lanes_zero();
        for (int64_t c = 0; c < n; c += CHUNK) {
            lanes part = lanes_zero();
            for (int64_t i = c; i < lesser(c + CHUNK, n); i += BLOCK)
                softmax_gradient_columns(writes ? &written : 0, sums ? &summed : 0, &part, i, n);
            row_lanes_add(&total, &part, c);
        }
        lanes sum = row_lanes_total(&total, n);
        summed.sum = v_set(lanes_fold(&sum));
        written = summed;
    }
}

V_FN void softmax_gradients_of_type(const ck_softmax_backward_args *a, int64_t begin, int64_t end, ck_type type,
                                    int streaming) {
    if (a->logarithmic)
        softmax_gradients(a, begin, end, type, 1, streaming);
    else
        softmax_gradients(a, begin, end, type, 0, streaming);
}

CK_KERNEL(softmax_backward)(const ck_softmax_backward_args *a, int64_t begin, int64_t end, int streaming) {
    if (a->type == CK_F32)
        softmax_gradients_of_type(a, begin, end, CK_F32, streaming);
    else if (a->type == CK_BF16)
        softmax_gradients_of_type(a, begin, end, CK_BF16, streaming);
    else
        softmax_gradients_of_type(a, begin, end, CK_F16, streaming);
    if (streaming) v_stream_end();
}
