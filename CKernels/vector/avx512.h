// avx512.h: the vocabulary (contract.h) in AVX-512: a vector is one zmm register.

typedef __m512 vf;

#define V_TOGETHER 4
#define V_SUMS 24
#define V_NEAREST_WISH 8192
#define V_FARTHEST_WISH 32768
#define V_STREAMED_TOGETHER 4
#define V_STRETCH 64
#ifndef V_DOTS_PAIRS
#define V_DOTS_PAIRS 0
#endif

V_FN vf v_zero(void) { return _mm512_setzero_ps(); }
V_FN vf v_set(float a) { return _mm512_set1_ps(a); }

V_FN __mmask16 v_first(int64_t n) { return (__mmask16)(n <= 0 ? 0 : n >= 16 ? 0xffff : (1u << n) - 1); }
V_FN vf v_load(const float *p) { return _mm512_loadu_ps(p); }
V_FN vf v_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
V_FN void v_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
V_FN void v_store_n(float *p, int64_t n, vf a) { _mm512_mask_storeu_ps(p, v_first(n), a); }
V_FN void v_stream(float *p, vf a) { _mm512_stream_ps(p, a); }
V_FN void v_stream_end(void) { _mm_sfence(); }
V_FN void v_fetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
V_FN void v_fetch_to_write(const void *p) { __builtin_prefetch(p, 1, 2); }
V_FN vf v_keep_n(int64_t n, vf a) { return _mm512_maskz_mov_ps(v_first(n), a); }
V_FN vf v_keep_n_or(int64_t n, vf a, vf b) { return _mm512_mask_mov_ps(b, v_first(n), a); }
V_FN vf v_keep_bits(uint32_t bits, vf a) { return _mm512_maskz_mov_ps((__mmask16)bits, a); }
V_FN vf v_where_bits(uint32_t bits, vf a, vf b) { return _mm512_mask_mov_ps(b, (__mmask16)bits, a); }
V_FN uint32_t v_bits_of_bytes(const uint8_t *p) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    return _mm_test_epi8_mask(bytes, bytes);
}

typedef __m512i vw;

V_FN vw vw_set(uint32_t a) { return _mm512_set1_epi64(a); }
V_FN vw vw_count(uint32_t a) { return _mm512_add_epi32(_mm512_set1_epi32((int)a), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)); }
V_FN vw vw_mul(vw a, vw b) { return _mm512_mul_epu32(a, b); }
V_FN vw vw_upper(vw a) { return _mm512_srli_epi64(a, 32); }
V_FN vw vw_xor(vw a, vw b) { return _mm512_xor_si512(a, b); }
V_FN uint32_t vw_bits_at_least(vw a, vw b) {
    return _mm512_cmpge_epu64_mask(_mm512_slli_epi64(a, 32), _mm512_slli_epi64(b, 32));
}

typedef __m256i vh;

V_FN vh vh_load(const uint16_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_FN vh vh_load_n(const uint16_t *p, int64_t n) { return _mm256_maskz_loadu_epi16(v_first(n), p); }
V_FN void vh_store(uint16_t *p, vh a) { _mm256_storeu_si256((__m256i *)p, a); }
V_FN void vh_store_n(uint16_t *p, int64_t n, vh a) { _mm256_mask_storeu_epi16(p, v_first(n), a); }
V_FN void vh_stream(uint16_t *p, vh a) { _mm256_stream_si256((__m256i *)p, a); }

V_FN vf v_widen_bf16(vh a) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16)); }
V_FN vh v_round_bf16_any(vf a) {
    const __m512i upper = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0x1f001d, 0x1b0019, 0x170015, 0x130011, 0xf000d, 0xb0009,
                                           0x70005, 0x30001);
    const __m512i quiet_nan = _mm512_set1_epi32(0x22);  // what a NaN becomes: itself, quiet; others stay
    __m512i bits = _mm512_castps_si512(a), rounded = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
    __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    rounded = _mm512_mask_add_epi32(rounded, odd, rounded, _mm512_set1_epi32(1));
    rounded = _mm512_castps_si512(_mm512_fixupimm_ps(_mm512_castsi512_ps(rounded), a, quiet_nan, 0));
    return _mm512_castsi512_si256(_mm512_permutexvar_epi16(upper, rounded));
}
#if V_DOTS_PAIRS
V_FN vh v_round_bf16_normal(vf a) { return (__m256i)_mm512_cvtneps_pbh(a); }
V_FN vh v_round_bf16(vf a) {
    int some_subnormal = _mm512_fpclass_ps_mask(a, 0x20) != 0;  // the conversion takes them for 0
    if (__builtin_expect(some_subnormal, 0)) return v_round_bf16_any(a);
    return v_round_bf16_normal(a);
}
#else
V_FN vh v_round_bf16(vf a) { return v_round_bf16_any(a); }
V_FN vh v_round_bf16_normal(vf a) { return v_round_bf16(a); }
#endif
V_FN vf v_widen_f16(vh a) { return _mm512_cvtph_ps(a); }
V_FN vh v_round_f16(vf a) { return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT); }
V_FN void v_store_s8_n(int8_t *p, int64_t n, vf a) {
    _mm512_mask_cvtsepi32_storeu_epi8(p, v_first(n), _mm512_cvtps_epi32(a));
}

