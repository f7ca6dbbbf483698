// score_softmax_body.h: y = e^s / (e^sink + sum(e^s)) of masked scores s, for a range of rows.
//
// As in softmax_group_body.h, up to sixteen rows take each step together, with their numbers in the lanes of one
// vector: the scores and the largest of them, the exponentials and their sum, the output. x is read once and y written
// once; what the next group reads is asked for while exponentials are computed. Bound: exponentials; beyond the caches
// bandwidth.

/// `count` rows from `begin` on, each held in `room` floats of `space`.
V_SLOW void score_group(const ck_score_softmax_args *a, int64_t begin, int count, float *space, int64_t room,
                        int streaming, int fetch) {
    score_row rows[16];
    vf folded[16];
    float sinks[16], most[16], anchor[16], low[16], power[16], largest[16], sums[16];

    for (int i = 0; i < 16; i++) {
        folded[i] = v_set(-INFINITY);
        sinks[i] = -INFINITY;
    }
    for (int i = 0; i < count; i++) {
        score_place p = score_place_of(begin + i, a->heads, a->queries);
        score_row *r = &rows[i];
        *r = (score_row){
            .x = source_at((source){a->x, a->type}, score_row_start(a->x_strides, p)),
            .y = optional_target(a->y, a->type, score_row_start(a->y_strides, p)),
            .scale = a->scale,
            .mask = mask_row_of(&a->mask, p.batch, p.head, p.query, a->keys),
            .held = space + i * room,
        };
        r->begin = r->mask.keys.from / CHUNK * CHUNK;
        r->holds = r->mask.keys.to - r->begin <= room;
        sinks[i] = mask_sink(&a->mask, p.head);
        folded[i] = score_most(r);
    }
    vf all_sinks = v_load(sinks), all_most = v_at_least(v_fold_most_rows(folded), all_sinks);
    all_most = v_add(v_where_less(v_set(-INFINITY), all_most, all_most, v_zero()), v_zero());  // -0 is +0
    exp_shift shift = v_exp_shift(all_most);
    v_store(most, all_most);
    v_store(anchor, shift.anchor);
    v_store(low, shift.low);
    v_store(power, shift.power);
    v_store(largest, v_exp_shifted(all_most, shift));

    for (int i = 0; i < count; i++) {
        exp_shift own = {v_set(anchor[i]), v_set(low[i]), v_set(power[i])};
        folded[i] = score_sum(&rows[i], own, fetch ? count * a->x_strides.row : 0, streaming);
    }
    v_store(sums, v_add(v_fold_add_rows(folded), v_exp_shifted(all_sinks, shift)));

    for (int i = 0; i < count; i++) {
        exp_shift own = {v_set(anchor[i]), v_set(low[i]), v_set(power[i])};
        softmax_row result = finish_softmax(most[i], largest[i], sums[i], a->log_sum_exp != 0);
        if (a->log_sum_exp) a->log_sum_exp[begin + i] = result.log_sum_exp;
        if (a->y) score_output(&rows[i], a->keys, own, result, streaming);
    }
}

/// Groups of `together` rows.
V_FN void score_groups(const ck_score_softmax_args *a, int64_t begin, int64_t end, int together, float *space,
                       int64_t room, int streaming) {
    for (; begin < end; begin += together) {
        int count = (int)lesser(together, end - begin);
        score_group(a, begin, count, space, room, streaming, begin + 2 * together <= end);
    }
}

V_SLOW void score_short_rows(const ck_score_softmax_args *a, int64_t begin, int64_t end, int streaming) {
    float space[GROUP_ELEMENTS];
    int64_t pitch = (a->keys + BLOCK - 1) / BLOCK * BLOCK;
    score_groups(a, begin, end, softmax_rows_together(a->keys), space, pitch, streaming);
}

// Each takes its stack only when it is called.
V_SLOW void score_narrow_rows(const ck_score_softmax_args *a, int64_t begin, int64_t end, int streaming) {
    float space[NARROW_COLUMNS];
    score_groups(a, begin, end, 1, space, NARROW_COLUMNS, streaming);
}
V_SLOW void score_broad_rows(const ck_score_softmax_args *a, int64_t begin, int64_t end, int streaming) {
    float space[STACK_FLOATS];
    score_groups(a, begin, end, 1, space, STACK_FLOATS, streaming);
}

CK_KERNEL(score_softmax)(const ck_score_softmax_args *a, int64_t begin, int64_t end, int streaming) {
    if (a->keys <= SOFTMAX_GROUPED)
        score_short_rows(a, begin, end, streaming);
    else if (a->keys <= NARROW_COLUMNS)
        score_narrow_rows(a, begin, end, streaming);
    else
        score_broad_rows(a, begin, end, streaming);
    if (streaming) v_stream_end();
}
