// norm_backward_body.h: gradients of norm for a range of rows. With h = x or the residual sum, xhat = ((h - mean) -
// mean_low) * rstd and g = dy * weight:
//
//     c = the mean of a sample of g,   t_i = g_i - c,   tau = sum(t) / n,   p = sum(t * xhat) / n
//     dh = fma(-xhat, p, t - tau) * rstd [+ dsum]
//     weight_sums = fma(dy, xhat, weight_sums),   bias_sums += dy       row by row, in their order
//
// (sum(xhat) is 0, so t may stand for g in p: under a common offset of dy nothing is lost.) For RMSNorm the means, c and
// tau are 0. With a branch:
//
//     dx = scale * dh,   dbranch = dropout(branch_scale * dh)
//     branch_bias_sums += dbranch,   branch_scale_sums = fma(dh, dropout(branch + branch_bias), branch_scale_sums)
//
// Bound: 5 multiplications and 5 additions a vector in the second pass, beyond the caches bandwidth.

/// What the rows of one call share.
typedef struct gradient_call {
    const ck_norm_backward_args *args;
    int is_centred;  // LayerNorm; else RMSNorm
    parameter weight;
    branch_rule rule;
    float *weight_sums, *bias_sums, *branch_bias_sums, *branch_scale_sums;  // of this block of rows, or all NULL
} gradient_call;

typedef struct gradient_row {
    norm_row h;
    source dy, dsum;                    // dsum.at is NULL without one
    target dx, dbranch;                 // likewise
    int fetch_input, fetch_output;      // whether to ask for what lies some rows on, `ahead` elements from here
    struct {
        int64_t dy, x, branch, dsum, dx, dbranch;
    } ahead;
    float mean, mean_low, rstd;
    float centre, tau, projection;
} gradient_row;

/// Up to CHUNK columns of a row.
typedef struct gradient_chunk {
    norm_chunk h;
    const float *weight;
    int64_t column;
} gradient_chunk;

V_FN gradient_chunk gradient_chunk_at(gradient_call *call, const gradient_row *r, int64_t column, norm_kind kind) {
    return (gradient_chunk){norm_chunk_at(&r->h, column, kind), parameter_chunk(&call->weight, column), column};
}

V_FN vf xhat_of(vf h, const gradient_row *r) {
    return v_mul(v_sub(v_sub(h, v_set(r->mean)), v_set(r->mean_low)), v_set(r->rstd));
}

/// t of a dy.
V_FN vf centred_gradient(vf dy, vf weight, const gradient_row *r) {
    return v_sub(v_mul(dy, weight), v_set(r->centre));
}

V_FN void fetch_gradient_input(const gradient_row *r, int64_t i, int64_t bytes, norm_kind kind) {
    fetch_block(typed_source(r->dy, kind), i + r->ahead.dy, bytes);
    fetch_block(typed_source(r->h.x, kind), i + r->ahead.x, bytes);
    if (r->dsum.at) fetch_block(typed_source(r->dsum, kind), i + r->ahead.dsum, bytes);
    if (kind.residual) fetch_block(typed_source(r->h.branch, kind), i + r->ahead.branch, bytes);
}

V_FN void fetch_gradient_output(const gradient_row *r, int64_t i, norm_kind kind) {
    if (r->dx.at) fetch_block_to_write(typed_target(r->dx, kind), i + r->ahead.dx, 0);
    if (r->dbranch.at) fetch_block_to_write(typed_target(r->dbranch, kind), i + r->ahead.dbranch, 0);
}

/// The mean of g over the sample of norm_moments.h.
V_FN float gradient_sample_mean(const gradient_call *call, const gradient_row *r, int64_t n, norm_kind kind) {
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k), left = n > BLOCK ? 16 : n - i;
        sample.v[k] = v_mul(read_left(typed_source(r->dy, kind), i, left), parameter_left(&call->weight, i, left));
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

