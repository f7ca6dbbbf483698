// norm_gradient_row.h: one row of the gradients of norm: where it lies, its first pass, one vector of the second. The
// equations are in norm_backward_body.h.

/// Where columns are summed over the rows of a block, or all NULL.
typedef struct sum_places {
    float *weight, *bias, *branch_bias, *branch_scale;
} sum_places;

/// What the rows of one call share.
typedef struct gradient_call {
    const ck_norm_backward_args *args;
    int is_centred;  // LayerNorm; else RMSNorm
    parameter weight;
    branch_rule rule;
    sum_places sums;
} gradient_call;

typedef struct gradient_row {
    norm_row h;
    source dy, dsum;                // dsum.at is NULL without one
    target dx, dbranch;             // likewise
    int fetch_input, fetch_output;  // whether to ask for what lies some rows on, `ahead` elements from here
    struct {
        int64_t dy, x, branch, dsum, dx, dbranch;
    } ahead;
    float mean, rstd, shift;
    float centre, tau, projection;
} gradient_row;

/// Up to CHUNK columns of a row.
typedef struct gradient_chunk {
    norm_chunk h;
    source dy, dsum;
    const float *weight;
    sum_places sums;
    int64_t column;
    target dx, dbranch;  // these columns, or where those of a stretch wait
} gradient_chunk;

V_FN gradient_chunk gradient_chunk_at(gradient_call *call, const gradient_row *r, int64_t column, norm_kind kind) {
    gradient_chunk c = {
        .h = norm_chunk_at(&r->h, column, kind),
        .dy = source_at(typed_source(r->dy, kind), column),
        .weight = parameter_chunk(&call->weight, column),
        .column = column,
        .dx = optional_target(r->dx.at, kind.type, column),
        .dbranch = optional_target(r->dbranch.at, kind.type, column),
    };
    if (r->dsum.at) c.dsum = source_at(typed_source(r->dsum, kind), column);
    if (!call->sums.weight) return c;
    c.sums = (sum_places){call->sums.weight + column, call->sums.bias + column, 0, 0};
    if (!kind.residual) return c;
    c.sums.branch_bias = call->sums.branch_bias + column;
    c.sums.branch_scale = call->sums.branch_scale + column;
    return c;
}

V_FN vf xhat_of(vf h, const gradient_row *r) { return normalized(v_sub(h, v_set(r->mean)), r->rstd, r->shift); }

/// t of a dy.
V_FN vf centred_gradient(vf dy, vf weight, const gradient_row *r) { return v_fms(dy, weight, v_set(r->centre)); }

/// Near rows (reach_probe.h) do without: 32x1024 in the caches takes 0.80 of the time with three wishes, with a
/// residual 0.83, the probe included (Zen 3, AVX2, 2026-11-28).
V_FN void fetch_gradient_input(const gradient_row *r, int64_t i, int64_t bytes, norm_kind kind) {
    fetch_block(typed_source(r->dy, kind), i + r->ahead.dy, bytes);
    fetch_block(typed_source(r->h.x, kind), i + r->ahead.x, bytes);
    if (r->dsum.at) fetch_block(typed_source(r->dsum, kind), i + r->ahead.dsum, bytes);
    if (kind.residual) fetch_block(typed_source(r->h.branch, kind), i + r->ahead.branch, bytes);
}

V_FN void fetch_gradient_block(const gradient_row *r, int64_t i, norm_kind kind) {
    if (r->fetch_input) {
        fetch_gradient_input(r, i, 0, kind);
        if (V_FORGETS) fetch_gradient_input(r, i, AHEAD / 4, kind);
    }
    if (!r->fetch_output) return;
    if (r->dx.at) fetch_block_to_write(typed_target(r->dx, kind), i + r->ahead.dx, 0);
    if (r->dbranch.at) fetch_block_to_write(typed_target(r->dbranch, kind), i + r->ahead.dbranch, 0);
}

/// The mean of dy * weight over the sample of norm_moments.h.
V_FN float gradient_sample_mean(const gradient_call *call, const gradient_row *r, int64_t n, norm_kind kind) {
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k), left = n > BLOCK ? 16 : n - i;
        sample.v[k] = v_mul(read_left(typed_source(r->dy, kind), i, left), parameter_left(&call->weight, i, left));
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

V_FN void project_block(lanes *sum, lanes *product, const gradient_row *r, const gradient_chunk *c, int64_t i,
                        int64_t left, int k, norm_kind kind) {
    uint64_t kept = chunk_kept(&c->h, i, kind);
    V_UNROLL
    for (int last = k + V_TOGETHER; k < last; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(typed_source(c->dy, kind), j, rest), h = input_left(&c->h, j, rest, kept >> 16 * k, kind);
        vf t = keep_left(rest, centred_gradient(dy, load_left(c->weight + j, rest), r));
        sum->v[k] = v_add(sum->v[k], t);
        product->v[k] = v_fma(t, keep_left(rest, xhat_of(h, r)), product->v[k]);
    }
}

