// attention_backward_body.h: gradients of attention for a range of units: a range of keys and a range of rows of one
// batch entry and key head (rows as in attention_body.h).
//
//     P = e^(S - log_sum_exp),   dS = P * (kept dO V^T - delta)
//     dV += kept P^T dO,   dK += dS^T Q,   dQ += dS K
//     dslope += dS * distance,   dsink -= e^(sink - log_sum_exp) * delta
//
// Blocks of 64 keys come in order, within each all blocks of 64 rows. Sums over keys are chains of fma in the order of
// keys, sums over rows in the order of rows, so a unit may hold all of both, or all keys of some rows for dQ, or all
// rows of some keys for dK and dV, with the same bits. Slopes and sinks get one number a row. Bound: FMA ports.

typedef struct gradient_space {
    // 64 x 64 each. Rows are rows: P; the derivative by the softcap, then dS with it. Rows are keys: the same turned;
    // before that the sums of a bias, and dS without the softcap.
    float *scores, *slopes, *turned_scores, *turned_slopes;
    float *bias_totals;  // 64 x 64
    float *turned_keys, *turned_values, *keys;
    float *queries, *outputs;           // 64 rows of query and of doutput
    float *dkeys, *dvalues;             // 64 rows
    float *delta, *dqueries;            // all rows of the unit
    float *slope_lanes, *slope_totals;  // likewise, 16 a row
} gradient_space;

typedef struct attention_gradient {
    const ck_attention_backward_args *args;
    attention_item item;  // its rows are the unit's
    const ck_attention_gradient_plan *plan;
    ck_attention_unit unit;
    gradient_space space;
    float_rows keys, queries, outputs;  // of the blocks
    mask_row mask[BLOCK];
    float sum[BLOCK], sum_low[BLOCK];  // log_sum_exp of the rows
    int p_has_zeros, ds_has_zeros;     // those of the block that meet rows of other blocks
} attention_gradient;

/// delta of rows first ..< first + count of the unit.
V_FN void take_delta(attention_gradient *g, int64_t first, int64_t count) {
    const ck_attention_args *a = &g->args->forward;
    for (int64_t i = first; i < first + count; i++) {
        attention_place at = attention_place_of(&g->item, i);
        source o = source_at((source){a->output, a->type}, attention_row_start(&g->item, a->output_strides, at));
        source d =
            source_at((source){g->args->doutput, a->type}, attention_row_start(&g->item, g->args->doutput_strides, at));
        vf sum = v_zero();
        for (int64_t k = 0; k < a->value_size; k += 16)
            sum = v_fma(read_left(d, k, a->value_size - k), read_left(o, k, a->value_size - k), sum);
        g->space.delta[i] = v_fold_add(sum);
    }
}

/// What the mask says of rows first ..< first + count; whether some of them take part in keys j ..< j + keys.
V_FN int take_masks(attention_gradient *g, int64_t first, int64_t count, int64_t j, int64_t keys) {
    int meets = 0;
    for (int64_t r = 0; r < count; r++) {
        attention_place at = attention_place_of(&g->item, first + r);
        g->mask[r] = mask_row_of(&g->args->forward.mask, g->item.batch, at.head, at.query, g->item.keys);
        meets |= g->mask[r].keys.from < j + keys && g->mask[r].keys.to > j;
    }
    return meets;
}

/// Rows first ..< first + count: queries, gradients of outputs, sums.
V_FN void take_rows(attention_gradient *g, int64_t first, int64_t count) {
    const ck_attention_args *a = &g->args->forward;
    int64_t query_pitch = ck_whole_vectors(a->head_size), output_pitch = ck_whole_vectors(a->value_size);
    for (int64_t r = 0; r < count; r++) {
        attention_place at = attention_place_of(&g->item, first + r);
        source q = source_at((source){a->query, a->type}, attention_row_start(&g->item, a->query_strides, at));
        source d =
            source_at((source){g->args->doutput, a->type}, attention_row_start(&g->item, g->args->doutput_strides, at));
        int64_t saved = attention_row_start(&g->item, a->log_sum_exp_strides, at);
        widen_row(q, a->head_size, g->space.queries + r * query_pitch);
        widen_row(d, a->value_size, g->space.outputs + r * output_pitch);
        g->sum[r] = a->log_sum_exp[saved];
        g->sum_low[r] = a->log_sum_exp_low ? a->log_sum_exp_low[saved] : 0.0f;
    }
    g->queries = (float_rows){g->space.queries, query_pitch, count, query_pitch, -1, 0};
    g->outputs = (float_rows){g->space.outputs, output_pitch, count, output_pitch, -1, 0};
}

