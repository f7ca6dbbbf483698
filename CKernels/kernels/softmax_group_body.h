// softmax_group_body.h: softmax for rows of at most SOFTMAX_GROUPED columns, up to sixteen rows at a time.
//
// What a row's largest element and sum lead to is a chain of steps far longer than the work on a short row. A group of
// rows goes through each step together, its numbers in the lanes of one vector; its exponentials stay in the first
// cache level. What the next group reads is asked for while this one's exponentials are computed. Bound: exponentials;
// beyond the caches bandwidth. Groups of 2048 elements fit that level with their x and y: 4096x768 from memory 0.78 to
// 0.95 of the time of groups of 4096, 64x1024 in the caches 0.94 (AVX2, Zen 3, one thread, 2026-11-28). Rows of 64 and
// 128 columns have copies of their own: 128x64 10.5 and 8.1 us, 1536x128 195 and 173 us (likewise, 2026-11-27).

#define SOFTMAX_GROUPED CHUNK
#define GROUP_ELEMENTS (2 * CHUNK)

/// Rows in a group: their exponentials take 8 KiB at most.
V_FN int softmax_rows_together(int64_t cols) {
    int64_t pitch = (cols + BLOCK - 1) / BLOCK * BLOCK;
    return (int)lesser(16, GROUP_ELEMENTS / pitch);
}

/// `count` rows of n columns from `begin` on.
V_FN void softmax_group(const ck_softmax_args *a, int64_t n, int64_t begin, int count, float *kept, ck_type type,
                        int logarithmic, int streaming, int fetch) {
    int64_t pitch = (n + BLOCK - 1) / BLOCK * BLOCK;
    source x = source_at((source){a->x, type}, begin * a->x_stride);
    target y = target_at((target){a->y, type}, begin * a->y_stride);
    vf rows[16];
    float most[16], anchor[16], low[16], power[16], largest[16], sums[16];

    for (int row = 0; row < 16; row++) rows[row] = v_set(-INFINITY);
    for (int row = 0; row < count; row++) {
        source elements = source_at(x, row * a->x_stride);
        most_lanes lanes = no_most();
        most_columns(&lanes, elements, 0, n);
        rows[row] = most_to_vector(&lanes);
    }
    vf all_most = v_fold_most_rows(rows);
    all_most = v_add(v_where_less(v_set(-INFINITY), all_most, all_most, v_zero()), v_zero());  // -0 is +0
    exp_shift shift = v_exp_shift(all_most);
    v_store(most, all_most);
    v_store(anchor, shift.anchor);
    v_store(low, shift.low);
    v_store(power, shift.power);
    v_store(largest, v_exp_shifted(all_most, shift));

    for (int row = 0; row < count; row++) {
        softmax_pass p = {
            .x = source_at(x, row * a->x_stride),
            .y = target_at(y, row * a->y_stride),
            .kept = kept + row * pitch,
            .shift = {v_set(anchor[row]), v_set(low[row]), v_set(power[row])},
        };
        lanes sum = lanes_zero();
        for (int64_t i = 0; i + BLOCK <= n && fetch; i += BLOCK) {
            fetch_block(source_at(p.x, count * a->x_stride), i, 0);
            if (!streaming) fetch_block_to_write(p.y, i, 0);
        }
        exp_columns(&sum, &p, 0, n, 1);
        rows[row] = lanes_fold_to_vector(&sum);
    }
    v_store(sums, v_fold_add_rows(rows));

    for (int row = 0; row < count; row++) {
        softmax_pass p = {
            .x = source_at(x, row * a->x_stride),
            .y = target_at(y, row * a->y_stride),
            .kept = kept + row * pitch,
            .row = finish_softmax(most[row], largest[row], sums[row], logarithmic || softmax_saves(a)),
            .logarithmic = logarithmic,
            .streaming = streaming,
        };
        save_softmax_row(a, begin + row, p.row);
        if (a->y) output_columns(&p, 0, n);
    }
}

/// `kept`: room for GROUP_ELEMENTS.
V_FN void softmax_grouped(const ck_softmax_args *a, int64_t begin, int64_t end, float *kept, ck_type type,
                          int logarithmic, int streaming) {
    int together = softmax_rows_together(a->cols);
    for (; begin < end; begin += together) {
        int count = (int)lesser(together, end - begin), fetch = begin + 2 * together <= end;
        if (!logarithmic && a->cols == BLOCK)  // copies without loops over columns
            softmax_group(a, BLOCK, begin, count, kept, type, logarithmic, streaming, fetch);
        else if (!logarithmic && a->cols == 2 * BLOCK)
            softmax_group(a, 2 * BLOCK, begin, count, kept, type, logarithmic, streaming, fetch);
        else
            softmax_group(a, a->cols, begin, count, kept, type, logarithmic, streaming, fetch);
    }
}
