// attention_body.h: attention for a range of items: up to CK_ITEM_ROWS rows, a row being a query of one of the query
// heads that share a key head.
//
// Keys come in blocks of 64, which are turned. All rows of the item pass over a block three times: scores, six rows at
// a time (product_tile.h), weights e(s), sixteen at a time, and weighted sums of values, six at a time; so keys, and
// then values, stay in the first cache level. After every CK_KEY_CHUNK keys the sums of the chunk join those of the
// chunks before it. Blocks and chunks begin at multiples of their size, so a row's arithmetic does not depend on the
// rows beside it, nor on where its range of keys begins. 12x512x64: 77 % of the FMA peak with AVX-512, 73 % with AVX2
// (Zen 4, 2026-11-27).
//
// Bound: FMA ports, 11 operations a score for e(s) beside 2 * head_size for the products; for few queries reading keys.

typedef struct attention_item {
    const ck_attention_args *args;
    int64_t batch, key_head, first, count;  // rows
    int64_t first_head, heads;              // of the rows: all that share the key head, or one
    int64_t keys;                           // of this entry of the batch
    const float *query[CK_ITEM_ROWS];
    mask_row mask[CK_ITEM_ROWS];
    key_range range;        // of keys that some row takes part in
    row_source key, value;  // of the key head
    dropout dropout;
    float *turned, *widened;                  // room for a block of keys and of values
    float *scores;                            // [rows][BLOCK]: scores, then weights, of a block
    float_rows keys_turned, values;           // of the block
    const float *paired_query[CK_ITEM_ROWS];  // where products may be of pairs
    int is_paired;                            // all queries are there in pairs
} attention_item;

typedef struct attention_place {
    int64_t head, query;
} attention_place;

/// Rows of an item: its query heads beside each other, query after query.
V_FN attention_place attention_place_of(const attention_item *item, int64_t i) {
    int64_t row = item->first + i;
    return (attention_place){item->first_head + row % item->heads, row / item->heads};
}

/// Where a row lies in a tensor of queries.
V_FN int64_t attention_row_start(const attention_item *item, ck_strides s, attention_place at) {
    const int64_t *packed = item->args->query_offsets;
    if (!packed) return strided(s, item->batch, at.head, at.query);
    return strided(s, 0, at.head, packed[item->batch] + at.query);
}

/// How many of the keys j ..< j + count there are up to the last one that some of the rows first ..< first + rows takes
/// part in; 0 if none does.
V_FN int64_t keys_met(const attention_item *item, int64_t first, int64_t rows, int64_t j, int64_t count) {
    int64_t met = 0;
    for (int64_t i = first; i < first + rows; i++) {
        key_range keys = item->mask[i].keys;
        if (keys.from < j + count && keys.to - j > met) met = lesser(keys.to - j, count);
    }
    return met;
}

/// Which of the 64 keys from j on dropout leaves to row i, a bit each.
V_SLOW uint64_t CK_JOIN(kept_keys, CK_SUFFIX)(const attention_item *item, int64_t i, int64_t j) {
    attention_place at = attention_place_of(item, i);
    uint64_t plane = (uint64_t)(item->batch * item->args->query_heads + at.head);
    uint64_t row = plane << 32 | (uint64_t)(item->args->first_query + at.query);
    return CK_JOIN(kept_of_block, CK_SUFFIX)(&item->dropout, (int64_t)row, j / BLOCK);
}
V_FN uint64_t kept_keys_of_row(const attention_item *item, int64_t i, int64_t j) {
    return item->dropout.threshold > 0 ? CK_JOIN(kept_keys, CK_SUFFIX)(item, i, j) : ~(uint64_t)0;
}

/// Scores of a tile with the first `count` keys of the block.
V_FN void score_tile(attention_item *item, int64_t first, int rows, int64_t count) {
    float_rows *keys = &item->keys_turned;
    product p = product_with(keys, item->scores + first * BLOCK, BLOCK, REPLACED);
    p.columns = ck_whole_vectors(count);
    for (int r = 0; r < rows; r++) p.a[r] = (keys->is_paired ? item->paired_query : item->query)[first + r];
    CK_JOIN(multiply, CK_SUFFIX)(&p, rows);
}

/// Scales and masks the scores of row i. Returns the largest ones; a NaN does not count: it comes to light in the sum.
V_FN vf mask_row_scores(const attention_item *item, int64_t i, int64_t j) {
    float *scores = item->scores + i * BLOCK;
    vf s[4], most = v_set(-INFINITY);
    V_UNROLL
    for (int k = 0; k < 4; k++) s[k] = v_mul(v_load(scores + 16 * k), v_set(item->args->scale));
    mask_scores(s, &item->mask[i], j);
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        v_store(scores + 16 * k, s[k]);
        most = v_at_least(most, s[k]);
    }
    return most;
}

