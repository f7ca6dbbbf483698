// avx2.c: all kernels for x86-64 with AVX2, FMA and F16C.

#include "isa/target.h"

#if CK_X86
CK_TARGET_BEGIN("avx2,fma,f16c")
#define CK_SUFFIX avx2
#include "vector/avx2.h"
#include "isa/all_kernels.h"
CK_TARGET_END
#endif
