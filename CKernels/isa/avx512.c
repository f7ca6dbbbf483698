// avx512.c: all kernels for x86-64 with AVX-512 F, BW, DQ and VL.

#include "isa/target.h"

#if CK_AVX512
CK_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
#define CK_SUFFIX avx512
#include "vector/avx512.h"
#include "isa/all_kernels.h"
CK_TARGET_END
#endif
