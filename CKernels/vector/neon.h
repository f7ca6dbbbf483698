// neon.h: the vocabulary (contract.h) in arm64 NEON: a vector is four q registers.

typedef float32x4x4_t vf;

#define V_TOGETHER 2
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
V_FN void v_fetch(const float *p) { __builtin_prefetch(p, 0, 2); }
V_FN void v_fetch_to_write(const float *p) { __builtin_prefetch(p, 1, 2); }
V_FN vf v_keep_n(int64_t n, vf a) {
    static const int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    int32x4_t count = vdupq_n_s32(n <= 0 ? 0 : n >= 16 ? 16 : (int32_t)n);
    EACH_QUARTER {
        uint32x4_t kept = vcltq_s32(vld1q_s32(index + 4 * q), count);
        a.val[q] = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.val[q]), kept));
    }
    return a;
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

V_FN int v_outside(int64_t n, vf a, float lo, float hi) {
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
V_FN float v_fold_magnitude(vf a) {
    uint32x4_t m = vdupq_n_u32(0);
    EACH_QUARTER m = vmaxq_u32(m, vreinterpretq_u32_f32(a.val[q]));
    return vgetq_lane_f32(vreinterpretq_f32_u32(vdupq_n_u32(vmaxvq_u32(m))), 0);
}

V_FN float s_sqrt(float a) { return vget_lane_f32(vsqrt_f32(vdup_n_f32(a)), 0); }
V_FN float s_fma(float a, float b, float c) {
    return vget_lane_f32(vfma_f32(vdup_n_f32(c), vdup_n_f32(a), vdup_n_f32(b)), 0);
}