/// c (+)= a b for `rows` rows of a, whose factors are 64 apart or `a_pitch`. `has_zeros`: some factors are 0.
V_FN void multiply_block(float *c, int64_t c_pitch, const float *a, int64_t a_pitch, int64_t rows, float_rows *b,
                         int adds, int has_zeros) {
    int is_careful = has_zeros && !CK_JOIN(are_finite, CK_SUFFIX)(b);
    for (int64_t i = 0; i < rows; i += TILE_ROWS) {
        int count = (int)lesser(TILE_ROWS, rows - i);
        product p = product_with(b, c + i * c_pitch, c_pitch, adds ? CONTINUED : REPLACED);
        for (int r = 0; r < count; r++) p.a[r] = a + (i + r) * a_pitch;
        if (is_careful)
            CK_JOIN(multiply_present, CK_SUFFIX)(&p, count);
        else
            CK_JOIN(multiply, CK_SUFFIX)(&p, count);
    }
}

/// s - log_sum_exp. Only a log_sum_exp that no forward pass wrote is far below a score; the bound is for its sake.
V_FN vf below_sum(vf s, float sum, float sum_low) {
    return v_at_most(v_sub(v_sub(s, v_set(sum)), v_set(sum_low)), v_set(NOTHING));
}

/// P of scores s in a row of this log_sum_exp; 0 where one of them is -infinity, even if the other is a NaN.
V_FN vf probability(vf s, float sum, float sum_low) {
    exp_shift none = {v_zero(), v_set(-NOTHING), v_zero()};
    if (sum == -INFINITY) return v_zero();
    vf p = v_weight(below_sum(s, sum, sum_low), none);
    return v_where_less(s, v_set(-0x1.fffffep127f), v_zero(), p);
}

/// Scores of row r with the keys from j on turn into P.
V_FN void probabilities(attention_gradient *g, int64_t r, int64_t j) {
    const mask_row *m = &g->mask[r];
    float *scores = g->space.scores + r * BLOCK, *slopes = g->space.slopes + r * BLOCK;
    exp_shift none = {v_zero(), v_set(-NOTHING), v_zero()};
    vf s[4], x[4], p[4];
    V_UNROLL
    for (int k = 0; k < 4; k++) s[k] = v_mul(v_load(scores + 16 * k), v_set(g->args->forward.scale));
    for (int k = 0; k < 4 && m->cap > 0.0f; k++) v_store(slopes + 16 * k, softcap_slope(s[k], v_set(m->inverse_cap)));
    mask_scores(s, m, j);
    V_UNROLL
    for (int k = 0; k < 4; k++) x[k] = below_sum(s[k], g->sum[r], g->sum_low[r]);
    vf least = v_at_most(v_at_most(x[0], x[1]), v_at_most(x[2], x[3]));
    if (g->sum[r] > -INFINITY && are_above_low(least, none, 0.0f)) {
        V_UNROLL
        for (int k = 0; k < 4; k++) p[k] = v_exp_shifted_normal(x[k], none);
    } else {
        V_UNROLL
        for (int k = 0; k < 4; k++) p[k] = probability(s[k], g->sum[r], g->sum_low[r]);
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) v_store(scores + 16 * k, p[k]);
}

/// +0 where P is.
V_FN vf where_weighted(vf p, vf a) { return v_where_less(p, v_set(0x1p-149f), v_zero(), a); }

/// The least magnitudes of P and dS, in their lanes.
typedef struct least_gradients {
    vf p, ds;
} least_gradients;

