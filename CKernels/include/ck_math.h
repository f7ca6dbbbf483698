/// ck_math.h: functions of single numbers over vectors, float32, with their error bounds in their names.
///
/// A unit in the last place (ULP) is the distance of the two floats around the true result. exp and tanh were
/// measured on all 2^32 floats (bench/results/exhaustive.md); the bits are the same on every instruction set and thread
/// count.
#ifndef CK_MATH_H
#define CK_MATH_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// y[i] = e^x[i], at most 1 ULP off (0.93 measured), subnormal results included; monotone. e^(+-0) is exactly 1,
/// e^-infinity 0, e^+infinity infinity, the power of a NaN a NaN.
///
/// x and y hold `count` floats, count >= 0; y may be x itself.
CK_API ck_status ck_exp_1ulp(const float *x, float *y, int64_t count, ck_run run);

/// y[i] = tanh(x[i]), at most 2 ULP off (1.30 measured); monotone and odd. tanh(+-0) is +-0, tanh(+-infinity) is +-1,
/// a NaN's tanh a NaN. As above otherwise.
CK_API ck_status ck_tanh_2ulp(const float *x, float *y, int64_t count, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
