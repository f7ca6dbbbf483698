// attention_state.h: what attention knows of some queries after some of the keys.
//
//     e(s)     = e^s below a power of e near the largest score so far (math/softmax.h); 0 for scores NOTHING below that
//     sum      = sum of e(s),   weighted = sum of e(s) * value
//
// Where weights are rounded to bfloat16, these are the sums of rounded ones, and the sum of unrounded ones is kept for the
// logarithm: e(s) of one key divided by itself must be 1, and the logarithm must not feel the rounding.
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

V_FN void state_clear(attention_state *s, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        s->most[i] = -INFINITY;
        s->anchor[i] = s->power[i] = 0.0f;
        v_store(s->sum + 16 * i, v_zero());
        if (s->unrounded) v_store(s->unrounded + 16 * i, v_zero());
    }
    for (int64_t i = 0; i < count * s->pitch; i += 16) v_store(s->weighted + i, v_zero());
}

V_FN void add_lanes(float *lanes, vf a) { v_store(lanes, v_add(v_load(lanes), a)); }

/// Before the first score all that weighs nothing lies below the shift: -infinity.
V_FN exp_shift state_shift(const attention_state *s, int64_t i) {
    vf anchor = v_set(s->anchor[i]), most = v_set(s->most[i] == -INFINITY ? 0.0f : s->most[i]);
    return (exp_shift){anchor, v_sub(v_sub(most, anchor), v_set(NOTHING)), v_set(s->power[i])};
}

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
        e[k] = v_where_less(e[k], v_set(LEAST_ROUNDED), v_zero(), v_widen_bf16(v_round_bf16(e[k])));
    return v_outside(16, least, LEAST_ROUNDED, INFINITY) != 0;
}

/// The ratio of what is below (anchor, power) to what is below (larger_anchor, larger_power).
V_FN float power_ratio(float anchor, float power, float larger_anchor, float larger_power) {
    if (anchor == larger_anchor) return ldexpf(1.0f, (int)(power - larger_power));
    float lanes[16], distance = (anchor - larger_anchor) + (power - larger_power) * 0x1.62e43p-1f;
    v_store(lanes, v_exp_1ulp(v_set(distance)));
    return lanes[0];
}

/// Query i has a score of `most`, the largest so far.
V_SLOW void CK_JOIN(state_raise, CK_SUFFIX)(attention_state *s, int64_t i, float most) {
    if (most == s->most[i]) return;
    int is_first = s->most[i] == -INFINITY;
    float anchor = s->anchor[i], power = s->power[i], first[16];
    exp_shift shift = v_exp_shift(v_set(most));
    v_store(first, shift.anchor);
    s->anchor[i] = first[0];
    v_store(first, shift.power);
    s->power[i] = first[0];
    s->most[i] = most;
    if (is_first || (anchor == s->anchor[i] && power == s->power[i])) return;
    vf ratio = v_set(power_ratio(anchor, power, s->anchor[i], s->power[i]));
    v_store(s->sum + 16 * i, v_mul(v_load(s->sum + 16 * i), ratio));
    if (s->unrounded) v_store(s->unrounded + 16 * i, v_mul(v_load(s->unrounded + 16 * i), ratio));
    float *weighted = s->weighted + i * s->pitch;
    for (int64_t d = 0; d < s->pitch; d += 16) v_store(weighted + d, v_mul(v_load(weighted + d), ratio));
}

/// Adds the state `part` of later keys.
V_FN void state_merge(attention_state *s, attention_state *part, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (part->most[i] > s->most[i])
            CK_JOIN(state_raise, CK_SUFFIX)(s, i, part->most[i]);
        else
            CK_JOIN(state_raise, CK_SUFFIX)(part, i, s->most[i]);
        add_lanes(s->sum + 16 * i, v_load(part->sum + 16 * i));
        if (s->unrounded) add_lanes(s->unrounded + 16 * i, v_load(part->unrounded + 16 * i));
        float *to = s->weighted + i * s->pitch, *from = part->weighted + i * s->pitch;
        for (int64_t d = 0; d < s->pitch; d += 16) add_lanes(to + d, v_load(from + d));
    }
}