V_FN void project_block(lanes *sum, lanes *product, const gradient_row *r, const gradient_chunk *c, int64_t i, int64_t left,
                        int k, norm_kind kind) {
    uint64_t kept = chunk_kept(&c->h, i, kind);
    for (int last = k + V_TOGETHER; k < last; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf dy = read_left(typed_source(r->dy, kind), c->column + j, rest), h = input_left(&c->h, j, rest, kept >> 16 * k, kind);
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
        for (int k = 0; k < 4; k += V_TOGETHER) {
            int64_t i = 0;
            for (; i + BLOCK <= width; i += BLOCK) {
                if (k == 0 && r->fetch_input) fetch_gradient_input(r, column + i, 0, kind);
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

/// Sums over rows of a block of columns.
typedef struct column_sums {
    lanes weight, bias, branch_bias, branch_scale;
} column_sums;

V_FN lanes sums_left(const float *sums, int64_t i, int64_t left) {
    lanes a;
    for (int k = 0; k < 4; k++) a.v[k] = load_left(sums + i + 16 * k, left - 16 * k);
    return a;
}
V_FN void put_sums_left(float *sums, int64_t i, int64_t left, lanes a) {
    for (int k = 0; k < 4; k++) store_left(sums + i + 16 * k, left - 16 * k, a.v[k]);
}

/// One vector of gradients of one row, with what it adds to the sums over rows.
V_FN void gradient_vector(const gradient_call *call, const gradient_row *r, const gradient_chunk *c, column_sums *s, int k,
                          int64_t j, int64_t rest, uint64_t kept, int streaming, norm_kind kind) {
    vf dy = read_left(typed_source(r->dy, kind), c->column + j, rest), xhat = xhat_of(input_left(&c->h, j, rest, kept, kind), r);
    if (call->weight_sums) {
        s->weight.v[k] = v_fma(dy, xhat, s->weight.v[k]);
        s->bias.v[k] = v_add(s->bias.v[k], dy);
    }
    if (!kind.residual && !r->dx.at) return;
    vf t = centred_gradient(dy, load_left(c->weight + j, rest), r);
    vf dh = v_mul(v_fnma(xhat, v_set(r->projection), v_sub(t, v_set(r->tau))), v_set(r->rstd));
    if (r->dsum.at) dh = v_add(dh, read_left(typed_source(r->dsum, kind), c->column + j, rest));
    if (!kind.residual) {
        write_left(typed_target(r->dx, kind), c->column + j, rest, dh, streaming);
        return;
    }
    const dropout *d = &call->rule.dropout;
    vf dbranch = dropped(v_mul(dh, load_left(c->h.scale + j, rest)), d, kept);
    if (call->weight_sums) {
        s->branch_bias.v[k] = v_add(s->branch_bias.v[k], dbranch);
        s->branch_scale.v[k] = v_fma(dh, branch_left(&c->h, j, rest, kept, kind), s->branch_scale.v[k]);
    }
    if (r->dx.at) write_left(typed_target(r->dx, kind), c->column + j, rest, v_mul(v_set(call->rule.x_scale), dh), streaming);
    if (r->dbranch.at) write_left(typed_target(r->dbranch, kind), c->column + j, rest, dbranch, streaming);
}

/// 64 columns of gradients for some rows, and their contribution to the sums over rows (if wanted).
V_FN void gradient_block(const gradient_call *call, const gradient_row *rows, const gradient_chunk *chunks, int count, int64_t i,
                         int64_t left, int streaming, norm_kind kind) {
    column_sums s = {lanes_zero(), lanes_zero(), lanes_zero(), lanes_zero()};
    int64_t column = chunks[0].column + i;
    if (call->weight_sums) {
        s.weight = sums_left(call->weight_sums, column, left);
        s.bias = sums_left(call->bias_sums, column, left);
        if (kind.residual) s.branch_bias = sums_left(call->branch_bias_sums, column, left);
        if (kind.residual) s.branch_scale = sums_left(call->branch_scale_sums, column, left);
    }
    for (int row = 0; row < count; row++) {
        const gradient_row *r = &rows[row];
        if (left == BLOCK && r->fetch_input) {
            fetch_gradient_input(r, column, 0, kind);
            fetch_gradient_input(r, column, AHEAD / 4, kind);
        }
        if (left == BLOCK && r->fetch_output) fetch_gradient_output(r, column, kind);
        uint64_t kept = chunk_kept(&chunks[row].h, i, kind);
        for (int k = 0; k < 4; k++)
            gradient_vector(call, r, &chunks[row], &s, k, i + 16 * k, left - 16 * k, kept >> 16 * k, streaming, kind);
    }
    if (call->weight_sums) {
        put_sums_left(call->weight_sums, column, left, s.weight);
        put_sums_left(call->bias_sums, column, left, s.bias);
        if (kind.residual) put_sums_left(call->branch_bias_sums, column, left, s.branch_bias);
        if (kind.residual) put_sums_left(call->branch_scale_sums, column, left, s.branch_scale);
    }
}

/// Rows of a group share what is loaded of weight and of the sums over rows. Wide ones are fewer: where rows are
/// 4 KiB apart, dy, x and dx of each take a way of the same set of the first cache level.
#define TOGETHER 4

V_FN void gradient_rows(gradient_call *call, int64_t begin, int count, int streaming, int fetch, norm_kind kind) {
    const ck_norm_backward_args *a = call->args;
    gradient_row rows[TOGETHER] = {0};
    gradient_chunk chunks[TOGETHER];
    int64_t n = a->cols;
    for (int k = 0; k < count; k++) {
        int64_t row = begin + k;
        rows[k] = (gradient_row){
            .h = norm_row_at(a->x, a->x_stride, a->residual, &call->rule, row, kind),
            .dy = source_at((source){a->dy, kind.type}, row * a->dy_stride),
            .dsum = {0, kind.type},
            .dx = optional_target(a->dx, kind.type, row * a->dx_stride),
            .dbranch = optional_target(a->dbranch, kind.type, row * a->dbranch_stride),
            .fetch_input = fetch,
            .fetch_output = fetch && !streaming,
            .ahead = {count * a->dy_stride, count * a->x_stride, kind.residual ? count * a->residual->branch_stride : 0,
                      count * a->dsum_stride, count * a->dx_stride, count * a->dbranch_stride},
            .mean = call->is_centred ? a->mean[row] : 0.0f,
            .mean_low = call->is_centred && a->mean_low ? a->mean_low[row] : 0.0f,
            .rstd = a->rstd[row],
        };
        if (a->dsum) rows[k].dsum = source_at((source){a->dsum, kind.type}, row * a->dsum_stride);
        if (kind.residual || a->dx) project_gradient(call, &rows[k], kind);
    }
    for (int64_t column = 0; column < n; column += CHUNK) {
        int64_t i = 0, width = lesser(CHUNK, n - column);
        for (int k = 0; k < count; k++) chunks[k] = gradient_chunk_at(call, &rows[k], column, kind);
        for (; i + BLOCK <= width; i += BLOCK) gradient_block(call, rows, chunks, count, i, BLOCK, streaming, kind);
        if (i < width) gradient_block(call, rows, chunks, count, i, width - i, streaming, kind);
    }
}

/// `together` is a constant: two copies of the loops.
V_FN void gradient_groups(gradient_call *call, int64_t begin, int64_t end, int together, int streaming, norm_kind kind) {
    for (; begin + together <= end; begin += together)
        gradient_rows(call, begin, together, streaming, begin + 2 * together <= end, kind);
    for (; begin < end; begin++) gradient_rows(call, begin, 1, streaming, 0, kind);
}

V_FN void norm_gradients(const ck_norm_backward_args *a, int is_centred, int64_t begin, int64_t end, float *sums,
                         int64_t pitch, int streaming, norm_kind kind) {
    gradient_call call;
    call.args = a;
    call.is_centred = is_centred;
    call.weight_sums = sums;
    parameter_set(&call.weight, a->weight, a->parameter_type, a->weight_offset, CK_JOIN(ones, CK_SUFFIX), a->cols);
    branch_rule_set(&call.rule, a->residual, a->parameter_type, a->cols);
    if (sums) {
        for (int64_t i = 0; i < (kind.residual ? 4 : 2) * pitch; i += 16) v_store(sums + i, v_zero());
        call.bias_sums = sums + pitch;
        call.branch_bias_sums = sums + 2 * pitch;
        call.branch_scale_sums = sums + 3 * pitch;
    }
    if (kind.residual || a->cols > 512) gradient_groups(&call, begin, end, 2, streaming, kind);
    else gradient_groups(&call, begin, end, 4, streaming, kind);
    if (streaming) v_stream_end();
}

#define CK_GRADIENT_COPY(name, type, residual)                                                                        \
    V_SLOW void CK_JOIN(norm_gradients_##name, CK_SUFFIX)(                                   \
        const ck_norm_backward_args *a, int is_centred, int64_t begin, int64_t end, float *sums, int64_t pitch,        \
        int streaming) {                                                                                               \
        norm_gradients(a, is_centred, begin, end, sums, pitch, streaming, (norm_kind){type, residual});                \
    }
CK_NORM_KINDS(CK_GRADIENT_COPY)

CK_KERNEL(norm_backward)(const ck_norm_backward_args *a, int is_centred, int64_t begin, int64_t end, float *sums,
                         int64_t pitch, int streaming) {
    int is_sum = a->residual != 0;
#define CK_GRADIENT_CALL(name, of_type, residual)  \
    if (a->type == of_type && is_sum == residual) \
        CK_JOIN(norm_gradients_##name, CK_SUFFIX)(a, is_centred, begin, end, sums, pitch, streaming);
    CK_NORM_KINDS(CK_GRADIENT_CALL)
}
