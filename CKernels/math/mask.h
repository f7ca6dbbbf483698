// mask.h: what a ck_mask says of one query, and what it does to scores, 64 keys at a time.
//
// The structured masks leave a range of keys; nothing else of a row is read or computed. Within the range a score takes
// the steps of ck_mask.h in their order; what takes no part becomes -infinity.

typedef struct key_range {
    int64_t from, to;  // to >= from
} key_range;

typedef struct mask_row {
    key_range keys;
    int64_t position;  // of the query among the keys
    float cap, inverse_cap, slope;
    source bias;  // `at` NULL: none
    const uint8_t *boolean;
} mask_row;

V_FN int64_t strided(ck_strides s, int64_t batch, int64_t head, int64_t row) {
    return batch * s.batch + head * s.head + row * s.row;
}

V_FN int64_t mask_position(const ck_mask *m, int64_t batch, int64_t query) {
    return (m->offsets ? m->offsets[batch] : m->offset) + query;
}

/// The keys that causality, window and length leave.
V_FN key_range mask_keys(const ck_mask *m, int64_t batch, int64_t head, int64_t query, int64_t keys) {
    int64_t p = mask_position(m, batch, query), from = 0, to = keys;
    if (m->causal) to = lesser(to, p + 1);
    if (m->windowed && m->window_left >= 0 && p - m->window_left > 0) from = p - m->window_left;
    if (m->windowed && m->window_right >= 0) to = lesser(to, p + m->window_right + 1);
    if (m->lengths) to = lesser(to, m->lengths[strided(m->length_strides, batch, head, query)]);
    return from < to ? (key_range){from, to} : (key_range){0, 0};
}

V_FN mask_row mask_row_of(const ck_mask *m, int64_t batch, int64_t head, int64_t query, int64_t keys) {
    source bias = {m->bias, m->bias_type};
    return (mask_row){
        .keys = mask_keys(m, batch, head, query, keys),
        .position = mask_position(m, batch, query),
        .cap = m->softcap,
        .inverse_cap = m->softcap > 0.0f ? 1.0f / m->softcap : 0.0f,
        .slope = m->slopes ? m->slopes[head] : 0.0f,
        .bias = m->bias ? source_at(bias, strided(m->bias_strides, batch, head, query)) : bias,
        .boolean = m->boolean ? m->boolean + strided(m->boolean_strides, batch, head, query) : 0,
    };
}

/// The sink's score; -infinity, which weighs nothing, where there is none.
V_FN float mask_sink(const ck_mask *m, int64_t head) { return m->sinks ? m->sinks[head] : -INFINITY; }

/// Whether scores stay as they are within the range.
V_FN int mask_row_is_plain(const mask_row *m) {
    return m->cap == 0.0f && !m->bias.at && m->slope == 0.0f && !m->boolean;
}

/// 16 elements from key j on, +0 outside the range, where nothing is read. `whole`: all of them are within.
V_FN vf read_keys(source s, int64_t j, key_range keys, int whole) {
    if (whole) return read_left(s, j, 16);
    int64_t first = keys.from - j, last = keys.to - j;
    if (first <= 0) return last <= 0 ? v_zero() : read_left(s, j, last);
    _Alignas(64) char lanes[64] = {0};
    int64_t size = size_of(s.type), count = lesser(last, 16) - first;
    if (count > 0) memcpy(lanes + first * size, (const char *)s.at + (j + first) * size, (size_t)(count * size));
    return read_left((source){lanes, s.type}, 0, 16);
}

/// Bit l is set where byte j + l is not 0, within the range.
V_FN uint32_t read_key_bits(const uint8_t *bytes, int64_t j, key_range keys, int whole) {
    if (whole) return v_bits_of_bytes(bytes + j);
    uint32_t bits = 0;
    for (int64_t i = j < keys.from ? keys.from : j; i < lesser(j + 16, keys.to); i++)
        bits |= (uint32_t)(bytes[i] != 0) << (i - j);
    return bits;
}

/// The distances (j + l) - position, exact up to 2^24.
V_FN vf key_distances(int64_t j, int64_t position) {
    static const float lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return v_add(v_set((float)(j - position)), v_load(lanes));
}

/// The derivative of the softcap where it was applied to s.
V_FN vf softcap_slope(vf s, vf inverse_cap) {
    vf t = v_tanh_2ulp(v_mul(s, inverse_cap));
    return v_fnma(t, t, v_set(1.0f));
}

/// The steps of a mask for the scaled scores of the 64 keys from j on. `whole`: all of them are in the range.
V_FN void mask_block(vf *s, const mask_row *m, int64_t j, int whole) {
    vf cap = v_set(m->cap), inverse_cap = v_set(m->inverse_cap), slope = v_set(m->slope), out = v_set(-INFINITY);
    for (int k = 0; k < 4 && m->cap > 0.0f; k++) s[k] = v_mul(cap, v_tanh_2ulp(v_mul(s[k], inverse_cap)));
    for (int k = 0; k < 4 && m->bias.at; k++) s[k] = v_add(s[k], read_keys(m->bias, j + 16 * k, m->keys, whole));
    for (int k = 0; k < 4 && m->slope != 0.0f; k++) s[k] = v_fma(slope, key_distances(j + 16 * k, m->position), s[k]);
    for (int k = 0; k < 4 && m->boolean; k++)
        s[k] = v_where_bits(read_key_bits(m->boolean, j + 16 * k, m->keys, whole), s[k], out);
}

/// -infinity for those of 64 keys that are outside the range.
V_FN void clip_block(vf *s, key_range keys, int64_t j) {
    vf out = v_set(-INFINITY);
    for (int k = 0; k < 4; k++, j += 16) {
        if (j + 16 > keys.to) s[k] = v_keep_n_or(keys.to - j, s[k], out);
        if (j < keys.from) s[k] = v_keep_n_or(keys.from - j, out, s[k]);
    }
}

/// All that a mask does to the scaled scores of the 64 keys from j on.
V_FN void mask_scores(vf *s, const mask_row *m, int64_t j) {
    int whole = j >= m->keys.from && j + BLOCK <= m->keys.to;
    if (whole && mask_row_is_plain(m)) return;
    mask_block(s, m, j, whole);
    if (!whole) clip_block(s, m->keys, j);
}