V_FN vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
V_FN vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
V_FN vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
V_FN vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
V_FN vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
V_FN vf v_floor_zero(vf a) { return _mm512_max_ps(_mm512_setzero_ps(), a); }
V_FN vf v_at_least(vf a, vf b) { return _mm512_max_ps(b, a); }
V_FN vf v_at_most(vf a, vf b) { return _mm512_min_ps(b, a); }
V_FN vf v_where_less(vf a, vf b, vf x, vf y) { return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x); }
V_FN vf v_abs(vf a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
V_FN vf v_copy_sign(vf a, vf b) {  // the sign from b, the other bits from a
    __m512i sign = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(b), _mm512_castps_si512(a), 0xca));
}
V_FN vf v_scale_by_power(vf a, vf k) { return _mm512_scalef_ps(a, k); }
V_FN vf v_power_of_two(vf a) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 23)); }
V_FN vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
V_FN vf v_fms(vf a, vf b, vf c) { return _mm512_fmsub_ps(a, b, c); }
V_FN vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }

V_FN vf v_pair_bf16(vf a, vf b) {
    __m512i lower = _mm512_srli_epi32(_mm512_castps_si512(b), 16);
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), lower));
}
V_FN vf v_pairs_of(vh a, vh b) {
    return _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
}
V_FN vf v_swap_pairs(vf a) { return _mm512_castsi512_ps(_mm512_rol_epi32(_mm512_castps_si512(a), 16)); }
#if V_DOTS_PAIRS
V_FN vf v_dot_pairs(vf a, vf b, vf c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
#else
V_FN vf v_lower(vf a) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 16)); }
V_FN vf v_upper(vf a) { return v_lower(v_swap_pairs(a)); }
V_FN vf v_dot_pairs(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(v_lower(a), v_lower(b), _mm512_fmadd_ps(v_upper(a), v_upper(b), c));
}
#endif

V_FN int v_outside(int64_t n, vf a, float lo, float hi) {
    __mmask16 inside = _mm512_cmp_ps_mask(a, _mm512_set1_ps(lo), _CMP_GE_OQ) & _mm512_cmp_ps_mask(a, _mm512_set1_ps(hi), _CMP_LE_OQ);
    return v_first(n) & ~inside;
}

V_FN vf v_magnitude(vf m, vf a) {
    __m512i bits = _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff));
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(m), bits));
}

V_FN float v_fold_add(vf a) {
    __m256 e = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

V_FN float v_fold_most(vf a) { return _mm512_reduce_max_ps(a); }

// Each step halves the lanes of a row and puts two rows into one vector.
typedef vf (*v_folding)(vf a, vf b);
V_FN vf v_fold_8(v_folding fold, vf a, vf b) {
    return fold(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
V_FN vf v_fold_4(v_folding fold, vf a, vf b) {
    return fold(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}
V_FN vf v_fold_2(v_folding fold, vf a, vf b) { return fold(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee)); }
V_FN vf v_fold_1(v_folding fold, vf a, vf b) { return fold(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd)); }
V_FN vf v_fold_rows(v_folding fold, const vf *rows) {
    vf quarter[4];
    for (int k = 0; k < 4; k++) {
        const vf *r = rows + k;  // rows k, k + 4, k + 8, k + 12 end in one quarter of the result
        quarter[k] = v_fold_4(fold, v_fold_8(fold, r[0], r[4]), v_fold_8(fold, r[8], r[12]));
    }
    return v_fold_1(fold, v_fold_2(fold, quarter[0], quarter[1]), v_fold_2(fold, quarter[2], quarter[3]));
}
V_FN vf v_fold_add_rows(const vf *rows) { return v_fold_rows(v_add, rows); }
V_FN vf v_fold_most_rows(const vf *rows) { return v_fold_rows(v_at_least, rows); }

V_FN float v_fold_magnitude(vf a) {
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(_mm512_castps_si512(a)))));
}

