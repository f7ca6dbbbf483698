// contract_exp.h: the contract's exp and tanh of one number. Written from the article's words, apart from the kernels.

#ifndef KERNELCHECK_CONTRACT_EXP_H
#define KERNELCHECK_CONTRACT_EXP_H

#include <math.h>

/// x / ln 2, to the nearest integer.
static inline float contract_power(float x) { return fmaf(x, 0x1.715476p+0f, 12582912.0f) - 12582912.0f; }

/// e^(x - k ln 2) - 1.
static inline float contract_expm1(float x, float k) {
    float high = fmaf(-k, 0x1.62e43p-1f, x), low = k * 0x1.05c61p-29f, r = high + low, q = 0x1.6d4574p-10f;
    q = fmaf(q, r, 0x1.123fe2p-7f);
    q = fmaf(q, r, 0x1.5554f4p-5f);
    q = fmaf(q, r, 0x1.555492p-3f);
    q = fmaf(q, r, 0.5f);
    return high + fmaf(q, r * r, low);
}

static inline float contract_exp(float x) {
    if (isnan(x)) return x;
    if (x < -104) x = -104;
    if (x > 89) x = 89;
    float k = contract_power(x);
    return ldexpf(1 + contract_expm1(x, k), (int)k);
}

static inline float contract_tanh(float x) {
    float a = fabsf(x), s = a * a, p = -0x1.95001cp-8f;
    if (isnan(x)) return x;
    if (a < 0.5625f) {
        p = fmaf(p, s, 0x1.582fbp-6f);
        p = fmaf(p, s, -0x1.b90946p-5f);
        p = fmaf(p, s, 0x1.110c72p-3f);
        p = fmaf(p, s, -0x1.555548p-2f);
        return copysignf(fmaf(a * s, p, a), x);
    }
    float b = a > 10 ? 20 : 2 * a, k = contract_power(b), power = ldexpf(1, (int)k);
    return copysignf(1 - 2 / fmaf(power, contract_expm1(b, k), power + 1), x);
}

#endif
