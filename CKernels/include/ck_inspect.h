/// ck_inspect.h: what this build holds, what this machine has, and what is chosen.
#ifndef CK_INSPECT_H
#define CK_INSPECT_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ck_inspection {
    const char *version;    ///< of this library, "major.minor.patch"
    uint32_t compiled;      ///< bit `1 << isa` for every instruction set in this build
    uint32_t available;     ///< the compiled ones that this machine can run and CK_MAX_ISA allows
    ck_isa chosen;          ///< what CK_ISA_AUTO means here
    const char *threading;  ///< "openmp", "dispatch" or "serial"
    int32_t max_threads;    ///< what `threads = 0` may use at most
    int64_t last_cache;     ///< bytes of the last cache level, as the streaming stores assume it
    const char *blas;       ///< the BLAS linked by the OpenBLAS trait, or "none"
} ck_inspection;

/// The environment variable CK_MAX_ISA (portable, avx2, avx512, neon), read once, lowers `available`.
CK_API ck_inspection ck_inspect(void);

/// "avx512" for CK_ISA_AVX512, and so on; "unknown" for anything else.
CK_API const char *ck_isa_name(ck_isa isa);

#ifdef __cplusplus
}
#endif
#endif
