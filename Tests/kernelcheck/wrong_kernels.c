// wrong_kernels.c: AVX2's (or NEON's) kernels with one mistake in the vocabulary. The table that is
// made here takes the place of the library's; kernelcheck must notice.

#include "isa/target.h"

#if CK_X86
CK_TARGET_BEGIN("avx2,fma,f16c")
#define CK_SUFFIX avx2
#include "vector/avx2.h"
#else
#define CK_SUFFIX neon
#include "vector/neon.h"
#endif

#if defined(MISTAKE_ROUNDING)
/// Rounds twice: off by one unit in the last place now and then.
V_FN vf wrong_fma(vf a, vf b, vf c) { return v_add(v_mul(a, b), c); }
#define v_fma wrong_fma
#elif defined(MISTAKE_LONG_STORE)
/// One lane too many.
V_FN void wrong_store_n(float *p, int64_t n, vf a) { v_store_n(p, n > 0 ? n + 1 : n, a); }
#define v_store_n wrong_store_n
#elif defined(MISTAKE_LONG_LOAD)
/// All lanes, of which the right ones are kept.
V_FN vf wrong_load_n(const float *p, int64_t n) { return n > 0 ? v_keep_n(n, v_load(p)) : v_zero(); }
#define v_load_n wrong_load_n
#elif defined(MISTAKE_TIES)
/// What is halfway between two numbers goes up in magnitude.
V_FN vh wrong_round_bf16(vf a) { return v_round_bf16(v_fma(a, v_set(0x1p-23f), a)); }
#define v_round_bf16 wrong_round_bf16
#endif

#include "isa/all_kernels.h"

#if CK_X86
CK_TARGET_END
#endif
