// cpu_features.h: what the processor can do. Only cpu_features.c asks it.

#ifndef CK_CPU_FEATURES_H
#define CK_CPU_FEATURES_H

#include "ck_base.h"

/// Whether the processor and the operating system can run this instruction set.
int ck_cpu_has(ck_isa isa);

/// Bytes of the last cache level that one core reaches; an assumption of 8 MiB where nothing tells.
int64_t ck_cpu_last_cache(void);

#endif