/// dO V^T of row r turns into dS of its masked scores. With the derivative of the softcap, which is in `slopes`, it
/// goes there. P becomes what dropout keeps of it.
V_FN void attention_score_gradients(attention_gradient *g, int64_t r, float delta, uint64_t kept,
                                    least_gradients *least) {
    float *scores = g->space.scores + r * BLOCK, *slopes = g->space.slopes + r * BLOCK;
    float *products = g->space.turned_slopes + r * BLOCK;
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        vf p = v_load(scores + 16 * k), product = v_mul(v_load(products + 16 * k), v_set(g->item.dropout.scale)),
           kept_p = p;
        if (~kept) {
            product = v_keep_bits((uint32_t)(kept >> 16 * k), product);
            kept_p = v_keep_bits((uint32_t)(kept >> 16 * k), p);
            v_store(scores + 16 * k, kept_p);
        }
        vf ds = where_weighted(p, v_mul(p, v_sub(product, v_set(delta))));
        v_store(products + 16 * k, ds);
        if (g->mask[r].cap > 0.0f) ds = where_weighted(p, v_mul(ds, v_load(slopes + 16 * k)));
        v_store(slopes + 16 * k, ds);
        least->p = v_at_most(least->p, kept_p);
        least->ds = v_at_most(least->ds, v_abs(ds));
    }
}

/// P and dS of a block of rows (from `first` of the unit on) and keys (from j on).
V_FN void take_gradients(attention_gradient *g, int64_t first, int64_t rows, int64_t j) {
    const ck_attention_args *a = &g->args->forward;
    float_rows turned_keys = {g->space.turned_keys, BLOCK, a->head_size, BLOCK, 1, 0};
    float_rows turned_values = {g->space.turned_values, BLOCK, a->value_size, BLOCK, 1, 0};
    least_gradients least = {v_set(INFINITY), v_set(INFINITY)};
    multiply_block(g->space.scores, BLOCK, g->queries.at, g->queries.pitch, rows, &turned_keys, 0, 0);
    for (int64_t r = 0; r < rows; r++) probabilities(g, r, j);
    multiply_block(g->space.turned_slopes, BLOCK, g->outputs.at, g->outputs.pitch, rows, &turned_values, 0, 0);
    for (int64_t r = 0; r < rows; r++)
        attention_score_gradients(g, r, g->space.delta[first + r], kept_keys_of_row(&g->item, first + r, j), &least);
    g->p_has_zeros = v_outside(16, least.p, 0x1p-149f, INFINITY) != 0;
    g->ds_has_zeros = v_outside(16, least.ds, 0x1p-149f, INFINITY) != 0;
}

/// 64 x 64 numbers; rows from `rows` on count as 0.
V_FN void turn_block(float *from, int64_t rows, float *to) {
    source source_of_rows = {from, CK_F32};
    row_source s = {source_of_rows, {0, 0, BLOCK}, 0, 0, BLOCK};
    CK_JOIN(turn_rows, CK_SUFFIX)(&s, 0, rows, to);
}

V_FN void clear_floats(float *to, int64_t count) {
    for (int64_t i = 0; i < count; i += 16) v_store(to + i, v_zero());
}

/// dS of the masked scores is the gradient of a bias of which no two rows share any. `meets`: 0: nothing takes part.
V_FN void write_bias_gradients(const attention_gradient *g, int64_t first, int64_t rows, int64_t j, int64_t keys,
                               int meets) {
    const ck_attention_backward_args *a = g->args;
    for (int64_t r = 0; r < rows; r++) {
        attention_place at = attention_place_of(&g->item, first + r);
        float *to = a->dbias + strided(a->dbias_strides, g->item.batch, at.head, at.query) + j;
        const float *ds = g->space.turned_slopes + r * BLOCK;
        for (int64_t k = 0; k < keys; k += 16)
            store_left(to + k, keys - k, meets ? v_add(v_load(ds + k), v_zero()) : v_zero());
    }
}

/// dS * distance joins the lanes of each row.
V_FN void add_slopes(const attention_gradient *g, int64_t first, int64_t rows, int64_t j) {
    for (int64_t r = 0; r < rows; r++) {
        float *lanes = g->space.slope_lanes + 16 * (first + r), *ds = g->space.turned_slopes + r * BLOCK;
        vf t[4];
        for (int k = 0; k < 4; k++) t[k] = v_mul(v_load(ds + 16 * k), key_distances(j + 16 * k, g->mask[r].position));
        add_lanes(lanes, v_add(v_add(t[0], t[2]), v_add(t[1], t[3])));
    }
}

