// norm_row.h: the output pass: y = normalized * (weight + weight_offset) + bias, and the residual sum if it is wanted.
//
// An exact sum of rows that are near is kept by the first pass, where it is wanted or else in y: the output pass is
// then one of a row without a branch.

/// What the rows of one call share.
typedef struct norm_call {
    const ck_norm_args *args;
    int is_centred;  // LayerNorm; else RMSNorm
    parameter weight, bias;
    branch_rule reading, writing;  // the same rule, held at the chunks of the first and of the second pass
    int fetches;                   // whether to ask for what lies ahead
    row_steps steps;
    float *kept;  // where the first pass keeps exact sums, or NULL
    int64_t kept_stride;
} norm_call;

V_FN int is_special(const ck_norm_args *a) { return a->quantized || a->addend; }

V_FN void norm_call_set(norm_call *call, const ck_norm_args *a, int is_centred, ck_reach reach, norm_kind kind) {
    int keeps = is_exact_sum(kind) && reach == CK_NEAR && !is_special(a), keeps_in_y = keeps && !a->residual->sum;
    call->args = a;
    call->fetches = reach != CK_NEAR;
    call->steps = row_steps_of(a->cols, a->x_stride, a->residual, kind);
    call->kept = keeps ? (keeps_in_y ? a->y : a->residual->sum) : 0;
    call->kept_stride = keeps ? (keeps_in_y ? a->y_stride : a->residual->sum_stride) : 0;
    call->is_centred = is_centred;
    parameter_set(&call->weight, a->weight, a->parameter_type, a->weight_offset, CK_JOIN(ones, CK_SUFFIX), a->cols);
    parameter_set(&call->bias, a->bias, a->parameter_type, 0.0f, CK_JOIN(zeros, CK_SUFFIX), a->cols);
    branch_rule_set(&call->reading, a->residual, a->parameter_type, a->cols);
    branch_rule_set(&call->writing, a->residual, a->parameter_type, a->cols);
}

/// How to ask for what is read, or NULL.
V_FN const row_steps *steps_to_fetch(const norm_call *call) { return call->fetches ? &call->steps : 0; }

/// Where a row is centred before its own mean is known; 0 for RMSNorm.
V_FN float first_centre(const norm_call *call, const norm_row *row, scaling s, norm_kind kind) {
    return call->is_centred ? sample_mean(row, call->args->cols, s, kind) : 0.0f;
}

V_FN norm_row row_to_read(norm_call *call, int64_t row, norm_kind kind) {
    norm_row at = norm_row_at(call->args->x, call->args->x_stride, call->args->residual, &call->reading, row, kind);
    if (is_exact_sum(kind) && call->kept) at.kept = call->kept + row * call->kept_stride;
    return at;
}

/// The row that the output pass reads: with a branch from where the first pass read, without one a sum that it kept.
V_FN norm_row row_to_write(norm_call *call, int64_t row, norm_kind kind) {
    const ck_norm_args *a = call->args;
    if (!kind.residual && call->kept) return norm_row_at(call->kept, call->kept_stride, 0, 0, row, kind);
    return norm_row_at(a->x, a->x_stride, a->residual, &call->writing, row, kind);
}

/// Up to CHUNK columns of output and what they are made of.
typedef struct output_chunk {
    norm_chunk x;
    target y, sum;  // sum.at is NULL if it is not wanted
    const float *weight, *bias;
    int64_t width;
} output_chunk;

V_FN output_chunk output_chunk_at(norm_call *call, int64_t row, int64_t column, norm_kind kind) {
    const ck_norm_args *a = call->args;
    norm_row x = row_to_write(call, row, kind);
    output_chunk o = {
        .x = norm_chunk_at(&x, column, kind),
        .y = target_at((target){a->y, kind.type}, row * a->y_stride + column),
        .weight = parameter_chunk(&call->weight, column),
        .bias = parameter_chunk(&call->bias, column),
        .width = lesser(CHUNK, a->cols - column),
    };
    if (kind.residual && a->residual->sum)
        o.sum = target_at((target){a->residual->sum, kind.type}, row * a->residual->sum_stride + column);
    return o;
}

/// The same columns of the row that is `rows` further on; not with dropout, whose columns differ from row to row.
V_FN output_chunk output_chunk_below(const norm_call *call, output_chunk o, int64_t rows, norm_kind kind) {
    const ck_norm_args *a = call->args;
    int is_kept = !kind.residual && call->kept;
    o.x.x = source_at(typed_source(o.x.x, kind), rows * (is_kept ? call->kept_stride : a->x_stride));
    o.y = target_at(typed_target(o.y, kind), rows * a->y_stride);
    if (!kind.residual) return o;
    o.x.branch = source_at(typed_source(o.x.branch, kind), rows * a->residual->branch_stride);
    if (o.sum.at) o.sum = target_at(typed_target(o.sum, kind), rows * a->residual->sum_stride);
    return o;
}

/// The normalized values of elements i ... i + 15 of the input `h`.
V_FN vf affine_left(const output_chunk *o, int64_t i, int64_t left, vf h, moments r, scaling s) {
    vf d = centred(h, v_set(r.centre), s);
    return v_fma(normalized(d, r.rstd, shift_of(r.delta, r.rstd)), load_left(o->weight + i, left),
                 load_left(o->bias + i, left));
}

