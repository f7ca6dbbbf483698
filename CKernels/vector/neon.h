// neon.h: the vocabulary (contract.h) in arm64 NEON: a vector is four q registers.

typedef float32x4x4_t vf;

#define V_TOGETHER 2
#define V_SUMS 6
#define V_NEAREST_WISH 4096
#define V_FARTHEST_WISH 4096
#define V_STREAMED_TOGETHER 1
#define V_STRETCH 128
#ifndef V_DOTS_PAIRS
#define V_DOTS_PAIRS 0
#endif
#define EACH_QUARTER for (int q = 0; q < 4; q++)

V_FN vf v_set(float a) {
    vf r;
    EACH_QUARTER r.val[q] = vdupq_n_f32(a);
    return r;
}
V_FN vf v_zero(void) { return v_set(0.0f); }

V_FN vf v_load(const float *p) {
    vf r;
    EACH_QUARTER r.val[q] = vld1q_f32(p + 4 * q);
    return r;
}
V_FN void v_store(float *p, vf a) {
    EACH_QUARTER vst1q_f32(p + 4 * q, a.val[q]);
}
V_FN vf v_load_n(const float *p, int64_t n) {
    if (n >= 16) return v_load(p);
    float lanes[16] = {0};
    for (int64_t l = 0; l < n; l++) lanes[l] = p[l];
    return v_load(lanes);
}
V_FN void v_store_n(float *p, int64_t n, vf a) {
    if (n >= 16) {
        v_store(p, a);
        return;
    }
    float lanes[16];
    v_store(lanes, a);
    for (int64_t l = 0; l < n; l++) p[l] = lanes[l];
}
V_FN void v_stream(float *p, vf a) { v_store(p, a); }
V_FN void v_stream_end(void) {}
V_FN void v_fetch(const void *p) { __builtin_prefetch(p, 0, 2); }
V_FN void v_fetch_to_write(const void *p) { __builtin_prefetch(p, 1, 2); }
V_FN uint32x4_t v_first4(int64_t n) {
    static const int32_t index[4] = {0, 1, 2, 3};
    return vcltq_s32(vld1q_s32(index), vdupq_n_s32(n <= 0 ? 0 : n >= 4 ? 4 : (int32_t)n));
}
V_FN vf v_keep_n_or(int64_t n, vf a, vf b) {
    EACH_QUARTER b.val[q] = vbslq_f32(v_first4(n - 4 * q), a.val[q], b.val[q]);
    return b;
}
V_FN vf v_keep_n(int64_t n, vf a) { return v_keep_n_or(n, a, v_zero()); }
V_FN uint32x4_t v_mask_of_bits4(uint32_t bits) {
    static const uint32_t lane[4] = {1, 2, 4, 8};
    return vtstq_u32(vdupq_n_u32(bits), vld1q_u32(lane));
}
V_FN vf v_keep_bits(uint32_t bits, vf a) {
    EACH_QUARTER {
        uint32x4_t kept = v_mask_of_bits4(bits >> 4 * q);
        a.val[q] = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.val[q]), kept));
    }
    return a;
}
V_FN vf v_where_bits(uint32_t bits, vf a, vf b) {
    EACH_QUARTER a.val[q] = vbslq_f32(v_mask_of_bits4(bits >> 4 * q), a.val[q], b.val[q]);
    return a;
}
V_FN uint32_t v_bits_of_bytes(const uint8_t *p) {
    static const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bytes = vld1q_u8(p), set = vandq_u8(vtstq_u8(bytes, bytes), vld1q_u8(bit));
    return (uint32_t)vaddv_u8(vget_low_u8(set)) | (uint32_t)vaddv_u8(vget_high_u8(set)) << 8;
}

typedef struct vw {
    uint64x2_t two[4];
} vw;

V_FN vw vw_set(uint32_t a) {
    vw r;
    EACH_QUARTER r.two[q] = vdupq_n_u64(a);
    return r;
}
V_FN vw vw_count(uint32_t a) {
    static const uint32_t first[4] = {0, 0, 1, 0};
    vw r;
    EACH_QUARTER r.two[q] = vreinterpretq_u64_u32(vaddq_u32(vld1q_u32(first), vdupq_n_u32(a + 2 * (uint32_t)q)));
    return r;
}
V_FN vw vw_mul(vw a, vw b) {
    EACH_QUARTER a.two[q] = vmull_u32(vmovn_u64(a.two[q]), vmovn_u64(b.two[q]));
    return a;
}
V_FN vw vw_upper(vw a) {
    EACH_QUARTER a.two[q] = vshrq_n_u64(a.two[q], 32);
    return a;
}
V_FN vw vw_xor(vw a, vw b) {
    EACH_QUARTER a.two[q] = veorq_u64(a.two[q], b.two[q]);
    return a;
}
/// Words of places 4 k ..< 4 k + 4.
V_FN uint32x4_t vw_words4(vw a, int k) { return vcombine_u32(vmovn_u64(a.two[2 * k]), vmovn_u64(a.two[2 * k + 1])); }
V_FN uint32_t vw_bits_at_least(vw a, vw b) {
    static const uint32_t bit[4] = {1, 2, 4, 8};
    uint32_t bits = 0;
    for (int k = 0; k < 2; k++)
        bits |= vaddvq_u32(vandq_u32(vcgeq_u32(vw_words4(a, k), vw_words4(b, k)), vld1q_u32(bit))) << 4 * k;
    return bits;
}

