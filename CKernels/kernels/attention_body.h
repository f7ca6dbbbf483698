// attention_body.h: attention for a range of items: up to QUERIES rows, a row being a query of one of the query heads that
// share a key head.
//
// Keys come in blocks of 64, which are turned and stay in the caches while all rows of the item pass over them, six rows
// at a time: scores (product_tile.h), weights e(s), weighted sums of values. After every KEY_CHUNK keys the sums of the
// chunk join those of the chunks before it. Blocks and chunks begin at multiples of their size, so a row's arithmetic does
// not depend on the rows beside it, nor on where its range of keys begins.
// Bound: FMA ports, 8 operations a score for e(s) beside 2 * head_size for the products; for few queries reading the keys.

#define KEY_CHUNK 512

typedef struct attention_item {
    const ck_attention_args *args;
    int64_t batch, key_head, first, count;  // rows
    const float *query[QUERIES];
    mask_row mask[QUERIES];
    key_block keys;
} attention_item;

typedef struct attention_place {
    int64_t head, query;
} attention_place;

/// Rows of an item: the query heads of a group beside each other, query after query.
V_FN attention_place attention_place_of(const attention_item *item, int64_t i) {
    int64_t group = item->args->query_heads / item->args->key_heads, row = item->first + i;
    return (attention_place){item->key_head * group + row % group, row / group};
}

/// Whether some of the rows first ..< first + rows take part in keys j ..< j + count.
V_FN int rows_meet(const attention_item *item, int64_t first, int64_t rows, int64_t j, int64_t count) {
    for (int64_t i = first; i < first + rows; i++)
        if (item->mask[i].keys.from < j + count && item->mask[i].keys.to > j) return 1;
    return 0;
}

/// Turns the scores of a row into weights. Returns the smallest of them in its lanes.
V_FN vf weigh_row(const attention_item *item, attention_state *state, int64_t i, float *scores, int64_t j) {
    const mask_row *m = &item->mask[i];
    int whole = j >= m->keys.from && j + BLOCK <= m->keys.to;
    vf s[4], e[4], most = v_set(state->most[i]);
    V_UNROLL
    for (int k = 0; k < 4; k++) s[k] = v_mul(v_load(scores + 16 * k), v_set(item->args->scale));
    if (!whole || !mask_row_is_plain(m)) {
        mask_block(s, m, j, whole);
        if (!whole) clip_block(s, m->keys, j);
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) most = v_at_least(most, s[k]);  // a NaN does not count; it comes to light in the sum
    float largest = v_fold_most(most);
    if (largest > state->most[i]) CK_JOIN(state_raise, CK_SUFFIX)(state, i, largest);
    exp_shift shift = state_shift(state, i);
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        e[k] = v_weight(s[k], shift);
        v_store(scores + 16 * k, e[k]);
    }
    v_store(state->sum[i], v_add(v_load(state->sum[i]), v_add(v_add(e[0], e[2]), v_add(e[1], e[3]))));
    return v_at_most(v_at_most(e[0], e[2]), v_at_most(e[1], e[3]));
}

/// weighted += e * value, row by row, without the keys of weight 0: their values may be NaN or infinite.
V_SLOW void CK_JOIN(add_weighted_rows, CK_SUFFIX)(const key_block *b, attention_state *state, int64_t first, int64_t rows, const float *weights) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < b->count; k++) {
            float e = weights[r * BLOCK + k], *to = state->weighted + (first + r) * state->pitch;
            for (int64_t d = 0; d < b->pitch && e != 0.0f; d += 16)
                v_store(to + d, v_fma(v_set(e), v_load(b->values + k * b->values_pitch + d), v_load(to + d)));
        }
}

/// One block of keys, from key j on, for up to TILE_ROWS rows.
V_FN void attend_tile(attention_item *item, attention_state *state, int64_t first, int rows, int64_t j) {
    _Alignas(64) float scores[TILE_ROWS * BLOCK];
    key_block *b = &item->keys;
    product p = {scores, BLOCK, {0}, b->turned, BLOCK, b->head_size, BLOCK, 0};
    for (int r = 0; r < rows; r++) p.a[r] = item->query[first + r];
    CK_JOIN(multiply, CK_SUFFIX)(&p, rows);

    vf least = v_set(INFINITY);
    for (int r = 0; r < rows; r++) least = v_at_most(least, weigh_row(item, state, first + r, scores + r * BLOCK, j));

    if (v_outside(16, least, 0x1p-149f, INFINITY) && !CK_JOIN(values_are_finite, CK_SUFFIX)(b)) {
        CK_JOIN(add_weighted_rows, CK_SUFFIX)(b, state, first, rows, scores);
        return;
    }
    p = (product){state->weighted + first * state->pitch, state->pitch, {0}, b->values, b->values_pitch, b->count, b->pitch, 1};
    for (int r = 0; r < rows; r++) p.a[r] = scores + r * BLOCK;
    CK_JOIN(multiply, CK_SUFFIX)(&p, rows);
}

