// cpu_features.c: the only file that asks the processor.

#include "dispatch/cpu_features.h"

#include "dispatch/kernel_table.h"

#if CK_X86
#include <cpuid.h>

int ck_cpu_has(ck_isa isa) {
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    switch (isa) {
    case CK_ISA_PORTABLE: return 1;
    case CK_ISA_AVX2: return avx2;
    case CK_ISA_AVX512: return avx512;
    case CK_ISA_AVX512_BF16: return avx512 && __builtin_cpu_supports("avx512bf16");
    default: return 0;
    }
}

/// The largest cache that CPUID describes. Leaf 4 is Intel's and 0x8000001D AMD's, of one layout;
/// sysconf is not asked because it multiplies the last level by the number of its copies.
static int64_t largest_cache(unsigned leaf) {
    int64_t largest = 0;
    unsigned a, b, c, d;
    for (unsigned i = 0; i < 8 && __get_cpuid_count(leaf, i, &a, &b, &c, &d) && (a & 31) != 0; i++) {
        int64_t line = (b & 0xfff) + 1, partitions = (b >> 12 & 0x3ff) + 1, ways = (b >> 22) + 1;
        int64_t size = line * partitions * ways * ((int64_t)c + 1);
        if (size > largest) largest = size;
    }
    return largest;
}

int64_t ck_cpu_last_cache(void) {
    int64_t intel = largest_cache(4), amd = largest_cache(0x8000001d);
    int64_t size = intel > amd ? intel : amd;
    return size > 0 ? size : 8 << 20;
}

#else

int ck_cpu_has(ck_isa isa) { return isa == CK_ISA_PORTABLE || (CK_ARM64 && isa == CK_ISA_NEON); }

int64_t ck_cpu_last_cache(void) { return 8 << 20; }

#endif