/// Which outputs a pass over some columns writes.
typedef enum outputs { ALL_OUTPUTS, SUM_ALONE, Y_ALONE } outputs;

V_FN int has_sum(const output_chunk *o, norm_kind kind) { return kind.residual && o->sum.at; }

V_FN void normalize_vector(const output_chunk *o, int64_t i, int64_t left, uint64_t kept, moments r, outputs which,
                           int streaming, scaling s, norm_kind kind) {
    vf h = input_left(&o->x, i, left, kept, kind), y = affine_left(o, i, left, h, r, s);
    if (which != Y_ALONE && has_sum(o, kind)) write_left(typed_target(o->sum, kind), i, left, h, streaming);
    if (which != SUM_ALONE) write_left(typed_target(o->y, kind), i, left, y, streaming);
}

/// The 64 columns of output at i.
V_FN void normalize_block(const output_chunk *o, int64_t i, moments r, outputs which, int streaming, scaling s,
                          norm_kind kind) {
    uint64_t kept = chunk_kept(&o->x, i, kind);
    V_UNROLL
    for (int k = 0; k < 4; k++) normalize_vector(o, i + 16 * k, 16, kept >> 16 * k, r, which, streaming, s, kind);
}

/// The last ones, fewer than 64.
V_FN void normalize_rest(const output_chunk *o, int64_t i, moments r, outputs which, int streaming, scaling s,
                         norm_kind kind) {
    uint64_t kept = i < o->width ? chunk_kept(&o->x, i, kind) : 0;
    for (; i < o->width; i += 16, kept >>= 16) normalize_vector(o, i, o->width - i, kept, r, which, streaming, s, kind);
}

/// Columns i ..< end, of two outputs past the caches one after the other. Two streams of stores in turns, both less
/// than 256 bytes ahead of loads modulo 4 KiB, take several times as long, either alone does not: as if a load that
/// waits for such a store made its line leave before it is full. Residual LayerNorm of 4096x4096, with branch, sum and
/// y 0, 128 and 128 bytes further into their pages than x: vector by vector 63.8 ms and so 23.5; 64, 128 and 192 bytes:
/// 46.4 and 23.2; no bytes: 22.4 and 19.3. With V_STRETCH of 64 columns 33.5, 32.7 and 25.2 where 256 take 24.1, 24.3
/// and 24.7 (AVX2, Zen 3, one thread, 2026-11-28).
V_FN void normalize_stretch(const output_chunk *o, int64_t i, int64_t end, moments r, scaling s, norm_kind kind) {
    const outputs turns[2] = {SUM_ALONE, Y_ALONE};
    V_UNROLL
    for (int turn = 0; turn < 2; turn++) {
        int64_t j = i, whole = i + in_whole(BLOCK, end - i);
        for (; j < whole; j += BLOCK) normalize_block(o, j, r, turns[turn], 1, s, kind);
        if (j < end) normalize_rest(o, j, r, turns[turn], 1, s, kind);
    }
}

/// What to ask for while a row is written: what is read (NULL: nothing) and what is written some rows on.
typedef struct fetching {
    const row_steps *input;
    int output;
} fetching;

#define NO_FETCHING ((fetching){0, 0})

V_FN void normalize_chunk(const output_chunk *o, moments r, int streaming, scaling s, fetching f, norm_kind kind) {
    int64_t i = 0, whole = in_whole(BLOCK, o->width);
    if (streaming && has_sum(o, kind)) {
        for (; i < o->width; i += V_STRETCH) normalize_stretch(o, i, lesser(i + V_STRETCH, o->width), r, s, kind);
        return;
    }
    for (; i < whole; i += BLOCK) {
        if (f.input) fetch_input(&o->x, f.input, i, 4 * AHEAD, kind);
        if (f.output) {
            fetch_block_to_write(typed_target(o->y, kind), i, 2 * AHEAD);
            if (has_sum(o, kind)) fetch_block_to_write(typed_target(o->sum, kind), i, 2 * AHEAD);
        }
        normalize_block(o, i, r, ALL_OUTPUTS, streaming, s, kind);
    }
    normalize_rest(o, i, r, ALL_OUTPUTS, streaming, s, kind);
}

/// A row of output.
V_FN void normalize_row(norm_call *call, int64_t row, moments r, scaling s, fetching f, norm_kind kind) {
    for (int64_t c = 0; c < call->args->cols; c += CHUNK) {
        output_chunk o = output_chunk_at(call, row, c, kind);
        normalize_chunk(&o, r, 0, s, f, kind);
    }
}

/// Saves what the caller asked for: the mean as a rounded float and what the rounding lost.
V_FN void save_moments(const ck_norm_args *a, int64_t row, moments r, float scale) {
    float mean = r.centre + r.delta;
    if (a->mean) a->mean[row] = mean / scale;
    if (a->mean_low) a->mean_low[row] = (r.delta - (mean - r.centre)) / scale;
    if (a->rstd) a->rstd[row] = r.saved_rstd;
}