/// Keys from ..< to, within a chunk.
V_FN void attend_chunk(attention_item *item, attention_state *state, int64_t from, int64_t to) {
    state_clear(state, item->count);
    for (int64_t j = from / BLOCK * BLOCK; j < to; j += BLOCK) {
        int64_t count = lesser(BLOCK, to - j);
        if (!rows_meet(item, 0, item->count, j, count)) continue;
        CK_JOIN(take_keys, CK_SUFFIX)(&item->keys, j, count);
        for (int64_t i = 0; i < item->count; i += TILE_ROWS) {
            int rows = (int)lesser(TILE_ROWS, item->count - i);
            if (rows_meet(item, i, rows, j, count)) attend_tile(item, state, i, rows, j);
        }
    }
}

/// The output of row i from its sums.
V_FN void write_attention(const attention_item *item, attention_state *s, int64_t i) {
    const ck_attention_args *a = item->args;
    attention_place at = attention_place_of(item, i);
    float sink = mask_sink(&a->mask, at.head), added[16] = {0}, *weighted = s->weighted + i * s->pitch;
    if (sink > s->most[i]) CK_JOIN(state_raise, CK_SUFFIX)(s, i, sink);
    if (sink > -INFINITY) v_store(added, v_weight(v_set(sink), state_shift(s, i)));
    float sum = v_fold_add(v_load(s->sum[i])) + added[0];
    target y = target_at((target){a->output, a->type}, strided(a->output_strides, item->batch, at.head, at.query));
    for (int64_t d = 0; d < a->value_size; d += 16) {
        vf quotient = sum == 0.0f ? v_zero() : v_add(v_div(v_load(weighted + d), v_set(sum)), v_zero());  // -0 is +0
        write_left(y, d, a->value_size - d, quotient, 0);
    }
    if (!a->log_sum_exp) return;
    float *to = a->log_sum_exp + (item->batch * a->query_heads + at.head) * a->queries + at.query;
    double log = (double)s->anchor[i] + (double)s->power[i] * 0x1.62e42fefa39efp-1 + s_log(sum);
    *to = sum == 0.0f ? -INFINITY : sum == sum ? (float)log : NAN;
}

/// The queries of an item as floats, and what the mask says of them; the range of keys that some of them take part in.
V_FN key_range take_queries(attention_item *item, float *space) {
    const ck_attention_args *a = item->args;
    key_range all = {INT64_MAX, 0};
    for (int64_t i = 0; i < item->count; i++) {
        attention_place at = attention_place_of(item, i);
        source query = source_at((source){a->query, a->type}, strided(a->query_strides, item->batch, at.head, at.query));
        item->query[i] = query.at;
        if (a->type != CK_F32) {
            item->query[i] = space;
            for (int64_t d = 0; d < a->head_size; d += 16) v_store(space + d, read_left(query, d, a->head_size - d));
            space += (a->head_size + 15) / 16 * 16;
        }
        item->mask[i] = mask_row_of(&a->mask, item->batch, at.head, at.query, a->keys);
        key_range keys = item->mask[i].keys;
        if (keys.from == keys.to) continue;
        all.from = lesser(all.from, keys.from);
        if (keys.to > all.to) all.to = keys.to;
    }
    return all.to > 0 ? all : (key_range){0, 0};
}

/// Floats of workspace a thread needs.
V_FN void attend_item(attention_item *item, float *space) {
    const ck_attention_args *a = item->args;
    int64_t pitch = (a->value_size + 15) / 16 * 16;
    attention_state states[2], *total = &states[0], *part = &states[1];
    key_block *b = &item->keys;
    *b = (key_block){
        .key = source_at((source){a->key, a->key_type}, strided(a->key_strides, item->batch, item->key_head, 0)),
        .value = source_at((source){a->value, a->key_type}, strided(a->value_strides, item->batch, item->key_head, 0)),
        .key_stride = a->key_strides.row, .value_stride = a->value_strides.row,
        .head_size = a->head_size, .value_size = a->value_size, .pitch = pitch,
        .turned = space, .widened = space + BLOCK * a->head_size,
    };
    space = b->widened + BLOCK * pitch;
    for (int k = 0; k < 2; k++, space += QUERIES * pitch) {
        states[k].weighted = space;
        states[k].pitch = pitch;
    }
    key_range keys = take_queries(item, space);
    int64_t chunk = keys.from / KEY_CHUNK * KEY_CHUNK;
    attend_chunk(item, total, keys.from, lesser(keys.to, chunk + KEY_CHUNK));
    for (chunk += KEY_CHUNK; chunk < keys.to; chunk += KEY_CHUNK) {
        attend_chunk(item, part, chunk, lesser(keys.to, chunk + KEY_CHUNK));
        state_merge(total, part, item->count);
    }
    for (int64_t i = 0; i < item->count; i++) write_attention(item, total, i);
}

CK_KERNEL(attention)(const ck_attention_args *a, int64_t begin, int64_t end, float *space) {
    int64_t rows = a->query_heads / a->key_heads * a->queries, items = (rows + QUERIES - 1) / QUERIES;
    for (int64_t n = begin; n < end; n++) {
        int64_t plane = n / items, first = n % items * QUERIES;
        attention_item item;
        item.args = a;
        item.batch = plane / a->key_heads;
        item.key_head = plane % a->key_heads;
        item.first = first;
        item.count = lesser(QUERIES, rows - first);
        attend_item(&item, space);
    }
}
