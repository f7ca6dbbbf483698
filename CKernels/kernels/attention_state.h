// attention_state.h: what attention knows of some queries after some of the keys.
//
//     e(s)     = e^s below a power of e near the largest score so far (math/softmax.h); 0 for scores NOTHING below that
//     sum      = sum of e(s),   weighted = sum of e(s) * value
//
// Where weights are rounded to bfloat16, these are the sums of rounded ones, and the sum of unrounded ones is kept for
// the logarithm: e(s) of one key divided by itself must be 1, and the logarithm must not feel the rounding.
//
// When a larger score comes, both are multiplied by the ratio of the two powers. Between scores of at most 2^16 it is a
// power of two, which rounds nothing.

/// So far below the largest score a key weighs nothing: all other weights are normal numbers.
#define NOTHING 86.0f

typedef struct attention_state {
    float *most, *anchor, *power;  // one a row
    float *sum;                    // 16 lanes a row
    float *unrounded;              // likewise; NULL without rounding
    float *weighted;               // [rows][pitch]
    int64_t pitch;
} attention_state;

V_FN attention_state state_in(float *space, const ck_attention_plan *plan) {
    int64_t rows = ck_whole_vectors(plan->rows_per_item);
    float *sum = space + 3 * rows, *rest = sum + 16 * plan->rows_per_item, *unrounded = plan->rounds ? rest : 0;
    if (plan->rounds) rest += 16 * plan->rows_per_item;
    return (attention_state){space, space + rows, space + 2 * rows, sum, unrounded, rest, plan->pitch};
}

/// Rows are cleared, and raised, in whole vectors.
V_FN void state_clear(attention_state *s, int64_t count) {
    for (int64_t i = 0; i < count; i += 16) {
        v_store(s->most + i, v_set(-INFINITY));
        v_store(s->anchor + i, v_zero());
        v_store(s->power + i, v_zero());
    }
    for (int64_t i = 0; i < count; i++) {
        v_store(s->sum + 16 * i, v_zero());
        if (s->unrounded) v_store(s->unrounded + 16 * i, v_zero());
    }
    for (int64_t i = 0; i < count * s->pitch; i += 16) v_store(s->weighted + i, v_zero());
}

V_FN void add_lanes(float *lanes, vf a) { v_store(lanes, v_add(v_load(lanes), a)); }
V_FN void scale_lanes(float *lanes, vf a) { v_store(lanes, v_mul(v_load(lanes), a)); }

/// e(s).
V_FN vf v_weight(vf s, exp_shift shift) {
    vf x = v_sub(s, shift.anchor);
    return v_where_less(x, shift.low, v_zero(), v_exp_normal(v_at_least(x, shift.low), shift));
}

/// e(s) of 64 scores. Returns whether some of them are 0 (or NaN).
V_FN int v_weights(const vf *s, exp_shift shift, vf *e) {
    vf least = v_at_most(v_at_most(s[0], s[1]), v_at_most(s[2], s[3]));
    if (are_above_low(least, shift, 0.0f)) {
        V_UNROLL
        for (int k = 0; k < 4; k++) e[k] = v_exp_shifted_normal(s[k], shift);
        return 0;
    }
    V_UNROLL
    for (int k = 0; k < 4; k++) e[k] = v_weight(s[k], shift);
    return 1;
}

/// Weights of less than 2^-40 are 0 once rounded: they would not show, and what is left times any bfloat16 number from
/// 2^-72 on is a multiple of the smallest normal number.
#define LEAST_ROUNDED 0x1p-40f

/// 64 weights, rounded to bfloat16. Returns whether some of them are 0 (or NaN).
V_FN int v_round_weights(vf *e) {
    vf least = v_at_most(v_at_most(e[0], e[1]), v_at_most(e[2], e[3]));
    V_UNROLL
    for (int k = 0; k < 4; k++)
        e[k] = v_where_less(e[k], v_set(LEAST_ROUNDED), v_zero(), v_widen_bf16(v_round_bf16_normal(e[k])));
    return v_outside(16, least, LEAST_ROUNDED, INFINITY) != 0;
}

