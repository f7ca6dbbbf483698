// storage_types.h: how numbers are stored, from the definition of each type: exact arithmetic in double,
// nothing of the kernels. Bits of every type are held in a uint32_t.

#ifndef KERNELCHECK_STORAGE_TYPES_H
#define KERNELCHECK_STORAGE_TYPES_H

#include <stdint.h>

#include "ckernels.h"

/// Whole numbers of 8 bits, which some outputs hold; the library has no ck_type for them.
#define TYPE_S8 ((ck_type)100)

/// Bytes of an element.
int64_t type_size(ck_type type);

/// "f32" for CK_F32, and so on.
const char *type_name(ck_type type);

/// The bits of element i of an array.
uint32_t type_bits(ck_type type, const void *array, int64_t i);

/// Writes element i of an array.
void type_set_bits(ck_type type, void *array, int64_t i, uint32_t bits);

/// The number that bits stand for, exactly.
float type_widen(ck_type type, uint32_t bits);

/// The bits of the number nearest to `value`, of two equally near ones those of the even one. Not for TYPE_S8.
uint32_t type_round(ck_type type, float value);

/// Writes the numbers nearest to `numbers`, and puts these in their place.
void type_store(ck_type type, void *to, float *numbers, int64_t count);

int type_is_nan(ck_type type, uint32_t bits);

/// Bits that a kernel hardly ever writes: of a NaN, or -128.
uint32_t type_canary(ck_type type);

#endif
