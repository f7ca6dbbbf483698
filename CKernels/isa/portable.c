// portable.c: all kernels in C, for every machine.

#include "isa/target.h"

#define CK_SUFFIX portable
#include "vector/portable.h"

// No target region has to be kept here, so the compiler decides what of the bodies it inlines and unrolls; all of it
// would be four times the code.
#undef V_FN
#undef V_UNROLL
#define V_FN static inline __attribute__((unused))
#define V_UNROLL
#include "isa/all_kernels.h"

#include "kernels/merges_body.h"

const ck_merge_table ck_table_merges = {CK_MERGES(CK_ENTRY)};