/// Turns the scores of row i into weights, of which dropout takes some after they are summed. Returns whether some of
/// them may be 0.
V_FN int weigh_row(const attention_item *item, attention_state *state, int64_t i, exp_shift shift, int64_t j) {
    float *scores = item->scores + i * BLOCK;
    vf s[4], e[4];
    V_UNROLL
    for (int k = 0; k < 4; k++) s[k] = v_load(scores + 16 * k);
    int has_zeros = v_weights(s, shift, e);
    if (state->unrounded) {
        add_lanes(state->unrounded + 16 * i, v_add(v_add(e[0], e[2]), v_add(e[1], e[3])));
        has_zeros |= v_round_weights(e);
    }
    add_lanes(state->sum + 16 * i, v_add(v_add(e[0], e[2]), v_add(e[1], e[3])));
    uint64_t kept = kept_keys_of_row(item, i, j);
    for (int k = 0; k < 4 && ~kept; k++) e[k] = v_keep_bits((uint32_t)(kept >> 16 * k), e[k]);
    if (V_DOTS_PAIRS && item->values.is_paired) {
        v_store(scores, pairs_of_row(e[0], e[1]));
        v_store(scores + 16, pairs_of_row(e[2], e[3]));
    } else {
        V_UNROLL
        for (int k = 0; k < 4; k++) v_store(scores + 16 * k, e[k]);
    }
    return has_zeros || ~kept;
}

/// What the tiles of an item have in a block: how many of its keys they meet, and whether a weight may be 0.
typedef struct block_tiles {
    uint8_t keys[CK_ITEM_ROWS / TILE_ROWS], has_zeros[CK_ITEM_ROWS / TILE_ROWS];
} block_tiles;

/// Turns the scores of up to 16 rows into weights. The maxima of all of them are found before the first exponential:
/// what follows from them fills the lanes of a vector. Of keys that a tile does not meet there are no scores; the masks
/// say so.
V_FN void weigh_rows(const attention_item *item, attention_state *state, block_tiles *tiles, int64_t first, int64_t j) {
    int64_t end = lesser(first + 16, item->count);
    vf most[16];
    float anchor[16], low[16], power[16];
    for (int r = 0; r < 16; r++) most[r] = v_set(-INFINITY);
    for (int64_t i = first; i < end; i++)
        if (tiles->keys[i / TILE_ROWS]) most[i - first] = mask_row_scores(item, i, j);
    exp_shift all = state_raise(state, first, v_fold_most_rows(most));
    v_store(anchor, all.anchor);
    v_store(low, all.low);
    v_store(power, all.power);
    for (int64_t i = first; i < end; i++) {
        int64_t r = i - first;
        if (!tiles->keys[i / TILE_ROWS]) continue;
        exp_shift shift = {v_set(anchor[r]), v_set(low[r]), v_set(power[r])};
        tiles->has_zeros[i / TILE_ROWS] |= weigh_row(item, state, i, shift, j);
    }
}

/// Adds the weighted values of keys j ..< j + count to the sums of a tile. The first rows ask for the next block.
V_FN void sum_tile(attention_item *item, attention_state *state, int64_t first, int rows, int has_zeros, int64_t j,
                   int64_t count) {
    float_rows *values = &item->values;
    float *weighted = state->weighted + first * state->pitch;
    product p = product_with(values, weighted, state->pitch, state->unrounded ? ADDED : CONTINUED);
    p.depth = values->is_paired ? (count + 1) / 2 : count;
    for (int r = 0; r < rows; r++) p.a[r] = item->scores + (first + r) * BLOCK;
    if (first == 0) p.ahead = block_ahead(&item->value, j + BLOCK, item->range.to);
    if (has_zeros && !CK_JOIN(are_finite, CK_SUFFIX)(values))
        CK_JOIN(multiply_present, CK_SUFFIX)(&p, rows);
    else
        CK_JOIN(multiply, CK_SUFFIX)(&p, rows);
}

/// One block of `count` keys, from key j on, for all rows. Keys, and then values, stay in the first cache level.
V_FN void attend_block(attention_item *item, attention_state *state, int64_t j, int64_t count) {
    block_tiles tiles = {0};
    for (int64_t i = 0; i < item->count; i += TILE_ROWS) {
        int rows = (int)lesser(TILE_ROWS, item->count - i);
        int64_t met = keys_met(item, i, rows, j, count);
        tiles.keys[i / TILE_ROWS] = (uint8_t)met;
        if (met) score_tile(item, i, rows, met);
    }
    for (int64_t i = 0; i < item->count; i += 16) weigh_rows(item, state, &tiles, i, j);
    for (int64_t i = 0; i < item->count; i += TILE_ROWS) {
        int64_t tile = i / TILE_ROWS, met = tiles.keys[tile];
        if (met) sum_tile(item, state, i, (int)lesser(TILE_ROWS, item->count - i), tiles.has_zeros[tile], j, met);
    }
}

