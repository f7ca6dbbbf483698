// paired_products.c: a table of kernels in which attention of bfloat16 multiplies pairs, as with AVX512_BF16, but by the
// steps that the vocabulary gives for v_dot_pairs: what leads to that instruction is checked on machines without it.

#define V_DOTS_PAIRS 1
#if defined(__x86_64__)
#include "isa/avx2.c"
#elif defined(__aarch64__)
#include "isa/neon.c"
#endif