typedef uint16x8x2_t vh;

V_FN vh vh_load(const uint16_t *p) { return (vh){{vld1q_u16(p), vld1q_u16(p + 8)}}; }
V_FN void vh_store(uint16_t *p, vh a) {
    vst1q_u16(p, a.val[0]);
    vst1q_u16(p + 8, a.val[1]);
}
V_SLOW vh vh_load_n(const uint16_t *p, int64_t n) {
    if (n >= 16) return vh_load(p);
    uint16_t lanes[16] = {0};
    for (int64_t l = 0; l < n; l++) lanes[l] = p[l];
    return vh_load(lanes);
}
V_SLOW void vh_store_n(uint16_t *p, int64_t n, vh a) {
    if (n >= 16) {
        vh_store(p, a);
        return;
    }
    uint16_t lanes[16];
    vh_store(lanes, a);
    for (int64_t l = 0; l < n; l++) p[l] = lanes[l];
}
V_FN void vh_stream(uint16_t *p, vh a) { vh_store(p, a); }

/// Quarter q of 16 patterns.
V_FN uint16x4_t vh_quarter(vh a, int q) { return q % 2 ? vget_high_u16(a.val[q / 2]) : vget_low_u16(a.val[q / 2]); }
V_FN vh vh_of_quarters(const uint16x4_t *r) { return (vh){{vcombine_u16(r[0], r[1]), vcombine_u16(r[2], r[3])}}; }

V_FN vf v_widen_bf16(vh a) {
    vf r;
    EACH_QUARTER r.val[q] = vreinterpretq_f32_u32(vshll_n_u16(vh_quarter(a, q), 16));
    return r;
}
V_FN vh v_round_bf16(vf a) {
    uint16x4_t r[4];
    EACH_QUARTER {
        uint32x4_t bits = vreinterpretq_u32_f32(a.val[q]), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
        uint32x4_t is_number = vceqq_f32(a.val[q], a.val[q]), quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
        r[q] = vshrn_n_u32(vbslq_u32(is_number, rounded, quiet), 16);
    }
    return vh_of_quarters(r);
}
V_FN vh v_round_bf16_normal(vf a) { return v_round_bf16(a); }
V_FN vf v_widen_f16(vh a) {
    vf r;
    EACH_QUARTER r.val[q] = vcvt_f32_f16(vreinterpret_f16_u16(vh_quarter(a, q)));
    return r;
}
V_FN vh v_round_f16(vf a) {
    uint16x4_t r[4];
    EACH_QUARTER r[q] = vreinterpret_u16_f16(vcvt_f16_f32(a.val[q]));
    return vh_of_quarters(r);
}
V_FN void v_store_s8_n(int8_t *p, int64_t n, vf a) {
    int16x8_t lo = vcombine_s16(vmovn_s32(vcvtnq_s32_f32(a.val[0])), vmovn_s32(vcvtnq_s32_f32(a.val[1])));
    int16x8_t hi = vcombine_s16(vmovn_s32(vcvtnq_s32_f32(a.val[2])), vmovn_s32(vcvtnq_s32_f32(a.val[3])));
    int8x16_t bytes = vcombine_s8(vmovn_s16(lo), vmovn_s16(hi));
    if (n >= 16) {
        vst1q_s8(p, bytes);
        return;
    }
    int8_t lanes[16];
    vst1q_s8(lanes, bytes);
    for (int64_t l = 0; l < n; l++) p[l] = lanes[l];
}