/// The sums over one chunk of keys.
V_FN void attend_chunk(attention_item *item, attention_state *state, int64_t chunk) {
    int64_t from = chunk * CK_KEY_CHUNK, to = lesser(from + CK_KEY_CHUNK, item->range.to);
    state_clear(state, item->count);
    for (int64_t j = from; j < to; j += BLOCK) {
        int64_t count = lesser(BLOCK, to - j);
        if (!keys_met(item, 0, item->count, j, count)) continue;
        CK_JOIN(turn_rows, CK_SUFFIX)(&item->key, j, item->range.to, item->turned);
        item->keys_turned = (float_rows){item->turned, BLOCK, item->key.width, BLOCK, 1, 0};
        item->values = CK_JOIN(widen_rows, CK_SUFFIX)(&item->value, j, count, item->widened);
        if (V_DOTS_PAIRS && item->is_paired)
            CK_JOIN(pair_rows, CK_SUFFIX)(&item->keys_turned, item->turned, LEAST_FACTOR);
        if (V_DOTS_PAIRS && state->unrounded) CK_JOIN(pair_rows, CK_SUFFIX)(&item->values, item->widened, LEAST_VALUE);
        attend_block(item, state, j, count);
    }
}

/// The output of row i from its sums.
V_FN void write_attention(const attention_item *item, attention_state *s, int64_t i) {
    const ck_attention_args *a = item->args;
    attention_place at = attention_place_of(item, i);
    float sink = mask_sink(&a->mask, at.head), added[16] = {0}, *weighted = s->weighted + i * s->pitch;
    if (sink != -INFINITY) {
        vf of_row = v_where_bits(1u << i % 16, v_set(sink), v_set(-INFINITY));
        v_store(added, v_weight(of_row, state_raise(s, i / 16 * 16, of_row)));
    }
    float sum = v_fold_add(v_load(s->sum + 16 * i)) + added[i % 16];
    float unrounded = s->unrounded ? v_fold_add(v_load(s->unrounded + 16 * i)) + added[i % 16] : sum;
    target y = target_at((target){a->output, a->type}, attention_row_start(item, a->output_strides, at));
    for (int64_t d = 0; d < a->value_size; d += 16) {
        vf quotient =
            sum == 0.0f ? v_zero() : v_mul(v_div(v_load(weighted + d), v_set(sum)), v_set(item->dropout.scale));
        write_left(y, d, a->value_size - d, v_add(quotient, v_zero()), 0);  // -0 is +0
    }
    if (!a->log_sum_exp && !a->log_sum_exp_low) return;
    double log = (double)s->anchor[i] + (double)s->power[i] * 0x1.62e42fefa39efp-1 + s_log(unrounded);
    int64_t saved = attention_row_start(item, a->log_sum_exp_strides, at);
    float result = unrounded == 0.0f ? -INFINITY : unrounded == unrounded ? (float)log : NAN;
    if (a->log_sum_exp) a->log_sum_exp[saved] = result;
    if (a->log_sum_exp_low) a->log_sum_exp_low[saved] = result - result == 0.0f ? (float)(log - (double)result) : 0.0f;
}

/// Item `number` of all. What it needs of memory is in `space`; the rest of it is returned.
V_FN float *attention_item_set(attention_item *item, const ck_attention_args *a, const ck_attention_plan *plan,
                               int64_t number, float *space) {
    int64_t plane = number / plan->items, batch = plane / a->key_heads, group = a->query_heads / a->key_heads;
    int64_t queries = a->query_offsets ? a->query_offsets[batch + 1] - a->query_offsets[batch] : a->queries;
    int64_t first_key = a->key_offsets ? a->key_offsets[batch] : 0;
    item->args = a;
    item->batch = batch;
    item->key_head = plane % a->key_heads;
    item->first = number % plan->items * plan->rows_per_item;
    item->count = lesser(plan->rows_per_item, group * queries - item->first);
    item->first_head = item->key_head * group;
    item->heads = group;
    item->dropout = dropout_of(a->dropout, a->seed);
    item->keys = a->key_offsets ? a->key_offsets[batch + 1] - first_key : a->keys;
    int64_t apart = a->pages.table || a->key_offsets ? 0 : batch;  // entries of the batch in key and value
    const int32_t *pages = a->pages.table ? a->pages.table + batch * a->pages.table_stride : 0;
    int64_t key = strided(a->key_strides, apart, item->key_head, first_key);
    int64_t value = strided(a->value_strides, apart, item->key_head, first_key);
    item->key = (row_source){source_at((source){a->key, a->key_type}, key), a->key_strides, pages, a->pages.page_size,
                             a->head_size};
    item->value = (row_source){source_at((source){a->value, a->key_type}, value), a->value_strides, pages,
                               a->pages.page_size, a->value_size};
    item->turned = space;
    item->widened = space + BLOCK * ck_whole_vectors(a->head_size);
    item->scores = item->widened + BLOCK * plan->pitch;
    return item->scores + plan->rows_per_item * BLOCK;
}

