// attention_bias_backward_body.h: the gradient of a bias whose rows are shared, for a range of its tiles of up to 64
// rows and 64 keys.
//
//     dbias = sum of P * (kept dO V^T - delta) over the rows of scores that share a row of the bias
//
// P and dS are made again, as in attention_backward_body.h. Rows come in the order of batch entries, heads, queries and
// are summed in blocks of rows that are merged in order, as in score_softmax_backward (score_sums.h). A tile is one
// thread's, so partial sums need no more memory than it. Bound: FMA ports.

typedef struct bias_tile {
    int64_t plane, row, rows;  // of the bias
    int64_t key, keys;
    int64_t block;  // of rows of scores, to which the sums belong
} bias_tile;

V_FN bias_tile bias_tile_of(const ck_attention_gradient_plan *plan, int64_t n) {
    int64_t rows = plan->sums.apart.queries, columns = ck_blocks_of(plan->keys), row = n / columns % ck_blocks_of(rows);
    return (bias_tile){
        .plane = n / columns / ck_blocks_of(rows),
        .row = row * BLOCK,
        .rows = lesser(BLOCK, rows - row * BLOCK),
        .key = n % columns * BLOCK,
        .keys = lesser(BLOCK, plan->keys - n % columns * BLOCK),
    };
}

/// The sums of a block of rows join those of the blocks before it.
V_FN void join_bias_sums(const attention_gradient *g, int64_t rows) {
    for (int64_t i = 0; i < rows * BLOCK; i += 16) {
        add_lanes(g->space.bias_totals + i, v_load(g->space.turned_scores + i));
        v_store(g->space.turned_scores + i, v_zero());
    }
}

/// Rows first ..< first + count of the item, of which row 0 has this number among those that share its row of the bias.
V_FN void add_bias_gradients(attention_gradient *g, bias_tile *t, int64_t number, int64_t first, int64_t count) {
    int is_shared = g->plan->sums.summed.queries > 1;  // one row of the bias for all queries
    if (!take_masks(g, first, count, t->key, t->keys)) return;
    take_rows(g, first, count);
    take_gradients(g, first, count, t->key);
    for (int64_t r = 0; r < count; r++) {
        int64_t block = (number + (is_shared ? first + r : 0)) / g->plan->sums.per_block;
        if (block != t->block) join_bias_sums(g, t->rows);
        t->block = block;
        float *sums = g->space.turned_scores + (is_shared ? 0 : r * BLOCK), *ds = g->space.turned_slopes + r * BLOCK;
        for (int k = 0; k < BLOCK; k += 16) add_lanes(sums + k, v_load(ds + k));
    }
}

/// The queries of one batch entry and head that share rows of the bias with others.
V_FN void add_bias_plane(attention_gradient *g, bias_tile *t, score_place place, int64_t number, float *space) {
    const ck_attention_args *a = &g->args->forward;
    const ck_score_sums *sums = &g->plan->sums;
    int64_t group = a->query_heads / a->key_heads;
    ck_attention_plan rows = {.rows_per_item = INT64_MAX / 4, .items = 1};
    (void)attention_item_set(&g->item, a, &rows, place.batch * a->key_heads + place.head / group, space);
    int64_t queries = g->item.count / group, keys = lesser(t->keys, g->item.keys - t->key);
    g->item.first_head = place.head;
    g->item.heads = 1;
    g->item.first = t->row;
    g->item.count = sums->summed.queries > 1 ? queries : lesser(t->rows, queries - t->row);
    if (keys <= 0 || g->item.count <= 0) return;
    take_delta(g, 0, g->item.count);
    CK_JOIN(turn_rows, CK_SUFFIX)(&g->item.key, t->key, t->key + keys, g->space.turned_keys);
    CK_JOIN(turn_rows, CK_SUFFIX)(&g->item.value, t->key, t->key + keys, g->space.turned_values);
    for (int64_t i = 0; i < g->item.count; i += BLOCK)
        add_bias_gradients(g, t, number, i, lesser(BLOCK, g->item.count - i));
}

CK_KERNEL(attention_bias_backward)
(const ck_attention_backward_args *args, const ck_attention_gradient_plan *plan, int64_t begin, int64_t end,
 float *space) {
    const ck_score_sums *sums = &plan->sums;
    attention_gradient g = {.args = args, .plan = plan, .space = gradient_space_in(space, &args->forward, plan->rows)};
    for (int64_t n = begin; n < end; n++) {
        bias_tile t = bias_tile_of(plan, n);
        int64_t apart = t.plane * sums->apart.queries;
        clear_floats(g.space.turned_scores, BLOCK * BLOCK);
        clear_floats(g.space.bias_totals, BLOCK * BLOCK);
        for (int64_t i = 0; i < sums->count; i += sums->summed.queries)
            add_bias_plane(&g, &t, score_place_among(sums, apart, i), i, space);
        join_bias_sums(&g, t.rows);
        score_place first = score_place_among(sums, apart + t.row, 0);
        float *to = args->dbias + strided(args->dbias_strides, first.batch, first.head, first.query) + t.key;
        for (int64_t r = 0; r < t.rows; r++)
            for (int64_t k = 0; k < t.keys; k += 16)
                store_left(to + r * args->dbias_strides.row + k, t.keys - k,
                           v_load(g.space.bias_totals + r * BLOCK + k));
    }
}
