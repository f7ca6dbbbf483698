// storage_types.c: the definition of bfloat16 and binary16, read by ldexp and written by nearbyint.

#include "storage_types.h"

#include <math.h>
#include <string.h>

/// A sign, an exponent and a fraction in 16 bits.
typedef struct format {
    int fraction_bits;
    int least_exponent;  // of a normal number
} format;

static format format_of(ck_type type) { return type == CK_BF16 ? (format){7, -126} : (format){10, -14}; }

/// Infinity without its sign: every bit of the exponent, none of the fraction.
static uint32_t infinity_code(format f) { return 0x8000u - (1u << f.fraction_bits); }

int64_t type_size(ck_type type) { return type == CK_F32 ? 4 : type == TYPE_S8 ? 1 : 2; }

const char *type_name(ck_type type) {
    return type == CK_F32 ? "f32" : type == CK_BF16 ? "bf16" : type == CK_F16 ? "f16" : "s8";
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint32_t type_bits(ck_type type, const void *array, int64_t i) {
    if (type == CK_F32) return ((const uint32_t *)array)[i];
    return type == TYPE_S8 ? ((const uint8_t *)array)[i] : ((const uint16_t *)array)[i];
}

void type_set_bits(ck_type type, void *array, int64_t i, uint32_t bits) {
    if (type == CK_F32)
        ((uint32_t *)array)[i] = bits;
    else if (type == TYPE_S8)
        ((uint8_t *)array)[i] = (uint8_t)bits;
    else
        ((uint16_t *)array)[i] = (uint16_t)bits;
}

float type_widen(ck_type type, uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    if (type == CK_F32) return value;
    if (type == TYPE_S8) return (float)(int8_t)bits;
    format f = format_of(type);
    uint32_t code = bits & 0x7fff, unit = 1u << f.fraction_bits;
    int exponent = (int)(code / unit), fraction = (int)(code % unit);
    double magnitude = exponent == 0 ? ldexp(fraction, f.least_exponent - f.fraction_bits)
                                     : ldexp(fraction + (int)unit, exponent - 1 + f.least_exponent - f.fraction_bits);
    if (code >= infinity_code(f)) magnitude = fraction == 0 ? (double)INFINITY : (double)NAN;
    return (float)(bits & 0x8000 ? -magnitude : magnitude);
}

/// A number is a count of steps of its last place. Codes count the steps of all places, from the lowest on.
uint32_t type_round(ck_type type, float value) {
    if (type == CK_F32) return float_bits(value);
    format f = format_of(type);
    uint32_t sign = signbit(value) ? 0x8000 : 0, infinite = infinity_code(f), unit = 1u << f.fraction_bits;
    if (isnan(value)) return sign | infinite | unit / 2;
    if (isinf(value)) return sign | infinite;
    double magnitude = fabs((double)value);
    int exponent = magnitude == 0 ? f.least_exponent : ilogb(magnitude);
    if (exponent < f.least_exponent) exponent = f.least_exponent;
    double steps = nearbyint(ldexp(magnitude, f.fraction_bits - exponent));
    double code = steps + (double)(exponent - f.least_exponent) * unit;
    return sign | (code < infinite ? (uint32_t)code : infinite);
}

void type_store(ck_type type, void *to, float *numbers, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = type_round(type, numbers[i]);
        type_set_bits(type, to, i, bits);
        numbers[i] = type_widen(type, bits);
    }
}

int type_is_nan(ck_type type, uint32_t bits) {
    if (type == CK_F32) return (bits & 0x7fffffff) > 0x7f800000;
    return type != TYPE_S8 && (bits & 0x7fff) > infinity_code(format_of(type));
}

uint32_t type_canary(ck_type type) {
    return type == CK_F32 ? 0x7fdeadc5 : type == CK_BF16 ? 0x7fed : type == CK_F16 ? 0x7ead : 0x80;
}
