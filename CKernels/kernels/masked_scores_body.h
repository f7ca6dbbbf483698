// masked_scores_body.h: scores as they enter the softmax, for a range of rows: scale * x and the steps of the mask.
// Bound: bandwidth, with a softcap the tanh.

V_FN void write_no_key(target y, int64_t from, int64_t to) {
    for (; from < to; from += 16) write_left(y, from, to - from, v_set(-INFINITY), 0);
}

CK_KERNEL(masked_scores)(const ck_score_softmax_args *a, int64_t begin, int64_t end) {
    float held[CHUNK];
    for (int64_t row = begin; row < end; row++) {
        score_place p = score_place_of(row, a->heads, a->queries);
        target y = target_at((target){a->y, a->type}, score_row_start(a->y_strides, p));
        score_row r = {
            .x = source_at((source){a->x, a->type}, score_row_start(a->x_strides, p)),
            .scale = a->scale,
            .mask = mask_row_of(&a->mask, p.batch, p.head, p.query, a->keys),
        };
        key_range keys = r.mask.keys;
        for (int64_t c = 0; c < a->keys; c += CHUNK) {
            most_lanes unused = no_most();
            key_range blocks = score_blocks(keys, c);
            int64_t last = lesser(c + CHUNK, a->keys);
            if (blocks.from >= blocks.to) {
                write_no_key(y, c, last);
                continue;
            }
            score_chunk(&r, c, held, &unused);
            write_no_key(y, c, blocks.from);
            int64_t j = blocks.from;
            for (; j < blocks.to; j += BLOCK)
                for (int64_t k = j; k < lesser(j + BLOCK, last); k += 16)
                    write_left(y, k, last - k, v_load(held + k - c), 0);
            write_no_key(y, j, last);
        }
    }
}
