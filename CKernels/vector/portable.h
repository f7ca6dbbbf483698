// portable.h: the vocabulary (contract.h) in C. The simplest statement of what each name does.

typedef struct vf {
    float lane[16];
} vf;

#define V_TOGETHER 4
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
V_FN void v_fetch(const float *p) { __builtin_prefetch(p, 0, 2); }
V_FN void v_fetch_to_write(const float *p) { __builtin_prefetch(p, 1, 2); }
V_FN vf v_keep_n(int64_t n, vf a) { return v_load_n(a.lane, n); }

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
V_FN vf v_fma(vf a, vf b, vf c) {
    EACH_LANE c.lane[l] = fmaf(a.lane[l], b.lane[l], c.lane[l]);
    return c;
}
V_FN vf v_fms(vf a, vf b, vf c) {
    EACH_LANE c.lane[l] = fmaf(a.lane[l], b.lane[l], -c.lane[l]);
    return c;
}
V_FN vf v_fnma(vf a, vf b, vf c) {
    EACH_LANE c.lane[l] = fmaf(-a.lane[l], b.lane[l], c.lane[l]);
    return c;
}

V_FN int v_outside(int64_t n, vf a, float lo, float hi) {
    int outside = 0;
    EACH_LANE if (l < n && !(a.lane[l] >= lo && a.lane[l] <= hi)) outside |= 1 << l;
    return outside;
}

V_FN float s_magnitude(float m, float a) {
    uint32_t mb, ab;
    memcpy(&mb, &m, 4);
    memcpy(&ab, &a, 4);
    ab &= 0x7fffffff;
    if (ab > mb) memcpy(&m, &ab, 4);
    return m;
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
V_FN float v_fold_magnitude(vf a) {
    for (int l = 1; l < 16; l++) a.lane[0] = s_magnitude(a.lane[0], a.lane[l]);
    return a.lane[0];
}

V_FN float s_sqrt(float a) { return sqrtf(a); }
V_FN float s_fma(float a, float b, float c) { return fmaf(a, b, c); }
