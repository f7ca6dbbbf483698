// neon.c: all kernels for arm64, where NEON is always there.

#include "isa/target.h"

#if CK_ARM64
#define CK_SUFFIX neon
#include "vector/neon.h"
#include "isa/all_kernels.h"
#endif
