// score_rows.h: rows of masked scores: where they lie, and their steps: scores, exponentials, output.
//
// A row that fits is held once, as float scores, which its exponentials replace. Of a longer one a chunk is made again
// in each step.

typedef struct score_row {
    source x;
    target y;
    float scale;
    mask_row mask;
    float *held;
    int64_t begin;  // the chunk in which the range of keys begins; its scores are `held` from there on
    int holds;      // 0: `held` has room for one chunk
} score_row;

typedef struct score_place {
    int64_t batch, head, query;
} score_place;

/// Of row number `row`, counting queries first, then heads.
V_FN score_place score_place_of(int64_t row, int64_t heads, int64_t queries) {
    int64_t plane = row / queries;
    return (score_place){plane / heads, plane % heads, row % queries};
}
V_FN int64_t score_row_start(ck_strides s, score_place p) { return strided(s, p.batch, p.head, p.query); }

/// The blocks of a chunk that meet the range of keys.
V_FN key_range score_blocks(key_range keys, int64_t chunk) {
    int64_t from = keys.from > chunk ? keys.from / BLOCK * BLOCK : chunk;
    return (key_range){from, lesser(chunk + CHUNK, keys.to)};
}

V_FN void score_block(const score_row *r, int64_t j, float *to, most_lanes *most, ck_type type, int plain, int whole) {
    vf s[4];
    for (int k = 0; k < 4; k++)
        s[k] = v_mul(v_set(r->scale), read_keys((source){r->x.at, type}, j + 16 * k, r->mask.keys, whole));
    if (!plain) mask_block(s, &r->mask, j, whole);
    if (!whole) clip_block(s, r->mask.keys, j);
    for (int k = 0; k < 4; k++) {
        v_store(to + 16 * k, s[k]);
        most->v[k] = v_at_least(most->v[k], s[k]);  // a NaN does not count; it comes to light in the sum
    }
}

V_FN void score_chunk_of_kind(const score_row *r, int64_t chunk, float *to, most_lanes *most, ck_type type, int plain) {
    score_row row = *r;  // a copy, which stores cannot change
    most_lanes found = *most;
    key_range keys = row.mask.keys, blocks = score_blocks(keys, chunk);
    for (int64_t j = blocks.from; j < blocks.to; j += BLOCK)
        if (j >= keys.from && j + BLOCK <= keys.to)
            score_block(&row, j, to + j - chunk, &found, type, plain, 1);
        else
            score_block(&row, j, to + j - chunk, &found, type, plain, 0);
    *most = found;
}

/// The scores of a chunk, in whole blocks: -infinity where a key does not take part. Also their largest, by lanes.
V_SLOW void score_chunk(const score_row *r, int64_t chunk, float *to, most_lanes *most) {
    int plain = mask_row_is_plain(&r->mask);
    if (r->x.type == CK_F32 && plain)
        score_chunk_of_kind(r, chunk, to, most, CK_F32, 1);
    else if (r->x.type == CK_F32)
        score_chunk_of_kind(r, chunk, to, most, CK_F32, 0);
    else if (r->x.type == CK_BF16 && plain)
        score_chunk_of_kind(r, chunk, to, most, CK_BF16, 1);
    else if (r->x.type == CK_BF16)
        score_chunk_of_kind(r, chunk, to, most, CK_BF16, 0);
    else if (plain)
        score_chunk_of_kind(r, chunk, to, most, CK_F16, 1);
    else
        score_chunk_of_kind(r, chunk, to, most, CK_F16, 0);
}

/// The largest score of a row, by lanes.
V_FN vf score_most(const score_row *r) {
    most_lanes most = no_most();
    for (int64_t c = r->begin; c < r->mask.keys.to; c += CHUNK)
        score_chunk(r, c, r->held + (r->holds ? c - r->begin : 0), &most);
    return most_to_vector(&most);
}

/// Scores of a chunk turn into exponentials, which are summed.
V_FN void score_exponentials(const score_row *r, int64_t chunk, float *held, exp_shift shift, lanes *sum) {
    softmax_pass pass = {.x = {held, CK_F32}, .kept = held, .shift = shift};
    key_range blocks = score_blocks(r->mask.keys, chunk);
    int64_t end = (blocks.to + BLOCK - 1) / BLOCK * BLOCK;
    exp_columns(sum, &pass, blocks.from - chunk, end - chunk, 1);
}

