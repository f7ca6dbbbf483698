// emulators.h: what emulators get wrong of x86, by other instructions; included before everything else in what they run.
//
// Bochs 2.7 rounds halves of float16 up (VCVTPS2PH of every width). qemu 7.2 reads all of a masked load's memory
// (VMASKMOVPS, VPMASKMOVD), and so into a guard page.

#ifndef KERNELCHECK_EMULATORS_H
#define KERNELCHECK_EMULATORS_H

#include <immintrin.h>

__attribute__((target("avx512f"), unused)) static inline __m256i rounded_to_float16(__m512 a) {
    __m512i bits = _mm512_castps_si512(a), low = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(low, 13), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(0xfff)), odd);
    __m512i half = _mm512_sub_epi32(_mm512_srli_epi32(up, 13), _mm512_set1_epi32(112 << 10));
    half = _mm512_min_epi32(half, _mm512_set1_epi32(0x7c00));

    __m512 onto = _mm512_add_ps(_mm512_castsi512_ps(low), _mm512_set1_ps(0.5f));  // its unit is that of subnormals
    half = _mm512_mask_sub_epi32(half, _mm512_cmplt_epi32_mask(low, _mm512_set1_epi32(0x38800000)),
                                 _mm512_castps_si512(onto), _mm512_set1_epi32(0x3f000000));

    __m512i payload = _mm512_and_si512(_mm512_srli_epi32(low, 13), _mm512_set1_epi32(0x3ff));
    half = _mm512_mask_or_epi32(half, _mm512_cmpgt_epi32_mask(low, _mm512_set1_epi32(0x7f800000)), payload,
                                _mm512_set1_epi32(0x7e00));

    __m512i sign = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x8000));
    return _mm512_cvtepi32_epi16(_mm512_or_si512(half, sign));
}
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(a, rounding) rounded_to_float16(a)

/// Volatile, because gcc would make a masked load of it again.
__attribute__((target("avx2"), unused)) static inline __m256i loaded_where(const volatile int *p, __m256i mask) {
    int lanes[8], wanted[8];
    _mm256_storeu_si256((__m256i *)wanted, mask);
    for (int i = 0; i < 8; i++) lanes[i] = wanted[i] < 0 ? p[i] : 0;
    return _mm256_loadu_si256((const __m256i *)lanes);
}
#define _mm256_maskload_epi32(p, mask) loaded_where(p, mask)
#define _mm256_maskload_ps(p, mask) _mm256_castsi256_ps(loaded_where((const volatile int *)(p), mask))

#endif