typedef struct vx {
    __m512i q[2];
} vx;

V_FN vx vx_zero(void) { return (vx){{_mm512_setzero_si512(), _mm512_setzero_si512()}}; }
/// From 4 to 8 the last place of a binary64 is 2^-50: the bits of a number from there on count units of 2^-50.
V_FN __m512i v_add_units8(__m512i s, __m512d six_more) {
    __m512i of_six = _mm512_castpd_si512(_mm512_set1_pd(6.0));
    return _mm512_add_epi64(s, _mm512_sub_epi64(_mm512_castpd_si512(six_more), of_six));
}
/// Lanes 8 k to 8 k + 7 in binary64.
V_FN __m512d v_wide8(vf a, int k) {
    return _mm512_cvtps_pd(k == 0 ? _mm512_castps512_ps256(a) : _mm512_extractf32x8_ps(a, 1));
}
V_FN vx vx_add(vx s, vf a) {
    for (int k = 0; k < 2; k++) s.q[k] = v_add_units8(s.q[k], _mm512_add_pd(v_wide8(a, k), _mm512_set1_pd(6.0)));
    return s;
}
V_FN vx vx_add_product(vx s, vf a, vf b) {
    for (int k = 0; k < 2; k++)
        s.q[k] = v_add_units8(s.q[k], _mm512_fmadd_pd(v_wide8(a, k), v_wide8(b, k), _mm512_set1_pd(6.0)));
    return s;
}
V_FN void vx_store(int64_t *p, vx s) {
    for (int k = 0; k < 2; k++) _mm512_storeu_si512((__m512i *)p + k, s.q[k]);
}

V_FN float s_sqrt(float a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a))); }
V_FN float s_fma(float a, float b, float c) {
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}

V_FN void v_turn(const float *const *rows, int64_t column, float *to, int64_t pitch) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        __m512 even = _mm512_loadu_ps(rows[i] + column), odd = _mm512_loadu_ps(rows[i + 1] + column);
        a[i] = _mm512_unpacklo_ps(even, odd);
        a[i + 1] = _mm512_unpackhi_ps(even, odd);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            b[i + 2 * k] = _mm512_shuffle_ps(a[i + k], a[i + 2 + k], 0x44);
            b[i + 2 * k + 1] = _mm512_shuffle_ps(a[i + k], a[i + 2 + k], 0xee);
        }
    // b[4 i + k]: columns k, k + 4, k + 8, k + 12 of the rows 4 i ... 4 i + 3, one a quarter.
    for (int k = 0; k < 4; k++) {
        a[k] = _mm512_shuffle_f32x4(b[k], b[4 + k], 0x88);
        a[4 + k] = _mm512_shuffle_f32x4(b[k], b[4 + k], 0xdd);
        a[8 + k] = _mm512_shuffle_f32x4(b[8 + k], b[12 + k], 0x88);
        a[12 + k] = _mm512_shuffle_f32x4(b[8 + k], b[12 + k], 0xdd);
    }
    for (int k = 0; k < 4; k++) {
        _mm512_storeu_ps(to + pitch * k, _mm512_shuffle_f32x4(a[k], a[8 + k], 0x88));
        _mm512_storeu_ps(to + pitch * (k + 8), _mm512_shuffle_f32x4(a[k], a[8 + k], 0xdd));
        _mm512_storeu_ps(to + pitch * (k + 4), _mm512_shuffle_f32x4(a[4 + k], a[12 + k], 0x88));
        _mm512_storeu_ps(to + pitch * (k + 12), _mm512_shuffle_f32x4(a[4 + k], a[12 + k], 0xdd));
    }
}