/// The held scores of a chunk, made again if the row is not held.
V_FN float *score_chunk_again(const score_row *r, int64_t chunk, int holds) {
    most_lanes unused = no_most();
    float *held = r->held + (r->holds ? chunk - r->begin : 0);
    if (!holds) score_chunk(r, chunk, held, &unused);
    return held;
}

/// Asks for the lines of some blocks of the row that lies `ahead` elements further on.
V_FN void score_fetch(const score_row *r, key_range blocks, int64_t ahead, int streaming) {
    const char *x = source_at(r->x, ahead).at, *y = target_at(r->y, ahead).at;
    int64_t size = size_of(r->x.type);
    for (int64_t line = blocks.from * size; line < blocks.to * size; line += 64) {
        v_fetch(x + line);
        if (r->y.at && !streaming) v_fetch_to_write(y + line);
    }
}

/// The sum of a row's exponentials, by lanes. What lies `ahead` elements further on is asked for, unless that is 0.
V_FN vf score_sum(const score_row *r, exp_shift shift, int64_t ahead, int streaming) {
    row_lanes total = row_lanes_zero();
    for (int64_t c = r->begin; c < r->mask.keys.to; c += CHUNK) {
        lanes part = lanes_zero();
        if (ahead != 0) score_fetch(r, score_blocks(r->mask.keys, c), ahead, streaming);
        score_exponentials(r, c, score_chunk_again(r, c, r->holds), shift, &part);
        row_lanes_add(&total, &part, c);
    }
    lanes sum = row_lanes_total(&total, r->mask.keys.to);
    return lanes_fold_to_vector(&sum);
}

/// Where the sum is a NaN, weights are 0 for scores of -infinity and NaN for all others.
V_SLOW void poison_chunk(const score_row *r, int64_t chunk, float *held) {
    key_range blocks = score_blocks(r->mask.keys, chunk);
    for (int64_t j = blocks.from; j < blocks.to; j += BLOCK)
        for (float *at = held + j - chunk; at < held + j - chunk + BLOCK; at += 16)
            v_store(at, v_where_less(v_load(at), v_set(-0x1.fffffep127f), v_zero(), v_set(NAN)));
}

V_FN void write_zeros(target y, int64_t from, int64_t to, int streaming) {
    for (; from + BLOCK <= to; from += BLOCK)
        for (int k = 0; k < 4; k++) write_left(y, from + 16 * k, 16, v_zero(), streaming);
    for (; from < to; from += 16) write_left(y, from, to - from, v_zero(), streaming);
}

/// `n` elements of output: `result` of the exponentials, 0 outside the range of keys.
V_FN void score_output_of_type(const score_row *r, int64_t n, exp_shift shift, softmax_row result, ck_type type,
                               int streaming) {
    target y = {r->y.at, type};
    key_range keys = r->mask.keys;
    int poisoned = result.factor != result.factor;
    if (poisoned) result.factor = 1.0f;
    write_zeros(y, 0, keys.from / BLOCK * BLOCK, streaming);
    for (int64_t c = r->begin; c < keys.to; c += CHUNK) {
        float *held = score_chunk_again(r, c, r->holds && !poisoned);
        lanes unused = lanes_zero();
        if (poisoned)
            poison_chunk(r, c, held);
        else if (!r->holds)
            score_exponentials(r, c, held, shift, &unused);
        softmax_pass pass = {.y = target_at(y, c), .kept = held, .row = result, .streaming = streaming};
        key_range blocks = score_blocks(keys, c);
        int64_t end = (blocks.to + BLOCK - 1) / BLOCK * BLOCK;
        output_columns(&pass, blocks.from - c, lesser(end, n) - c);
    }
    write_zeros(y, (keys.to + BLOCK - 1) / BLOCK * BLOCK, n, streaming);
}

V_SLOW void score_output(const score_row *r, int64_t n, exp_shift shift, softmax_row result, int streaming) {
    if (r->y.type == CK_F32)
        score_output_of_type(r, n, shift, result, CK_F32, streaming);
    else if (r->y.type == CK_BF16)
        score_output_of_type(r, n, shift, result, CK_BF16, streaming);
    else
        score_output_of_type(r, n, shift, result, CK_F16, streaming);
}