/// The lanes of a chunk of keys join those of the chunks before it.
V_FN void join_slopes(const attention_gradient *g) {
    for (int64_t i = 0; i < 16 * g->item.count; i += 16) {
        add_lanes(g->space.slope_totals + i, v_load(g->space.slope_lanes + i));
        v_store(g->space.slope_lanes + i, v_zero());
    }
}

/// What a block of keys and a block of rows add to the gradients.
V_FN void add_gradients(attention_gradient *g, int64_t first, int64_t rows, int64_t j, int64_t keys) {
    const ck_attention_backward_args *a = g->args;
    gradient_space *s = &g->space;
    int64_t key_pitch = ck_whole_vectors(a->forward.head_size), value_pitch = ck_whole_vectors(a->forward.value_size);
    int meets = take_masks(g, first, rows, j, keys);
    if (meets) {
        take_rows(g, first, rows);
        take_gradients(g, first, rows, j);
    }
    if (g->unit.wants_rows && g->plan->writes_bias) write_bias_gradients(g, first, rows, j, keys, meets);
    if (!meets) return;
    if (g->unit.wants_rows && a->dslopes) add_slopes(g, first, rows, j);
    if (g->unit.wants_keys && a->dvalue) {
        turn_block(s->scores, rows, s->turned_scores);
        multiply_block(s->dvalues, value_pitch, s->turned_scores, BLOCK, keys, &g->outputs, 1, g->p_has_zeros);
    }
    if (g->unit.wants_keys && a->dkey) {
        turn_block(s->slopes, rows, s->turned_slopes);
        multiply_block(s->dkeys, key_pitch, s->turned_slopes, BLOCK, keys, &g->queries, 1, g->ds_has_zeros);
    }
    if (g->unit.wants_rows && a->dquery)
        multiply_block(s->dqueries + first * key_pitch, key_pitch, s->slopes, BLOCK, rows, &g->keys, 1,
                       g->ds_has_zeros);
}

/// `factor` times a row of sums. (-0 is +0.)
V_FN void write_gradient_row(target to, const float *sums, int64_t width, float factor) {
    for (int64_t d = 0; d < width; d += 16)
        write_left(to, d, width - d, v_add(v_mul(v_load(sums + d), v_set(factor)), v_zero()), 0);
}

V_FN void write_key_gradients(const attention_gradient *g, int64_t j, int64_t keys) {
    const ck_attention_backward_args *b = g->args;
    const ck_attention_args *a = &b->forward;
    int64_t first = a->key_offsets ? a->key_offsets[g->item.batch] + j : j, batch = a->key_offsets ? 0 : g->item.batch;
    for (int64_t k = 0; k < keys; k++) {
        target dkey =
            optional_target(b->dkey, a->key_type, strided(b->dkey_strides, batch, g->item.key_head, first + k));
        target dvalue =
            optional_target(b->dvalue, a->key_type, strided(b->dvalue_strides, batch, g->item.key_head, first + k));
        if (dkey.at)
            write_gradient_row(dkey, g->space.dkeys + k * ck_whole_vectors(a->head_size), a->head_size, a->scale);
        if (dvalue.at)
            write_gradient_row(dvalue, g->space.dvalues + k * ck_whole_vectors(a->value_size), a->value_size,
                               g->item.dropout.scale);
    }
}

/// What the sink of row i gets: -e^(sink - log_sum_exp) * delta.
V_FN float sink_gradient(const attention_gradient *g, int64_t i, attention_place at) {
    const ck_attention_args *a = &g->args->forward;
    int64_t saved = attention_row_start(&g->item, a->log_sum_exp_strides, at);
    float low = a->log_sum_exp_low ? a->log_sum_exp_low[saved] : 0.0f, p[16];
    v_store(p, probability(v_set(mask_sink(&a->mask, at.head)), a->log_sum_exp[saved], low));
    return p[0] == 0.0f ? 0.0f : -p[0] * g->space.delta[i];
}

