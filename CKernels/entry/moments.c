// moments.c: ck_moments_merge: check, then merge.

#include "ck_moments.h"

#include "dispatch/select.h"
#include "entry/arguments.h"

ck_status ck_moments_merge(const ck_moments *parts, int64_t count, ck_moments *result) {
    const ck_kernel_table *table;
    int64_t total = 0, size;
    if (count < 0) return CK_BAD_SHAPE;
    if (__builtin_mul_overflow(count, (int64_t)sizeof(ck_moments), &size)) return CK_SIZE_OVERFLOW;
    if (!result || (count > 0 && !parts)) return CK_NULL_POINTER;
    if ((uintptr_t)parts % 8 != 0 || (uintptr_t)result % 8 != 0) return CK_MISALIGNED_POINTER;
    for (int64_t i = 0; i < count; i++) {
        if (parts[i].count < 0 || (parts[i].count > 0 && parts[i].m2 < 0.0)) return CK_BAD_MOMENTS;
        if (__builtin_add_overflow(total, parts[i].count, &total)) return CK_SIZE_OVERFLOW;
    }
    CK_CHECK(ck_select(CK_ISA_PORTABLE, &table));
    table->merge_moments(parts, count, result);
    return CK_OK;
}
