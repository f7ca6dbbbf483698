// kernel_table.h: one constant table of function pointers for each instruction set.

#ifndef CK_KERNEL_TABLE_H
#define CK_KERNEL_TABLE_H

#include "dispatch/kernel_list.h"

typedef struct ck_kernel_table {
#define CK_MEMBER(name, parameters) void(*name) parameters;
    CK_KERNELS(CK_MEMBER)
} ck_kernel_table;

typedef struct ck_merge_table {
    CK_MERGES(CK_MEMBER)
#undef CK_MEMBER
} ck_merge_table;

#if defined(__x86_64__)
#define CK_X86 1
#else
#define CK_X86 0
#endif

/// Most of the library; a build that will not run them is done in half the time without (CK_WITHOUT_AVX512).
#if CK_X86 && !defined(CK_WITHOUT_AVX512)
#define CK_AVX512 1
#else
#define CK_AVX512 0
#endif

#if defined(__aarch64__)
#define CK_ARM64 1
#else
#define CK_ARM64 0
#endif

extern const ck_kernel_table ck_table_portable;
extern const ck_merge_table ck_table_merges;
#if CK_X86
extern const ck_kernel_table ck_table_avx2;
#endif
#if CK_AVX512
extern const ck_kernel_table ck_table_avx512;
/// In a copy of AVX-512's table: the kernels that use AVX512_BF16.
void ck_use_avx512_bf16(ck_kernel_table *table);
#endif
#if CK_ARM64
extern const ck_kernel_table ck_table_neon;
#endif

#endif
