// select.c: which table serves a call. The machine and CK_MAX_ISA are read once, then never change.

#include "dispatch/select.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ck_inspect.h"
#include "dispatch/cpu_features.h"

#if CK_AVX512
static ck_kernel_table table_avx512_bf16;  // made by look()
#endif

static const ck_kernel_table *const tables[] = {
    [CK_ISA_PORTABLE] = &ck_table_portable,
#if CK_X86
    [CK_ISA_AVX2] = &ck_table_avx2,
#endif
#if CK_AVX512
    [CK_ISA_AVX512] = &ck_table_avx512,     [CK_ISA_AVX512_BF16] = &table_avx512_bf16,
#endif
#if CK_ARM64
    [CK_ISA_NEON] = &ck_table_neon,
#endif
};
enum { TABLES = sizeof tables / sizeof *tables };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t available;
static ck_isa chosen;
static int64_t last_cache;

/// The highest instruction set that CK_MAX_ISA allows: all of them unless it names one.
static ck_isa ceiling(void) {
    const char *wish = getenv("CK_MAX_ISA");
    for (int isa = CK_ISA_PORTABLE; wish && isa <= CK_ISA_NEON; isa++)
        if (strcmp(wish, ck_isa_name((ck_isa)isa)) == 0) return (ck_isa)isa;
    return CK_ISA_NEON;
}

static void look(void) {
#if CK_AVX512
    table_avx512_bf16 = ck_table_avx512;
    ck_use_avx512_bf16(&table_avx512_bf16);
#endif
    ck_isa highest = ceiling();
    for (int isa = CK_ISA_PORTABLE; isa < TABLES; isa++) {
        if (!tables[isa] || isa > (int)highest || !ck_cpu_has((ck_isa)isa)) continue;
        available |= 1u << isa;
        chosen = (ck_isa)isa;
    }
    last_cache = ck_cpu_last_cache();
}

/// A child must not find that a thread of its parent, which it does not have, is looking: fork() waits for the look.
static void look_before_fork(void) { pthread_once(&once, look); }
__attribute__((constructor)) static void watch_forks(void) { (void)pthread_atfork(look_before_fork, 0, 0); }

ck_status ck_select(ck_isa isa, const ck_kernel_table **table) {
    pthread_once(&once, look);
    if (isa == CK_ISA_AUTO) isa = chosen;
    if ((int)isa < CK_ISA_PORTABLE || isa > CK_ISA_NEON) return CK_UNKNOWN_ISA;
    if (!(available >> isa & 1)) return CK_ISA_UNAVAILABLE;
    *table = tables[isa];
    return CK_OK;
}

const ck_merge_table *ck_merges(void) { return &ck_table_merges; }

uint32_t ck_isas_compiled(void) {
    uint32_t bits = 0;
    for (int isa = CK_ISA_PORTABLE; isa < TABLES; isa++)
        if (tables[isa]) bits |= 1u << isa;
    return bits;
}

uint32_t ck_isas_available(void) {
    pthread_once(&once, look);
    return available;
}

ck_isa ck_isa_chosen(void) {
    pthread_once(&once, look);
    return chosen;
}

int64_t ck_last_cache(void) {
    pthread_once(&once, look);
    return last_cache;
}
