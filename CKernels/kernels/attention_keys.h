// attention_keys.h: a block of 64 keys and their values, as the products want them.

/// The keys and values of one key head.
typedef struct key_block {
    source key, value;  // of key 0, or of page 0
    ck_strides key_strides, value_strides;
    const int32_t *pages;  // NULL: keys follow each other
    int64_t page_size, head_size, value_size;
    float *turned;      // [head_size, in whole vectors][64]: the block's keys, one a lane
    float *widened;     // [64][pitch]: its values, if they are not floats in whole vectors
    int64_t pitch;
    const float *values;
    int64_t values_pitch;
    int64_t count;      // of keys that are there
    int is_finite;      // whether all values are; -1: not yet known
} key_block;

/// Row j of keys or values.
V_FN source row_of_key(const key_block *b, source s, ck_strides strides, int64_t j) {
    if (!b->pages) return source_at(s, j * strides.row);
    return source_at(s, b->pages[j / b->page_size] * strides.batch + j % b->page_size * strides.row);
}

/// 16 keys from `first` on, of which `count` are there.
V_FN void turn_keys_of_type(key_block *b, int64_t first, int64_t count, float *to, ck_type type) {
    const float *rows[16], *widened_rows[16];
    float widened[16 * 16];
    for (int r = 0; r < 16; r++) {
        source key = {CK_JOIN(zeros, CK_SUFFIX), type};
        if (r < count) key = row_of_key(b, (source){b->key.at, type}, b->key_strides, first + r);
        rows[r] = key.at;
        widened_rows[r] = widened + 16 * r;
    }
    for (int64_t d = 0; d < b->head_size; d += 16) {
        int64_t left = b->head_size - d;
        if (type == CK_F32 && left >= 16) {
            v_turn(rows, d, to + d * BLOCK, BLOCK);
            continue;
        }
        for (int r = 0; r < 16; r++) v_store(widened + 16 * r, read_left((source){rows[r], type}, d, left));
        v_turn(widened_rows, 0, to + d * BLOCK, BLOCK);
    }
}

V_FN void widen_values(key_block *b, int64_t first) {
    int is_even = !b->pages || first % b->page_size + b->count <= b->page_size;
    int in_place = b->value.type == CK_F32 && b->value_size % 16 == 0 && is_even;
    b->values = in_place ? row_of_key(b, b->value, b->value_strides, first).at : b->widened;
    b->values_pitch = in_place ? b->value_strides.row : b->pitch;
    for (int64_t k = 0; k < b->count && !in_place; k++) {
        source value = row_of_key(b, b->value, b->value_strides, first + k);
        for (int64_t d = 0; d < b->value_size; d += 16)
            v_store(b->widened + k * b->pitch + d, read_left(value, d, b->value_size - d));
    }
}

/// Keys first ... first + 63, of which `count` are there.
V_SLOW void CK_JOIN(take_keys, CK_SUFFIX)(key_block *b, int64_t first, int64_t count) {
    b->count = count;
    b->is_finite = -1;
    for (int64_t k = 0; k < BLOCK; k += 16) {
        float *to = b->turned + k;
        if (b->key.type == CK_F32) turn_keys_of_type(b, first + k, count - k, to, CK_F32);
        else if (b->key.type == CK_BF16) turn_keys_of_type(b, first + k, count - k, to, CK_BF16);
        else turn_keys_of_type(b, first + k, count - k, to, CK_F16);
    }
    widen_values(b, first);
}

V_SLOW int CK_JOIN(values_are_finite, CK_SUFFIX)(key_block *b) {
    if (b->is_finite >= 0) return b->is_finite;
    vf largest = v_zero();
    for (int64_t k = 0; k < b->count; k++)
        for (int64_t d = 0; d < b->pitch; d += 16) largest = v_magnitude(largest, v_load(b->values + k * b->values_pitch + d));
    b->is_finite = v_fold_magnitude(largest) < INFINITY;
    return b->is_finite;
}
