// select.h: from an instruction set asked for to its table of kernels.

#ifndef CK_SELECT_H
#define CK_SELECT_H

#include "dispatch/kernel_table.h"

/// The table to use, or CK_UNKNOWN_ISA, CK_ISA_UNAVAILABLE.
ck_status ck_select(ck_isa isa, const ck_kernel_table **table);

/// Merges of states, for every instruction set.
const ck_merge_table *ck_merges(void);

/// Bit `1 << isa` for what is compiled in, and for what can run here under CK_MAX_ISA.
uint32_t ck_isas_compiled(void);
uint32_t ck_isas_available(void);

/// What CK_ISA_AUTO stands for.
ck_isa ck_isa_chosen(void);

/// Bytes of the last cache level, asked once.
int64_t ck_last_cache(void);

#endif