/// Queries as pairs, if no product of them with keys can be subnormal.
V_FN float *pair_queries(attention_item *item, float *space) {
    int64_t width = ck_whole_vectors(item->args->head_size), pitch = ck_whole_vectors(width / 2);
    item->is_paired = 1;
    for (int64_t i = 0; i < item->count; i++, space += pitch) {
        float_rows row = {item->query[i], width, 1, width, -1, 0};
        item->is_paired &= are_from(&row, LEAST_FACTOR);
        pair_row(item->query[i], width, space);
        item->paired_query[i] = space;
    }
    return space;
}

/// The queries of an item as floats, and what the mask says of them.
V_FN float *take_queries(attention_item *item, float *space, int rounds) {
    const ck_attention_args *a = item->args;
    key_range all = {INT64_MAX, 0};
    item->is_paired = 0;
    for (int64_t i = 0; i < item->count; i++) {
        attention_place at = attention_place_of(item, i);
        source query = source_at((source){a->query, a->type}, attention_row_start(item, a->query_strides, at));
        item->query[i] = query.at;
        if (a->type != CK_F32) {
            item->query[i] = space;
            widen_row(query, a->head_size, space);
            space += ck_whole_vectors(a->head_size);
        }
        item->mask[i] = mask_row_of(&a->mask, item->batch, at.head, at.query, item->keys);
        key_range keys = item->mask[i].keys;
        if (keys.from == keys.to) continue;
        all.from = lesser(all.from, keys.from);
        if (keys.to > all.to) all.to = keys.to;
    }
    item->range = all.to > 0 ? all : (key_range){0, 0};
    return rounds && V_DOTS_PAIRS ? pair_queries(item, space) : space;
}

CK_KERNEL(attention)
(const ck_attention_args *a, const ck_attention_plan *plan, int64_t begin, int64_t end, float *space) {
    for (int64_t n = begin; n < end; n++) {
        attention_item item;
        float *rest = take_queries(&item, attention_item_set(&item, a, plan, n, space), plan->rounds);
        attention_state total = state_in(rest, plan), part = state_in(rest + ck_state_floats(plan), plan);
        int64_t chunk = item.range.from / CK_KEY_CHUNK;
        attend_chunk(&item, &total, chunk);
        for (chunk++; chunk * CK_KEY_CHUNK < item.range.to; chunk++) {
            attend_chunk(&item, &part, chunk);
            state_merge(&total, &part, item.count);
        }
        for (int64_t i = 0; i < item.count; i++) write_attention(&item, &total, i);
    }
}

/// One chunk of one item each; chunks of an item follow each other.
CK_KERNEL(attention_parts)
(const ck_attention_args *a, const ck_attention_plan *plan, int64_t begin, int64_t end, float *space) {
    for (int64_t n = begin; n < end; n++) {
        attention_item item;
        (void)take_queries(&item, attention_item_set(&item, a, plan, n / plan->chunks, space), plan->rounds);
        attention_state part = state_in(plan->parts + n * ck_state_floats(plan), plan);
        attend_chunk(&item, &part, n % plan->chunks);
    }
}

/// The outputs of items from the sums of all their chunks.
CK_KERNEL(attention_merge)
(const ck_attention_args *a, const ck_attention_plan *plan, int64_t begin, int64_t end, float *space) {
    for (int64_t n = begin; n < end; n++) {
        attention_item item;
        (void)attention_item_set(&item, a, plan, n, space);
        float *parts = plan->parts + n * plan->chunks * ck_state_floats(plan);
        attention_state total = state_in(parts, plan);
        for (int64_t chunk = 1; chunk < plan->chunks; chunk++) {
            attention_state part = state_in(parts + chunk * ck_state_floats(plan), plan);
            state_merge(&total, &part, item.count);
        }
        for (int64_t i = 0; i < item.count; i++) write_attention(&item, &total, i);
    }
}
