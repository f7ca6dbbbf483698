// portable.h: the vocabulary (contract.h) in C. The simplest statement of what each name does.

typedef struct vf {
    float lane[16];
} vf;

#define V_TOGETHER 4
#define V_SUMS 24
#define V_NEAREST_WISH 4096
#define V_FARTHEST_WISH 4096
#define V_STREAMED_TOGETHER 1
#define V_STRETCH 128
#ifndef V_DOTS_PAIRS
#define V_DOTS_PAIRS 0
#endif
#define EACH_LANE for (int l = 0; l < 16; l++)

V_FN vf v_set(float a) {
    vf r;
    EACH_LANE r.lane[l] = a;
    return r;
}
V_FN vf v_zero(void) { return v_set(0.0f); }

V_FN vf v_load_n(const float *p, int64_t n) {
    vf r;
    EACH_LANE r.lane[l] = l < n ? p[l] : 0.0f;
    return r;
}
V_FN vf v_load(const float *p) { return v_load_n(p, 16); }
V_FN void v_store_n(float *p, int64_t n, vf a) {
    EACH_LANE if (l < n) p[l] = a.lane[l];
}
V_FN void v_store(float *p, vf a) { v_store_n(p, 16, a); }
V_FN void v_stream(float *p, vf a) { v_store(p, a); }
V_FN void v_stream_end(void) {}
V_FN void v_fetch(const void *p) { __builtin_prefetch(p, 0, 2); }
V_FN void v_fetch_to_write(const void *p) { __builtin_prefetch(p, 1, 2); }
V_FN vf v_keep_n(int64_t n, vf a) { return v_load_n(a.lane, n); }
V_FN vf v_keep_n_or(int64_t n, vf a, vf b) {
    EACH_LANE if (l < n) b.lane[l] = a.lane[l];
    return b;
}
V_FN vf v_keep_bits(uint32_t bits, vf a) {
    EACH_LANE if (!(bits >> l & 1)) a.lane[l] = 0.0f;
    return a;
}

V_FN vf v_where_bits(uint32_t bits, vf a, vf b) {
    EACH_LANE if (bits >> l & 1) b.lane[l] = a.lane[l];
    return b;
}
V_FN uint32_t v_bits_of_bytes(const uint8_t *p) {
    uint32_t bits = 0;
    EACH_LANE bits |= (uint32_t)(p[l] != 0) << l;
    return bits;
}

typedef struct vw {
    uint64_t place[8];
} vw;
#define EACH_PLACE for (int l = 0; l < 8; l++)

V_FN vw vw_count_by(uint32_t a, uint32_t step) {
    vw r;
    EACH_PLACE r.place[l] = a + (uint32_t)l * step;
    return r;
}
V_FN vw vw_set(uint32_t a) { return vw_count_by(a, 0); }
V_FN vw vw_count(uint32_t a) { return vw_count_by(a, 1); }
V_FN vw vw_mul(vw a, vw b) {
    EACH_PLACE a.place[l] = (a.place[l] & 0xffffffff) * (b.place[l] & 0xffffffff);
    return a;
}
V_FN vw vw_upper(vw a) {
    EACH_PLACE a.place[l] >>= 32;
    return a;
}
V_FN vw vw_xor(vw a, vw b) {
    EACH_PLACE a.place[l] ^= b.place[l];
    return a;
}
V_FN uint32_t vw_bits_at_least(vw a, vw b) {
    uint32_t bits = 0;
    EACH_PLACE bits |= (uint32_t)((uint32_t)a.place[l] >= (uint32_t)b.place[l]) << l;
    return bits;
}

typedef struct vh {
    uint16_t lane[16];
} vh;

V_FN vh vh_load_n(const uint16_t *p, int64_t n) {
    vh r;
    EACH_LANE r.lane[l] = l < n ? p[l] : 0;
    return r;
}
V_FN vh vh_load(const uint16_t *p) { return vh_load_n(p, 16); }
V_FN void vh_store_n(uint16_t *p, int64_t n, vh a) {
    EACH_LANE if (l < n) p[l] = a.lane[l];
}
V_FN void vh_store(uint16_t *p, vh a) { vh_store_n(p, 16, a); }
V_FN void vh_stream(uint16_t *p, vh a) { vh_store(p, a); }

V_FN uint32_t s_bits(float a) {
    uint32_t bits;
    memcpy(&bits, &a, 4);
    return bits;
}
V_FN float s_float(uint32_t bits) {
    float a;
    memcpy(&a, &bits, 4);
    return a;
}