/// centre, tau and projection of one row.
V_FN void project_gradient(gradient_call *call, gradient_row *r, norm_kind kind) {
    int64_t n = call->args->cols;
    r->centre = call->is_centred ? gradient_sample_mean(call, r, n, kind) : 0.0f;
    row_lanes total = row_lanes_zero(), total_product = row_lanes_zero();
    for (int64_t column = 0; column < n; column += CHUNK) {
        lanes part = lanes_zero(), product = lanes_zero();
        gradient_chunk c = gradient_chunk_at(call, r, column, kind);
        int64_t width = lesser(CHUNK, n - column);
        V_UNROLL
        for (int k = 0; k < 4; k += V_TOGETHER) {
            int64_t i = 0, whole = in_whole(BLOCK, width);
            for (; i < whole; i += BLOCK) {
                if (V_FORGETS && k == 0 && r->fetch_input) fetch_gradient_input(r, column + i, 0, kind);
                project_block(&part, &product, r, &c, i, BLOCK, k, kind);
            }
            if (i < width) project_block(&part, &product, r, &c, i, width - i, k, kind);
        }
        row_lanes_add(&total, &part, column);
        row_lanes_add(&total_product, &product, column);
    }
    lanes sum = row_lanes_total(&total, n), sum_of_products = row_lanes_total(&total_product, n);
    r->tau = call->is_centred ? lanes_fold(&sum) / (float)n : 0.0f;
    r->projection = lanes_fold(&sum_of_products) / (float)n;
}

/// What is asked for. The usual combination is a constant in a copy of the loops of its own.
typedef struct gradient_wishes {
    int sums, dx, dsum, dbranch;
} gradient_wishes;

/// What 16 columns add up over rows.
typedef struct column_sums {
    vf weight, bias, branch_bias, branch_scale;
} column_sums;

V_FN column_sums sums_left(sum_places at, int64_t i, int64_t left, norm_kind kind) {
    column_sums s = {load_left(at.weight + i, left), load_left(at.bias + i, left), v_zero(), v_zero()};
    if (!kind.residual) return s;
    s.branch_bias = load_left(at.branch_bias + i, left);
    s.branch_scale = load_left(at.branch_scale + i, left);
    return s;
}
V_FN void put_sums_left(sum_places at, int64_t i, int64_t left, column_sums s, norm_kind kind) {
    store_left(at.weight + i, left, s.weight);
    store_left(at.bias + i, left, s.bias);
    if (!kind.residual) return;
    store_left(at.branch_bias + i, left, s.branch_bias);
    store_left(at.branch_scale + i, left, s.branch_scale);
}

/// The gradients of elements i ... i + 15 of a row's chunk, written at `to`, and what they add to the sums over rows.
V_FN void gradient_vector(const gradient_row *r, const gradient_chunk *c, column_sums *s, int64_t i, int64_t left,
                          uint64_t kept, int64_t to, gradient_wishes wishes, norm_kind kind) {
    vf dy = read_left(typed_source(c->dy, kind), i, left), xhat = xhat_of(input_left(&c->h, i, left, kept, kind), r);
    s->weight = v_fma(dy, xhat, s->weight);
    s->bias = v_add(s->bias, dy);
    if (!kind.residual && !wishes.dx) return;
    vf t = centred_gradient(dy, load_left(c->weight + i, left), r);
    vf dh = v_mul(v_fnma(xhat, v_set(r->projection), v_sub(t, v_set(r->tau))), v_set(r->rstd));
    if (wishes.dsum) dh = v_add(dh, read_left(typed_source(c->dsum, kind), i, left));
    if (!kind.residual) {
        write_left(typed_target(c->dx, kind), to, left, dh, 0);
        return;
    }
    const branch_rule *rule = r->h.rule;
    vf dbranch = dropped(v_mul(dh, load_left(c->h.scale + i, left)), &rule->dropout, kept, kind);
    s->branch_bias = v_add(s->branch_bias, dbranch);
    s->branch_scale = v_fma(dh, branch_left(&c->h, i, left, kept, kind), s->branch_scale);
    if (wishes.dx) write_left(typed_target(c->dx, kind), to, left, v_mul(v_set(rule->x_scale), dh), 0);
    if (wishes.dbranch) write_left(typed_target(c->dbranch, kind), to, left, dbranch, 0);
}