V_FN vf v_add(vf a, vf b) {
    EACH_QUARTER a.val[q] = vaddq_f32(a.val[q], b.val[q]);
    return a;
}
V_FN vf v_sub(vf a, vf b) {
    EACH_QUARTER a.val[q] = vsubq_f32(a.val[q], b.val[q]);
    return a;
}
V_FN vf v_mul(vf a, vf b) {
    EACH_QUARTER a.val[q] = vmulq_f32(a.val[q], b.val[q]);
    return a;
}
V_FN vf v_div(vf a, vf b) {
    EACH_QUARTER a.val[q] = vdivq_f32(a.val[q], b.val[q]);
    return a;
}
V_FN vf v_sqrt(vf a) {
    EACH_QUARTER a.val[q] = vsqrtq_f32(a.val[q]);
    return a;
}
V_FN vf v_floor_zero(vf a) {
    EACH_QUARTER a.val[q] = vmaxq_f32(vdupq_n_f32(0.0f), a.val[q]);
    return a;
}
V_FN vf v_at_least(vf a, vf b) {
    EACH_QUARTER a.val[q] = vbslq_f32(vcltq_f32(a.val[q], b.val[q]), b.val[q], a.val[q]);
    return a;
}
V_FN vf v_at_most(vf a, vf b) {
    EACH_QUARTER a.val[q] = vbslq_f32(vcgtq_f32(a.val[q], b.val[q]), b.val[q], a.val[q]);
    return a;
}
V_FN vf v_where_less(vf a, vf b, vf x, vf y) {
    EACH_QUARTER y.val[q] = vbslq_f32(vcltq_f32(a.val[q], b.val[q]), x.val[q], y.val[q]);
    return y;
}
V_FN vf v_abs(vf a) {
    EACH_QUARTER a.val[q] = vabsq_f32(a.val[q]);
    return a;
}
V_FN vf v_copy_sign(vf a, vf b) {
    EACH_QUARTER a.val[q] = vbslq_f32(vdupq_n_u32(0x80000000), b.val[q], a.val[q]);
    return a;
}
V_FN float32x4_t v_power_of_two4(int32x4_t k) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(k, vdupq_n_s32(127)), 23));
}
V_FN vf v_scale_by_power(vf a, vf k) {
    EACH_QUARTER {  // two steps, of which the first one is exact
        int32x4_t power = vcvtq_s32_f32(k.val[q]), half = vshrq_n_s32(power, 1);
        a.val[q] = vmulq_f32(vmulq_f32(a.val[q], v_power_of_two4(half)), v_power_of_two4(vsubq_s32(power, half)));
    }
    return a;
}
V_FN vf v_power_of_two(vf a) {
    EACH_QUARTER a.val[q] = vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(a.val[q]), 23));
    return a;
}
V_FN vf v_fma(vf a, vf b, vf c) {
    EACH_QUARTER c.val[q] = vfmaq_f32(c.val[q], a.val[q], b.val[q]);
    return c;
}
V_FN vf v_fms(vf a, vf b, vf c) {
    EACH_QUARTER c.val[q] = vfmaq_f32(vnegq_f32(c.val[q]), a.val[q], b.val[q]);
    return c;
}
V_FN vf v_fnma(vf a, vf b, vf c) {
    EACH_QUARTER c.val[q] = vfmsq_f32(c.val[q], a.val[q], b.val[q]);
    return c;
}

V_FN vf v_pair_bf16(vf a, vf b) {
    EACH_QUARTER a.val[q] = vreinterpretq_f32_u32(
        vsriq_n_u32(vreinterpretq_u32_f32(a.val[q]), vreinterpretq_u32_f32(b.val[q]), 16));
    return a;
}
V_FN vf v_pairs_of(vh a, vh b) {
    return (vf){{vreinterpretq_f32_u16(a.val[0]), vreinterpretq_f32_u16(a.val[1]), vreinterpretq_f32_u16(b.val[0]),
                 vreinterpretq_f32_u16(b.val[1])}};
}
V_FN vf v_swap_pairs(vf a) {
    EACH_QUARTER a.val[q] = vreinterpretq_f32_u16(vrev32q_u16(vreinterpretq_u16_f32(a.val[q])));
    return a;
}
V_FN vf v_lower(vf a) {
    EACH_QUARTER a.val[q] = vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(a.val[q]), 16));
    return a;
}
V_FN vf v_dot_pairs(vf a, vf b, vf c) {
    vf upper = v_fma(v_lower(v_swap_pairs(a)), v_lower(v_swap_pairs(b)), c);
    return v_fma(v_lower(a), v_lower(b), upper);
}

V_FN int v_outside(int64_t n, vf a, float lo, float hi) {
    uint32x4_t inside = vdupq_n_u32(~0u);
    EACH_QUARTER inside = vandq_u32(
        inside, vandq_u32(vcgeq_f32(a.val[q], vdupq_n_f32(lo)), vcleq_f32(a.val[q], vdupq_n_f32(hi))));
    if (vminvq_u32(inside) != 0) return 0;
    float lanes[16];
    v_store(lanes, a);
    int outside = 0;
    for (int l = 0; l < 16 && l < n; l++)
        if (!(lanes[l] >= lo && lanes[l] <= hi)) outside |= 1 << l;
    return outside;
}

