// avx2.h: the vocabulary (contract.h) in AVX2 and FMA: a vector is two ymm registers.

typedef struct vf {
    __m256 lo, hi;
} vf;

#define V_TOGETHER 2
#define V_SUMS 6
#define V_NEAREST_WISH 4096
#define V_FARTHEST_WISH 4096
#define V_STREAMED_TOGETHER 1
#define V_STRETCH 128
#ifndef V_DOTS_PAIRS
#define V_DOTS_PAIRS 0
#endif

V_FN vf v_pair(__m256 lo, __m256 hi) { return (vf){lo, hi}; }
V_FN vf v_zero(void) { return v_pair(_mm256_setzero_ps(), _mm256_setzero_ps()); }
V_FN vf v_set(float a) { return v_pair(_mm256_set1_ps(a), _mm256_set1_ps(a)); }

V_FN __m256i v_first8(int64_t n) {
    int count = n <= 0 ? 0 : n >= 8 ? 8 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
V_FN vf v_load(const float *p) { return v_pair(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
V_FN vf v_load_n(const float *p, int64_t n) {
    return v_pair(_mm256_maskload_ps(p, v_first8(n)), _mm256_maskload_ps(p + 8, v_first8(n - 8)));
}
V_FN void v_store(float *p, vf a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
V_FN void v_store_n(float *p, int64_t n, vf a) {
    _mm256_maskstore_ps(p, v_first8(n), a.lo);
    _mm256_maskstore_ps(p + 8, v_first8(n - 8), a.hi);
}
V_FN void v_stream(float *p, vf a) {
    _mm256_stream_ps(p, a.lo);
    _mm256_stream_ps(p + 8, a.hi);
}
V_FN void v_stream_end(void) { _mm_sfence(); }
V_FN void v_fetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
V_FN void v_fetch_to_write(const void *p) { __builtin_prefetch(p, 1, 2); }
V_FN vf v_keep_n(int64_t n, vf a) {
    return v_pair(_mm256_and_ps(a.lo, _mm256_castsi256_ps(v_first8(n))),
                  _mm256_and_ps(a.hi, _mm256_castsi256_ps(v_first8(n - 8))));
}
V_FN vf v_keep_n_or(int64_t n, vf a, vf b) {
    return v_pair(_mm256_blendv_ps(b.lo, a.lo, _mm256_castsi256_ps(v_first8(n))),
                  _mm256_blendv_ps(b.hi, a.hi, _mm256_castsi256_ps(v_first8(n - 8))));
}
V_FN __m256 v_mask_of_bits8(uint32_t bits) {
    __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane));
}
V_FN vf v_keep_bits(uint32_t bits, vf a) {
    return v_pair(_mm256_and_ps(a.lo, v_mask_of_bits8(bits)), _mm256_and_ps(a.hi, v_mask_of_bits8(bits >> 8)));
}
V_FN vf v_where_bits(uint32_t bits, vf a, vf b) {
    return v_pair(_mm256_blendv_ps(b.lo, a.lo, v_mask_of_bits8(bits)),
                  _mm256_blendv_ps(b.hi, a.hi, v_mask_of_bits8(bits >> 8)));
}
V_FN uint32_t v_bits_of_bytes(const uint8_t *p) {
    __m128i zero = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), _mm_setzero_si128());
    return (uint32_t)_mm_movemask_epi8(zero) ^ 0xffff;
}

typedef struct vw {
    __m256i lo, hi;
} vw;

V_FN vw vw_set(uint32_t a) { return (vw){_mm256_set1_epi64x(a), _mm256_set1_epi64x(a)}; }
V_FN vw vw_count(uint32_t a) {
    __m256i first = _mm256_set1_epi32((int)a);
    return (vw){_mm256_add_epi32(first, _mm256_setr_epi64x(0, 1, 2, 3)), _mm256_add_epi32(first, _mm256_setr_epi64x(4, 5, 6, 7))};
}
V_FN vw vw_mul(vw a, vw b) { return (vw){_mm256_mul_epu32(a.lo, b.lo), _mm256_mul_epu32(a.hi, b.hi)}; }
V_FN vw vw_upper(vw a) { return (vw){_mm256_srli_epi64(a.lo, 32), _mm256_srli_epi64(a.hi, 32)}; }
V_FN vw vw_xor(vw a, vw b) { return (vw){_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)}; }
/// The words: places 0 1 4 5 2 3 6 7.
V_FN __m256i vw_words8(vw a) {
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi), 0x88));
}
V_FN uint32_t vw_bits_at_least(vw a, vw b) {
    __m256i words = vw_words8(a), reached = _mm256_cmpeq_epi32(_mm256_max_epu32(words, vw_words8(b)), words);
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_permute4x64_epi64(reached, 0xd8)));
}