/// The ratio of what is below (anchor, power) to what is below (larger_anchor, larger_power).
V_FN float power_ratio(float anchor, float power, float larger_anchor, float larger_power) {
    float fall = power - larger_power;
    if (fall != fall) return fall;
    if (anchor == larger_anchor) return ldexpf(1.0f, (int)fall);
    float lanes[16], distance = (anchor - larger_anchor) + fall * 0x1.62e43p-1f;
    v_store(lanes, v_exp_1ulp(v_set(distance)));
    return lanes[0];
}

/// 16 ratios, some of which are not those of two powers of two near each other. `was` and `is`: anchors, then powers.
V_SLOW void CK_JOIN(power_ratios, CK_SUFFIX)(const float *was, const float *is, float *ratios) {
    for (int r = 0; r < 16; r++) ratios[r] = power_ratio(was[r], was[16 + r], is[r], is[16 + r]);
}

V_FN void scale_row(attention_state *s, int64_t i, float ratio) {
    vf by = v_set(ratio);
    scale_lanes(s->sum + 16 * i, by);
    if (s->unrounded) scale_lanes(s->unrounded + 16 * i, by);
    for (int64_t d = 0; d < s->pitch; d += 16) scale_lanes(s->weighted + i * s->pitch + d, by);
}

/// Rows first ..< first + 16 have scores of `largest`, which may be the largest so far, one in each lane. `first` is a
/// multiple of 16. Returns their shifts: before the first score all that weighs nothing lies below them: -infinity.
V_FN exp_shift state_raise(attention_state *s, int64_t first, vf largest) {
    vf was = v_load(s->most + first), most = v_at_least(was, largest), none = v_set(-FLT_MAX);
    vf score = v_where_less(most, none, v_zero(), most);
    exp_shift shift = v_exp_shift(score);
    shift.low = v_sub(v_sub(score, shift.anchor), v_set(NOTHING));
    vf anchor = v_where_less(was, none, shift.anchor, v_load(s->anchor + first));
    vf power = v_where_less(was, none, shift.power, v_load(s->power + first)), fall = v_sub(power, shift.power);
    v_store(s->most + first, most);
    v_store(s->anchor + first, shift.anchor);
    v_store(s->power + first, shift.power);
    float ratios[16];
    vf ratio = v_scale_by_power(v_set(1.0f), fall);
    int is_far = v_outside(16, v_sub(anchor, shift.anchor), 0.0f, 0.0f) | v_outside(16, fall, -252.0f, 0.0f);
    v_store(ratios, ratio);
    uint32_t changed = (uint32_t)v_outside(16, ratio, 1.0f, 1.0f);
    if (is_far) {
        float before[32], after[32];
        v_store(before, anchor);
        v_store(before + 16, power);
        v_store(after, shift.anchor);
        v_store(after + 16, shift.power);
        CK_JOIN(power_ratios, CK_SUFFIX)(before, after, ratios);
        changed = 0xffff;
    }
    for (; changed; changed &= changed - 1) {
        int r = __builtin_ctz(changed);
        if (ratios[r] != 1.0f) scale_row(s, first + r, ratios[r]);
    }
    return shift;
}

/// Adds the state `part` of later keys.
V_FN void state_merge(attention_state *s, attention_state *part, int64_t count) {
    for (int64_t i = 0; i < count; i += 16) {
        state_raise(s, i, v_load(part->most + i));
        state_raise(part, i, v_load(s->most + i));
    }
    for (int64_t i = 0; i < count; i++) {
        add_lanes(s->sum + 16 * i, v_load(part->sum + 16 * i));
        if (s->unrounded) add_lanes(s->unrounded + 16 * i, v_load(part->unrounded + 16 * i));
        float *to = s->weighted + i * s->pitch, *from = part->weighted + i * s->pitch;
        for (int64_t d = 0; d < s->pitch; d += 16) add_lanes(to + d, v_load(from + d));
    }
}