V_FN void write_rows_gradients(const attention_gradient *g) {
    const ck_attention_backward_args *b = g->args;
    const ck_attention_args *a = &b->forward;
    const ck_score_sums *sums = &g->plan->sums;
    for (int64_t i = 0; i < g->item.count; i++) {
        attention_place at = attention_place_of(&g->item, i);
        int64_t number = at.head * sums->head_pitch + g->item.batch * a->queries + at.query;
        target dquery = optional_target(b->dquery, a->type, attention_row_start(&g->item, b->dquery_strides, at));
        if (dquery.at)
            write_gradient_row(dquery, g->space.dqueries + i * ck_whole_vectors(a->head_size), a->head_size, a->scale);
        if (b->dslopes) sums->slopes[number] = v_fold_add(v_load(g->space.slope_totals + 16 * i));
        if (b->dsinks) sums->sinks[number] = sink_gradient(g, i, at);
    }
}

V_FN gradient_space gradient_space_in(float *at, const ck_attention_args *a, int64_t rows) {
    int64_t key = BLOCK * ck_whole_vectors(a->head_size), value = BLOCK * ck_whole_vectors(a->value_size);
    gradient_space s;
    float **blocks[] = {&s.scores, &s.slopes, &s.turned_scores, &s.turned_slopes, &s.bias_totals},
          **keys[] = {&s.turned_keys, &s.keys, &s.queries, &s.dkeys};
    float **values[] = {&s.turned_values, &s.outputs, &s.dvalues};
    for (int i = 0; i < 5; i++, at += BLOCK * BLOCK) *blocks[i] = at;
    for (int i = 0; i < 4; i++, at += key) *keys[i] = at;
    for (int i = 0; i < 3; i++, at += value) *values[i] = at;
    s.delta = at;
    s.dqueries = at + ck_whole_vectors(rows);
    s.slope_lanes = s.dqueries + rows * ck_whole_vectors(a->head_size);
    s.slope_totals = s.slope_lanes + 16 * rows;
    return s;
}

CK_KERNEL(attention_backward)
(const ck_attention_backward_args *args, const ck_attention_gradient_plan *plan, int64_t begin, int64_t end,
 float *space) {
    const ck_attention_args *a = &args->forward;
    for (int64_t n = begin; n < end; n++) {
        attention_gradient g;
        g.args = args;
        g.plan = plan;
        g.unit = ck_attention_unit_of(plan, n);
        ck_attention_plan rows = {.rows_per_item = INT64_MAX / 4, .items = 1};
        (void)attention_item_set(&g.item, a, &rows, g.unit.plane, space);
        int64_t last_row = lesser(g.item.count, g.unit.last_row), last_key = lesser(g.item.keys, g.unit.last_key);
        g.item.first = g.unit.first_row;
        g.item.count = last_row - g.unit.first_row;
        if (g.item.count < 0) g.item.count = 0;
        g.space = gradient_space_in(space, a, plan->rows);
        take_delta(&g, 0, g.item.count);
        if (g.unit.wants_rows) clear_floats(g.space.dqueries, g.item.count * ck_whole_vectors(a->head_size));
        int64_t slopes = g.unit.wants_rows && args->dslopes ? g.item.count : 0;
        clear_floats(g.space.slope_lanes, 16 * slopes);
        clear_floats(g.space.slope_totals, 16 * slopes);
        for (int64_t j = g.unit.first_key; j < last_key; j += BLOCK) {
            int64_t keys = lesser(BLOCK, last_key - j);
            CK_JOIN(turn_rows, CK_SUFFIX)(&g.item.key, j, last_key, g.space.turned_keys);
            CK_JOIN(turn_rows, CK_SUFFIX)(&g.item.value, j, last_key, g.space.turned_values);
            g.keys = CK_JOIN(widen_rows, CK_SUFFIX)(&g.item.key, j, keys, g.space.keys);
            clear_floats(g.space.dkeys, BLOCK * ck_whole_vectors(a->head_size));
            clear_floats(g.space.dvalues, BLOCK * ck_whole_vectors(a->value_size));
            for (int64_t i = 0; i < g.item.count; i += BLOCK)
                add_gradients(&g, i, lesser(BLOCK, g.item.count - i), j, keys);
            if (g.unit.wants_keys) write_key_gradients(&g, j, keys);
            if (slopes > 0 && ((j + BLOCK) % CK_KEY_CHUNK == 0 || j + BLOCK >= last_key)) join_slopes(&g);
        }
        if (g.unit.wants_rows) write_rows_gradients(&g);
    }
}