V_FN vf v_widen_bf16(vh a) {
    vf r;
    EACH_LANE r.lane[l] = s_float((uint32_t)a.lane[l] << 16);
    return r;
}
V_FN vh v_round_bf16(vf a) {
    vh r;
    EACH_LANE {
        uint32_t bits = s_bits(a.lane[l]);
        int is_nan = (bits & 0x7fffffff) > 0x7f800000;
        r.lane[l] = (uint16_t)((is_nan ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    return r;
}

/// Exponents of binary16 are 112 below those of binary32; a multiplication by 2^112 also gives subnormals theirs.
V_FN float s_widen_f16(uint16_t h) {
    float magnitude = s_float((uint32_t)(h & 0x7fff) << 13) * 0x1p112f;
    if ((h & 0x7c00) == 0x7c00) magnitude = s_float(0x7f800000 | (uint32_t)(h & 0x3ff) << 13);
    return s_float(s_bits(magnitude) | (uint32_t)(h & 0x8000) << 16);
}
/// Subnormal results are multiples of 2^-24, the last place of numbers from 0.5 on: an addition rounds to them.
V_FN uint16_t s_round_f16(float a) {
    uint32_t bits = s_bits(a), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);  // from 65520 on
    if (magnitude < 0x38800000) return (uint16_t)(sign | (s_bits(s_float(magnitude) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | (((magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13) - (112 << 10)));
}
V_FN vh v_round_bf16_normal(vf a) { return v_round_bf16(a); }
V_FN vf v_widen_f16(vh a) {
    vf r;
    EACH_LANE r.lane[l] = s_widen_f16(a.lane[l]);
    return r;
}
V_FN vh v_round_f16(vf a) {
    vh r;
    EACH_LANE r.lane[l] = s_round_f16(a.lane[l]);
    return r;
}
/// Numbers around 1.5 * 2^23 are whole: an addition rounds to them.
V_FN void v_store_s8_n(int8_t *p, int64_t n, vf a) {
    EACH_LANE if (l < n) p[l] = (int8_t)((int32_t)s_bits(a.lane[l] + 0x1.8p23f) - 0x4b400000);
}

V_FN vf v_add(vf a, vf b) {
    EACH_LANE a.lane[l] += b.lane[l];
    return a;
}
V_FN vf v_sub(vf a, vf b) {
    EACH_LANE a.lane[l] -= b.lane[l];
    return a;
}
V_FN vf v_mul(vf a, vf b) {
    EACH_LANE a.lane[l] *= b.lane[l];
    return a;
}
V_FN vf v_div(vf a, vf b) {
    EACH_LANE a.lane[l] /= b.lane[l];
    return a;
}
V_FN vf v_sqrt(vf a) {
    EACH_LANE a.lane[l] = sqrtf(a.lane[l]);
    return a;
}
V_FN vf v_floor_zero(vf a) {
    EACH_LANE if (a.lane[l] < 0.0f) a.lane[l] = 0.0f;
    return a;
}
V_FN vf v_at_least(vf a, vf b) {
    EACH_LANE if (a.lane[l] < b.lane[l]) a.lane[l] = b.lane[l];
    return a;
}
V_FN vf v_at_most(vf a, vf b) {
    EACH_LANE if (a.lane[l] > b.lane[l]) a.lane[l] = b.lane[l];
    return a;
}
V_FN vf v_where_less(vf a, vf b, vf x, vf y) {
    EACH_LANE y.lane[l] = a.lane[l] < b.lane[l] ? x.lane[l] : y.lane[l];
    return y;
}
V_FN vf v_abs(vf a) {
    EACH_LANE a.lane[l] = fabsf(a.lane[l]);
    return a;
}
V_FN vf v_copy_sign(vf a, vf b) {
    EACH_LANE a.lane[l] = copysignf(a.lane[l], b.lane[l]);
    return a;
}
V_FN float s_power_of_two(int32_t k) {
    uint32_t bits = (uint32_t)(k + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return power;
}
V_FN vf v_scale_by_power(vf a, vf k) {
    EACH_LANE {  // two steps, of which the first one is exact
        int32_t power = k.lane[l] == k.lane[l] ? (int32_t)k.lane[l] : 0, half = power / 2;
        a.lane[l] = a.lane[l] * s_power_of_two(half) * s_power_of_two(power - half);
    }
    return a;
}
V_FN vf v_power_of_two(vf a) {
    EACH_LANE a.lane[l] = s_float(s_bits(a.lane[l]) << 23);
    return a;
}
V_FN vf v_fma(vf a, vf b, vf c) {
    EACH_LANE c.lane[l] = fmaf(a.lane[l], b.lane[l], c.lane[l]);
    return c;
}
/// -a. Of its own minus and an fma before it GCC makes one instruction, whose zero has the other sign.
V_FN float s_minus(float a) { return s_float(s_bits(a) ^ 0x80000000u); }
V_FN vf v_fms(vf a, vf b, vf c) {
    EACH_LANE c.lane[l] = fmaf(a.lane[l], b.lane[l], s_minus(c.lane[l]));
    return c;
}
V_FN vf v_fnma(vf a, vf b, vf c) {
    EACH_LANE c.lane[l] = fmaf(s_minus(a.lane[l]), b.lane[l], c.lane[l]);
    return c;
}

V_FN vf v_pair_bf16(vf a, vf b) {
    EACH_LANE a.lane[l] = s_float((s_bits(a.lane[l]) & 0xffff0000u) | s_bits(b.lane[l]) >> 16);
    return a;
}
V_FN vf v_pairs_of(vh a, vh b) {
    vf r;
    EACH_LANE {
        const uint16_t *pair = (l < 8 ? a.lane : b.lane) + 2 * l % 16;
        r.lane[l] = s_float((uint32_t)pair[1] << 16 | pair[0]);
    }
    return r;
}
V_FN vf v_swap_pairs(vf a) {
    EACH_LANE a.lane[l] = s_float(s_bits(a.lane[l]) << 16 | s_bits(a.lane[l]) >> 16);
    return a;
}
V_FN vf v_dot_pairs(vf a, vf b, vf c) {
    EACH_LANE {
        uint32_t x = s_bits(a.lane[l]), y = s_bits(b.lane[l]);
        float upper = fmaf(s_float(x & 0xffff0000u), s_float(y & 0xffff0000u), c.lane[l]);
        c.lane[l] = fmaf(s_float(x << 16), s_float(y << 16), upper);
    }
    return c;
}

V_FN int v_outside(int64_t n, vf a, float lo, float hi) {
    int outside = 0;
    EACH_LANE if (l < n && !(a.lane[l] >= lo && a.lane[l] <= hi)) outside |= 1 << l;
    return outside;
}

V_FN float s_magnitude(float m, float a) {
    uint32_t bits = s_bits(a) & 0x7fffffff;
    return bits > s_bits(m) ? s_float(bits) : m;
}
V_FN vf v_magnitude(vf m, vf a) {
    EACH_LANE m.lane[l] = s_magnitude(m.lane[l], a.lane[l]);
    return m;
}

V_FN float v_fold_add(vf a) {
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; l++) a.lane[l] += a.lane[l + half];
    return a.lane[0];
}
V_FN vf v_fold_add_rows(const vf *rows) {
    vf sums;
    EACH_LANE sums.lane[l] = v_fold_add(rows[l]);
    return sums;
}
V_FN float v_fold_most(vf a) {
    for (int l = 1; l < 16; l++)
        if (a.lane[l] > a.lane[0]) a.lane[0] = a.lane[l];
    return a.lane[0];
}
V_FN vf v_fold_most_rows(const vf *rows) {
    vf most;
    EACH_LANE most.lane[l] = v_fold_most(rows[l]);
    return most;
}
V_FN float v_fold_magnitude(vf a) {
    for (int l = 1; l < 16; l++) a.lane[0] = s_magnitude(a.lane[0], a.lane[l]);
    return a.lane[0];
}

typedef struct vx {
    uint64_t lane[16];
} vx;

V_FN vx vx_zero(void) { return (vx){{0}}; }
/// From 4 to 8 the last place of a binary64 is 2^-50: the bits of a number from there on count units of 2^-50.
V_FN uint64_t s_units(double six_more) {
    uint64_t bits, of_six;
    memcpy(&bits, &six_more, 8);
    memcpy(&of_six, &(double){6.0}, 8);
    return bits - of_six;
}
V_FN vx vx_add(vx s, vf a) {
    EACH_LANE s.lane[l] += s_units((double)a.lane[l] + 6.0);
    return s;
}
V_FN vx vx_add_product(vx s, vf a, vf b) {  // a product of two floats is exact in binary64
    EACH_LANE s.lane[l] += s_units((double)a.lane[l] * (double)b.lane[l] + 6.0);
    return s;
}
V_FN void vx_store(int64_t *p, vx s) { memcpy(p, s.lane, sizeof s.lane); }

V_FN float s_sqrt(float a) { return sqrtf(a); }
V_FN float s_fma(float a, float b, float c) { return fmaf(a, b, c); }

V_FN void v_turn(const float *const *rows, int64_t i, float *to, int64_t pitch) {
    EACH_LANE for (int r = 0; r < 16; r++) to[pitch * l + r] = rows[r][i + l];
}
