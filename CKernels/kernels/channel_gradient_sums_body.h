// channel_gradient_sums_body.h: what the gradients of ck_channel_norm need of every channel in every part, into the
// tables. With xhat = (fma(x, scale, -centre) - low) * factor and e the mean of a sample of dy:
//
//     t = dy - e;   sum(t), sum(t * xhat), sum(xhat), e
//
// Parts and sums are those of channel_moments_body.h. Bound: bandwidth.

/// What makes xhat of x: of 16 channels, or of one set in all lanes.
typedef struct xhat_rule {
    vf scale, centre, low, factor;
} xhat_rule;

V_FN vf xhat_by_rule(vf x, xhat_rule r) { return v_mul(v_sub(v_fms(x, r.scale, r.centre), r.low), r.factor); }

V_FN xhat_rule run_xhat_rule(const ck_channel_region *r, int64_t c) {
    return (xhat_rule){v_set(plane(r, CK_SCALE)[c]), v_set(plane(r, CK_CENTRE)[c]), v_set(plane(r, CK_LOW)[c]),
                       v_set(plane(r, CK_FACTOR)[c])};
}

V_FN xhat_rule column_xhat_rule(const ck_channel_region *r, int64_t c, int64_t left) {
    return (xhat_rule){load_left(plane(r, CK_SCALE) + c, left), load_left(plane(r, CK_CENTRE) + c, left),
                       load_left(plane(r, CK_LOW) + c, left), load_left(plane(r, CK_FACTOR) + c, left)};
}

typedef struct gradient_lanes {
    lanes dy, product, xhat;
} gradient_lanes;

/// Where a run lies, and its coefficients. With weights, one an element, t = fma(dy, weight, -e).
typedef struct gradient_run {
    source dy, x;
    const float *weight;  // or NULL
    xhat_rule rule;
    vf dy_centre;
} gradient_run;

V_FN void gradient_run_block(gradient_lanes *s, const gradient_run *g, int64_t i, int64_t left, int k) {
    V_UNROLL
    for (int last = k + V_TOGETHER; k < last; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(g->dy, j, rest);
        vf t = g->weight ? v_fms(dy, load_left(g->weight + j, rest), g->dy_centre) : v_sub(dy, g->dy_centre);
        vf xhat = keep_left(rest, xhat_by_rule(read_left(g->x, j, rest), g->rule));
        t = keep_left(rest, t);
        s->dy.v[k] = v_add(s->dy.v[k], t);
        s->product.v[k] = v_fma(t, xhat, s->product.v[k]);
        s->xhat.v[k] = v_add(s->xhat.v[k], xhat);
    }
}

typedef struct gradient_sums {
    float dy, product, xhat;
} gradient_sums;

V_FN gradient_lanes gradient_run_chunk(const gradient_run *g, int64_t begin, int64_t end) {
    gradient_lanes chunk = {lanes_zero(), lanes_zero(), lanes_zero()};
    V_UNROLL
    for (int k = 0; k < 4; k += V_TOGETHER) {
        int64_t i = begin, whole = begin + in_whole(BLOCK, end - begin);
        for (; i < whole; i += BLOCK) gradient_run_block(&chunk, g, i, BLOCK, k);
        if (i + 16 * k < end) gradient_run_block(&chunk, g, i, end - i, k);
    }
    return chunk;
}

V_FN gradient_sums fold_gradient_lanes(const gradient_lanes *s) {
    return (gradient_sums){lanes_fold(&s->dy), lanes_fold(&s->product), lanes_fold(&s->xhat)};
}

V_FN gradient_sums sum_gradient_run(const gradient_run *g, int64_t n) {
    gradient_lanes chunk = gradient_run_chunk(g, 0, lesser(CHUNK, n));
    if (n <= CHUNK) return fold_gradient_lanes(&chunk);
    row_lanes dy = row_lanes_zero(), product = dy, xhat = dy;
    for (int64_t c = 0;;) {
        row_lanes_add(&dy, &chunk.dy, c);
        row_lanes_add(&product, &chunk.product, c);
        row_lanes_add(&xhat, &chunk.xhat, c);
        if ((c += CHUNK) >= n) break;
        chunk = gradient_run_chunk(g, c, lesser(c + CHUNK, n));
    }
    gradient_lanes total = {row_lanes_total(&dy, n), row_lanes_total(&product, n), row_lanes_total(&xhat, n)};
    return fold_gradient_lanes(&total);
}