typedef __m256i vh;

V_FN vh vh_load(const uint16_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_FN void vh_store(uint16_t *p, vh a) { _mm256_storeu_si256((__m256i *)p, a); }
V_FN void vh_stream(uint16_t *p, vh a) { _mm256_stream_si256((__m256i *)p, a); }
/// Pairs by masks; the last one of an odd number by itself.
V_SLOW vh vh_load_n(const uint16_t *p, int64_t n) {
    if (n >= 16) return vh_load(p);
    if (n <= 0) return _mm256_setzero_si256();
    __m256i pairs = _mm256_maskload_epi32((const int *)p, v_first8(n / 2));
    if (n % 2 == 0) return pairs;
    __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i last = _mm256_cmpeq_epi32(index, _mm256_set1_epi32((int)(n / 2)));
    return _mm256_or_si256(pairs, _mm256_and_si256(last, _mm256_set1_epi32(p[n - 1])));
}
V_SLOW void vh_store_n(uint16_t *p, int64_t n, vh a) {
    if (n >= 16) {
        vh_store(p, a);
        return;
    }
    if (n <= 0) return;
    _mm256_maskstore_epi32((int *)p, v_first8(n / 2), a);
    if (n % 2 == 0) return;
    uint16_t lanes[16];
    vh_store(lanes, a);
    p[n - 1] = lanes[n - 1];
}

V_FN vf v_widen_bf16(vh a) {
    __m256i lo = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)), hi = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1));
    return v_pair(_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16)));
}
V_FN __m256i v_round_bf16_8(__m256 a) {
    __m256i bits = _mm256_castps_si256(a), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
}
V_FN __m256i v_quiet_bf16_8(__m256i rounded, __m256 a) {
    __m256i quiet = _mm256_srli_epi32(_mm256_or_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x400000)), 16);
    return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
V_FN vh v_round_bf16(vf a) {
    __m256i lo = v_round_bf16_8(a.lo), hi = v_round_bf16_8(a.hi);
    int some_nan = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, a.hi, _CMP_UNORD_Q)) != 0;
    if (__builtin_expect(some_nan, 0)) {
        lo = v_quiet_bf16_8(lo, a.lo);
        hi = v_quiet_bf16_8(hi, a.hi);
    }
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xd8);
}
V_FN vh v_round_bf16_normal(vf a) { return v_round_bf16(a); }
V_FN vf v_widen_f16(vh a) {
    return v_pair(_mm256_cvtph_ps(_mm256_castsi256_si128(a)), _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
V_FN vh v_round_f16(vf a) {
    return _mm256_set_m128i(_mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT), _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
}
V_FN void v_store_s8_n(int8_t *p, int64_t n, vf a) {
    __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi));
    words = _mm256_permute4x64_epi64(words, 0xd8);
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)p, bytes);
        return;
    }
    int8_t lanes[16];
    _mm_storeu_si128((__m128i *)lanes, bytes);
    for (int64_t l = 0; l < n; l++) p[l] = lanes[l];
}

V_FN vf v_add(vf a, vf b) { return v_pair(_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)); }
V_FN vf v_sub(vf a, vf b) { return v_pair(_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)); }
V_FN vf v_mul(vf a, vf b) { return v_pair(_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)); }
V_FN vf v_div(vf a, vf b) { return v_pair(_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)); }
V_FN vf v_sqrt(vf a) { return v_pair(_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)); }
V_FN vf v_floor_zero(vf a) {
    return v_pair(_mm256_max_ps(_mm256_setzero_ps(), a.lo), _mm256_max_ps(_mm256_setzero_ps(), a.hi));
}
V_FN vf v_at_least(vf a, vf b) { return v_pair(_mm256_max_ps(b.lo, a.lo), _mm256_max_ps(b.hi, a.hi)); }
V_FN vf v_at_most(vf a, vf b) { return v_pair(_mm256_min_ps(b.lo, a.lo), _mm256_min_ps(b.hi, a.hi)); }
V_FN vf v_where_less(vf a, vf b, vf x, vf y) {
    return v_pair(_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
                  _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)));
}
V_FN vf v_abs(vf a) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return v_pair(_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi));
}
V_FN __m256 v_copy_sign8(__m256 a, __m256 b) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}
V_FN vf v_copy_sign(vf a, vf b) { return v_pair(v_copy_sign8(a.lo, b.lo), v_copy_sign8(a.hi, b.hi)); }
V_FN __m256 v_power_of_two8(__m256i k) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}
V_FN __m256 v_scale_by_power8(__m256 a, __m256 k) {  // two steps, of which the first one is exact
    __m256i power = _mm256_cvtps_epi32(k), half = _mm256_srai_epi32(power, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, v_power_of_two8(half)), v_power_of_two8(_mm256_sub_epi32(power, half)));
}
V_FN vf v_scale_by_power(vf a, vf k) { return v_pair(v_scale_by_power8(a.lo, k.lo), v_scale_by_power8(a.hi, k.hi)); }
V_FN __m256 v_exponent8(__m256 a) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a), 23)); }
V_FN vf v_power_of_two(vf a) { return v_pair(v_exponent8(a.lo), v_exponent8(a.hi)); }
V_FN vf v_fma(vf a, vf b, vf c) {
    return v_pair(_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi));
}
V_FN vf v_fms(vf a, vf b, vf c) {
    return v_pair(_mm256_fmsub_ps(a.lo, b.lo, c.lo), _mm256_fmsub_ps(a.hi, b.hi, c.hi));
}
V_FN vf v_fnma(vf a, vf b, vf c) {
    return v_pair(_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi));
}