V_FN vf v_magnitude(vf m, vf a) {
    EACH_QUARTER {
        uint32x4_t bits = vreinterpretq_u32_f32(vabsq_f32(a.val[q]));
        m.val[q] = vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(m.val[q]), bits));
    }
    return m;
}

V_FN float v_fold_add(vf a) {
    float32x4_t e = vaddq_f32(vaddq_f32(a.val[0], a.val[2]), vaddq_f32(a.val[1], a.val[3]));
    float32x2_t h = vadd_f32(vget_low_f32(e), vget_high_f32(e));
    return vget_lane_f32(h, 0) + vget_lane_f32(h, 1);
}
V_FN vf v_fold_add_rows(const vf *rows) {
    float sums[16];
    for (int l = 0; l < 16; l++) sums[l] = v_fold_add(rows[l]);
    return v_load(sums);
}
V_FN float v_fold_most(vf a) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.val[0], a.val[2]), vmaxq_f32(a.val[1], a.val[3])));
}
V_FN vf v_fold_most_rows(const vf *rows) {
    float most[16];
    for (int l = 0; l < 16; l++) most[l] = v_fold_most(rows[l]);
    return v_load(most);
}
V_FN float v_fold_magnitude(vf a) {
    uint32x4_t m = vdupq_n_u32(0);
    EACH_QUARTER m = vmaxq_u32(m, vreinterpretq_u32_f32(a.val[q]));
    return vgetq_lane_f32(vreinterpretq_f32_u32(vdupq_n_u32(vmaxvq_u32(m))), 0);
}

typedef struct vx {
    int64x2_t q[8];
} vx;

V_FN vx vx_zero(void) {
    vx s;
    for (int k = 0; k < 8; k++) s.q[k] = vdupq_n_s64(0);
    return s;
}
/// From 4 to 8 the last place of a binary64 is 2^-50: the bits of a number from there on count units of 2^-50.
V_FN int64x2_t v_add_units2(int64x2_t s, float64x2_t six_more) {
    int64x2_t of_six = vreinterpretq_s64_f64(vdupq_n_f64(6.0));
    return vaddq_s64(s, vsubq_s64(vreinterpretq_s64_f64(six_more), of_six));
}
/// Lanes 2 k and 2 k + 1 in binary64.
V_FN float64x2_t v_wide2(vf a, int k) {
    return k % 2 == 0 ? vcvt_f64_f32(vget_low_f32(a.val[k / 2])) : vcvt_high_f64_f32(a.val[k / 2]);
}
V_FN vx vx_add(vx s, vf a) {
    for (int k = 0; k < 8; k++) s.q[k] = v_add_units2(s.q[k], vaddq_f64(v_wide2(a, k), vdupq_n_f64(6.0)));
    return s;
}
V_FN vx vx_add_product(vx s, vf a, vf b) {
    for (int k = 0; k < 8; k++)
        s.q[k] = v_add_units2(s.q[k], vfmaq_f64(vdupq_n_f64(6.0), v_wide2(a, k), v_wide2(b, k)));
    return s;
}
V_FN void vx_store(int64_t *p, vx s) {
    for (int k = 0; k < 8; k++) vst1q_s64(p + 2 * k, s.q[k]);
}

V_FN float s_sqrt(float a) { return vget_lane_f32(vsqrt_f32(vdup_n_f32(a)), 0); }
V_FN float s_fma(float a, float b, float c) {
    return vget_lane_f32(vfma_f32(vdup_n_f32(c), vdup_n_f32(a), vdup_n_f32(b)), 0);
}

/// Four rows of four.
V_FN void v_turn4(const float *const *rows, int64_t i, float *to, int64_t pitch) {
    float32x4x2_t a = vtrnq_f32(vld1q_f32(rows[0] + i), vld1q_f32(rows[1] + i));
    float32x4x2_t b = vtrnq_f32(vld1q_f32(rows[2] + i), vld1q_f32(rows[3] + i));
    for (int l = 0; l < 2; l++) {
        vst1q_f32(to + pitch * l, vcombine_f32(vget_low_f32(a.val[l]), vget_low_f32(b.val[l])));
        vst1q_f32(to + pitch * (l + 2), vcombine_f32(vget_high_f32(a.val[l]), vget_high_f32(b.val[l])));
    }
}
V_FN void v_turn(const float *const *rows, int64_t i, float *to, int64_t pitch) {
    for (int r = 0; r < 16; r += 4)
        for (int l = 0; l < 16; l += 4) v_turn4(rows + r, i + l, to + pitch * l + r, pitch);
}