V_FN void gradient_sums_of_runs(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end) {
    int64_t n = r->shape.positions, channels = r->shape.channels;
    for (int64_t run = begin; run < end; run++) {
        int64_t c = run % channels, part = run / channels;
        gradient_run g = {
            .dy = source_at((source){r->dy, type}, run * n),
            .x = source_at((source){r->x, type}, run * n),
            .rule = run_xhat_rule(r, c),
        };
        float e = sample_mean(&(norm_row){.x = g.dy}, n, UNSCALED, (norm_kind){.type = type});
        g.dy_centre = v_set(e);
        gradient_sums sums = sum_gradient_run(&g, n);
        table_row(r, CK_DY, part)[c] = sums.dy;
        table_row(r, CK_PRODUCTS, part)[c] = sums.product;
        table_row(r, CK_XHAT, part)[c] = sums.xhat;
        table_row(r, CK_DY_CENTRES, part)[c] = e;
    }
}

typedef struct gradient_columns_of_strip {
    float dy_centre[CK_STRIP], dy[CK_STRIP], product[CK_STRIP], xhat[CK_STRIP];
} gradient_columns_of_strip;

V_FN void begin_gradient_columns(gradient_columns_of_strip *s, source dy, int64_t pitch, int64_t rows, int64_t i,
                                 int64_t left) {
    v_store(s->dy_centre + i, column_sample_mean(dy, pitch, rows, i, left));
    v_store(s->dy + i, v_zero());
    v_store(s->product + i, v_zero());
    v_store(s->xhat + i, v_zero());
}

V_FN void add_gradient_columns(gradient_columns_of_strip *s, const ck_channel_region *r, column_strip strip, source dy,
                               source x, int64_t rows, int64_t i, int64_t left) {
    int64_t pitch = r->shape.channels;
    xhat_rule rule = column_xhat_rule(r, strip.first + i, left);
    vf dy_centre = v_load(s->dy_centre + i), dy_sum = v_zero(), product_sum = v_zero(), xhat_sum = v_zero();
    for (int64_t row = 0; row < rows; row++) {
        vf t = v_sub(read_left(dy, row * pitch + i, left), dy_centre);
        vf xhat = xhat_by_rule(read_left(x, row * pitch + i, left), rule);
        dy_sum = v_add(dy_sum, t);
        product_sum = v_fma(t, xhat, product_sum);
        xhat_sum = v_add(xhat_sum, xhat);
    }
    v_store(s->dy + i, v_add(v_load(s->dy + i), dy_sum));
    v_store(s->product + i, v_add(v_load(s->product + i), product_sum));
    v_store(s->xhat + i, v_add(v_load(s->xhat + i), xhat_sum));
}

V_FN void add_gradient_tile(gradient_columns_of_strip *s, const ck_channel_region *r, column_strip strip, source dy,
                            source x, int64_t row, int64_t rows) {
    int64_t i = 0;
    dy = source_at(dy, row * r->shape.channels);
    x = source_at(x, row * r->shape.channels);
    for (; i + 16 <= strip.width; i += 16) {
        fetch_tile(r, dy, strip_share(r, i));
        fetch_tile(r, x, strip_share(r, i));
        add_gradient_columns(s, r, strip, dy, x, rows, i, 16);
    }
    if (i < strip.width) add_gradient_columns(s, r, strip, dy, x, rows, i, strip.width - i);
}

V_FN void gradient_sums_of_strip(ck_type type, const ck_channel_region *r, column_strip strip) {
    source dy = strip_source(r, strip, r->dy, type), x = strip_source(r, strip, r->x, type);
    int64_t i = 0, row = 0;
    gradient_columns_of_strip s;
    for (; i + 16 <= strip.width; i += 16) begin_gradient_columns(&s, dy, r->shape.channels, strip.rows, i, 16);
    if (i < strip.width) begin_gradient_columns(&s, dy, r->shape.channels, strip.rows, i, strip.width - i);
    for (; row + CK_TILE <= strip.rows; row += CK_TILE) add_gradient_tile(&s, r, strip, dy, x, row, CK_TILE);
    if (row < strip.rows) add_gradient_tile(&s, r, strip, dy, x, row, strip.rows - row);
    for (i = 0; i < strip.width; i++) {
        int64_t c = strip.first + i;
        table_row(r, CK_DY, strip.part)[c] = s.dy[i];
        table_row(r, CK_PRODUCTS, strip.part)[c] = s.product[i];
        table_row(r, CK_XHAT, strip.part)[c] = s.xhat[i];
        table_row(r, CK_DY_CENTRES, strip.part)[c] = s.dy_centre[i];
    }
}

V_FN void gradient_sums_of_strips(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) gradient_sums_of_strip(type, r, column_strip_at(r, index));
}

/// Runs, or strips of parts, begin ..< end.
CK_KERNEL(channel_gradient_sums)(const ck_channel_region *r, int64_t begin, int64_t end) {
    if (r->shape.layout == CK_CHANNELS_FIRST)
        BY_TYPE(r->shape.type, gradient_sums_of_runs, r, begin, end);
    else
        BY_TYPE(r->shape.type, gradient_sums_of_strips, r, begin, end);
}