#define V_UPPER_HALF _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u))
V_FN __m256 v_pair_bf16_8(__m256 a, __m256 b) {
    return _mm256_or_ps(a, _mm256_castsi256_ps(_mm256_srli_epi32(_mm256_castps_si256(b), 16)));
}
V_FN vf v_pair_bf16(vf a, vf b) { return v_pair(v_pair_bf16_8(a.lo, b.lo), v_pair_bf16_8(a.hi, b.hi)); }
V_FN __m256 v_lower8(__m256 a) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a), 16)); }
V_FN __m256 v_swap_pairs8(__m256 a) { return v_pair_bf16_8(v_lower8(a), a); }
V_FN vf v_pairs_of(vh a, vh b) { return v_pair(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)); }
V_FN vf v_swap_pairs(vf a) { return v_pair(v_swap_pairs8(a.lo), v_swap_pairs8(a.hi)); }
V_FN __m256 v_dot_pairs8(__m256 a, __m256 b, __m256 c) {
    c = _mm256_fmadd_ps(_mm256_and_ps(a, V_UPPER_HALF), _mm256_and_ps(b, V_UPPER_HALF), c);
    return _mm256_fmadd_ps(v_lower8(a), v_lower8(b), c);
}
V_FN vf v_dot_pairs(vf a, vf b, vf c) { return v_pair(v_dot_pairs8(a.lo, b.lo, c.lo), v_dot_pairs8(a.hi, b.hi, c.hi)); }

V_FN int v_outside8(int64_t n, __m256 a, float lo, float hi) {
    __m256 above = _mm256_cmp_ps(a, _mm256_set1_ps(lo), _CMP_GE_OQ), below = _mm256_cmp_ps(a, _mm256_set1_ps(hi), _CMP_LE_OQ);
    __m256 asked = _mm256_castsi256_ps(v_first8(n));
    return _mm256_movemask_ps(_mm256_andnot_ps(_mm256_and_ps(above, below), asked));
}
V_FN int v_outside(int64_t n, vf a, float lo, float hi) {
    return v_outside8(n, a.lo, lo, hi) | v_outside8(n - 8, a.hi, lo, hi) << 8;
}

V_FN __m256 v_magnitude8(__m256 m, __m256 a) {
    __m256i bits = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fffffff));
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(m), bits));
}
V_FN vf v_magnitude(vf m, vf a) { return v_pair(v_magnitude8(m.lo, a.lo), v_magnitude8(m.hi, a.hi)); }

