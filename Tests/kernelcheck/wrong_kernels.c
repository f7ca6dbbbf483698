// wrong_kernels.c: AVX2's (or NEON's) kernels once more, on a vocabulary that makes the chosen mistake, if it is one of
// the vocabulary.
//
// Attention of bfloat16 multiplies pairs here, as with AVX512_BF16, but by the steps that the vocabulary gives for
// v_dot_pairs: without a mistake, this checks what leads to that instruction on machines that lack it.

#include "isa/target.h"
#include "mistakes.h"

#define V_DOTS_PAIRS 1
#define CK_SUFFIX wrong
#if CK_X86
CK_TARGET_BEGIN("avx2,fma,f16c")
#include "vector/avx2.h"
#else
#include "vector/neon.h"
#endif

V_FN int makes(check_mistake mistake) { return chosen_mistake == mistake; }

/// The last bit of lane 3 of what was stored, in the type it was stored as.
#define SPOIL_LANE(p, n, bits)                     \
    do {                                           \
        if (makes(MISTAKE_one_lane) && (n) > 3) {  \
            bits lane_;                            \
            memcpy(&lane_, (p) + 3, sizeof lane_); \
            lane_ ^= 1;                            \
            memcpy((p) + 3, &lane_, sizeof lane_); \
        }                                          \
    } while (0)

/// Lanes that an incomplete store writes.
V_FN int64_t wrong_count(int64_t n) {
    if (n <= 0) return n;
    return makes(MISTAKE_long_store) ? n + 1 : makes(MISTAKE_missing_tail) && n < 16 ? n - 1 : n;
}

V_FN vf wrong_fma(vf a, vf b, vf c) { return makes(MISTAKE_rounding) ? v_add(v_mul(a, b), c) : v_fma(a, b, c); }
V_FN vf wrong_load_n(const float *p, int64_t n) {
    return makes(MISTAKE_long_load) && n > 0 ? v_keep_n(n, v_load(p)) : v_load_n(p, n);
}
V_FN vf wrong_swap_pairs(vf a) { return makes(MISTAKE_unswapped_pairs) ? a : v_swap_pairs(a); }
V_FN vh wrong_round_bf16(vf a) { return v_round_bf16(makes(MISTAKE_ties) ? v_fma(a, v_set(0x1p-23f), a) : a); }

V_FN void wrong_store(float *p, vf a) {
    v_store(p, a);
    SPOIL_LANE(p, 16, uint32_t);
}
V_FN void wrong_store_n(float *p, int64_t n, vf a) {
    v_store_n(p, wrong_count(n), a);
    SPOIL_LANE(p, n, uint32_t);
}
V_FN void wrong_stream(float *p, vf a) {
    v_stream(p, a);
    SPOIL_LANE(p, 16, uint32_t);
}
V_FN void wrong_store16(uint16_t *p, vh a) {
    vh_store(p, a);
    SPOIL_LANE(p, 16, uint16_t);
}
V_FN void wrong_store16_n(uint16_t *p, int64_t n, vh a) {
    vh_store_n(p, wrong_count(n), a);
    SPOIL_LANE(p, n, uint16_t);
}
V_FN void wrong_stream16(uint16_t *p, vh a) {
    vh_stream(p, a);
    SPOIL_LANE(p, 16, uint16_t);
}

#define v_fma wrong_fma
#define v_load_n wrong_load_n
#define v_swap_pairs wrong_swap_pairs
#define v_round_bf16 wrong_round_bf16
#define v_store wrong_store
#define v_store_n wrong_store_n
#define v_stream wrong_stream
#define vh_store wrong_store16
#define vh_store_n wrong_store16_n
#define vh_stream wrong_stream16

#include "isa/all_kernels.h"

#if CK_X86
CK_TARGET_END
#endif