V_FN float v_fold_add(vf a) {
    __m256 e = _mm256_add_ps(a.lo, a.hi);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

V_FN float v_fold_most(vf a) {
    __m256 e = _mm256_max_ps(a.lo, a.hi);
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

// Each step halves the lanes of a row and puts two rows into one register.
V_FN __m256 v_add8(__m256 a, __m256 b) { return _mm256_add_ps(a, b); }
V_FN __m256 v_most8(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
typedef __m256 (*v_folding)(__m256 a, __m256 b);
V_FN __m256 v_fold_4(v_folding fold, vf a, vf b) {
    __m256 p = fold(a.lo, a.hi), q = fold(b.lo, b.hi);
    return fold(_mm256_permute2f128_ps(p, q, 0x20), _mm256_permute2f128_ps(p, q, 0x31));
}
V_FN __m256 v_fold_2(v_folding fold, __m256 a, __m256 b) {
    return fold(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
}
V_FN __m256 v_fold_1(v_folding fold, __m256 a, __m256 b) {
    return fold(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd));
}
V_FN __m256 v_fold_rows8(v_folding fold, const vf *r) {
    __m256 first = v_fold_2(fold, v_fold_4(fold, r[0], r[4]), v_fold_4(fold, r[1], r[5]));
    return v_fold_1(fold, first, v_fold_2(fold, v_fold_4(fold, r[2], r[6]), v_fold_4(fold, r[3], r[7])));
}
V_FN vf v_fold_add_rows(const vf *rows) { return v_pair(v_fold_rows8(v_add8, rows), v_fold_rows8(v_add8, rows + 8)); }
V_FN vf v_fold_most_rows(const vf *rows) { return v_pair(v_fold_rows8(v_most8, rows), v_fold_rows8(v_most8, rows + 8)); }

V_FN float v_fold_magnitude(vf a) {
    __m256 e = v_magnitude8(a.lo, a.hi);
    __m128i q = _mm_max_epi32(_mm_castps_si128(_mm256_castps256_ps128(e)), _mm_castps_si128(_mm256_extractf128_ps(e, 1)));
    q = _mm_max_epi32(q, _mm_shuffle_epi32(q, 0x4e));
    q = _mm_max_epi32(q, _mm_shuffle_epi32(q, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(q));
}

typedef struct vx {
    __m256i q[4];
} vx;

V_FN vx vx_zero(void) {
    __m256i zero = _mm256_setzero_si256();
    return (vx){{zero, zero, zero, zero}};
}
/// From 4 to 8 the last place of a binary64 is 2^-50: the bits of a number from there on count units of 2^-50.
V_FN __m256i v_add_units4(__m256i s, __m256d six_more) {
    __m256i of_six = _mm256_castpd_si256(_mm256_set1_pd(6.0));
    return _mm256_add_epi64(s, _mm256_sub_epi64(_mm256_castpd_si256(six_more), of_six));
}
/// Lanes 4 k to 4 k + 3 in binary64.
V_FN __m256d v_wide4(vf a, int k) {
    __m256 half = k < 2 ? a.lo : a.hi;
    return _mm256_cvtps_pd(k % 2 == 0 ? _mm256_castps256_ps128(half) : _mm256_extractf128_ps(half, 1));
}
V_FN vx vx_add(vx s, vf a) {
    for (int k = 0; k < 4; k++) s.q[k] = v_add_units4(s.q[k], _mm256_add_pd(v_wide4(a, k), _mm256_set1_pd(6.0)));
    return s;
}
V_FN vx vx_add_product(vx s, vf a, vf b) {
    for (int k = 0; k < 4; k++)
        s.q[k] = v_add_units4(s.q[k], _mm256_fmadd_pd(v_wide4(a, k), v_wide4(b, k), _mm256_set1_pd(6.0)));
    return s;
}
V_FN void vx_store(int64_t *p, vx s) {
    for (int k = 0; k < 4; k++) _mm256_storeu_si256((__m256i *)p + k, s.q[k]);
}

V_FN float s_sqrt(float a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a))); }
V_FN float s_fma(float a, float b, float c) {
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}

/// Eight rows of eight.
V_FN void v_turn8(const float *const *rows, int64_t i, float *to, int64_t pitch) {
    __m256 pair[8], four[8];
    for (int r = 0; r < 8; r += 2) {
        __m256 even = _mm256_loadu_ps(rows[r] + i), odd = _mm256_loadu_ps(rows[r + 1] + i);
        pair[r] = _mm256_unpacklo_ps(even, odd);
        pair[r + 1] = _mm256_unpackhi_ps(even, odd);
    }
    for (int r = 0; r < 8; r += 4)
        for (int k = 0; k < 2; k++) {
            four[r + 2 * k] = _mm256_shuffle_ps(pair[r + k], pair[r + 2 + k], 0x44);
            four[r + 2 * k + 1] = _mm256_shuffle_ps(pair[r + k], pair[r + 2 + k], 0xee);
        }
    for (int l = 0; l < 4; l++) {
        _mm256_storeu_ps(to + pitch * l, _mm256_permute2f128_ps(four[l], four[l + 4], 0x20));
        _mm256_storeu_ps(to + pitch * (l + 4), _mm256_permute2f128_ps(four[l], four[l + 4], 0x31));
    }
}
V_FN void v_turn(const float *const *rows, int64_t i, float *to, int64_t pitch) {
    for (int half = 0; half < 16; half += 8) {
        v_turn8(rows + half, i, to + half, pitch);
        v_turn8(rows + half, i + 8, to + 8 * pitch + half, pitch);
    }
}
