// exp.h: e to the power of x, at most 1 unit in the last place (ULP) off (0.93 in the exhaustive test), monotone.
//
//     k = x / ln 2, rounded to an integer            (a multiply-add onto 3 * 2^22, whose unit is 1)
//     x = k ln 2 + (high + low)                      |high + low| <= ln 2 / 2
//     r = high + low
//     m = high + fma(q(r), r * r, low)               e^r - 1, with q(r) = (e^r - 1 - r) / r^2, of degree 4
//     e^x = 2^k (1 + m)
//
// ln 2 is the sum of two floats; `high` is exact, because it has no more bits below those of x and of ln 2 than
// fit a float. Taking r in two parts, where it stands alone, keeps the error below 1 ULP.
// The coefficients of q are minimax for the relative error of e^r on |r| <= ln 2 / 2 * (1 + 2^-8), with 1, 1 and 1/2
// fixed: found by the Remez exchange with 40 digits, rounded to floats; 4e-9 is what remains.

#define LOG2_E 0x1.715476p+0f
#define LN2_HIGH 0x1.62e43p-1f
#define LN2_LOW (-0x1.05c61p-29f)
#define ROUNDING 0x1.8p+23f

/// e^x = 2^k (1 + m), for |x| <= 2^16; `rounded` is the number near 3 * 2^22 whose last bits are those of k.
typedef struct exp_parts {
    vf rounded, k, m;
} exp_parts;

V_FN vf v_nearest_power(vf x) { return v_sub(v_fma(x, v_set(LOG2_E), v_set(ROUNDING)), v_set(ROUNDING)); }

/// k is rounded onto `onto`, ROUNDING plus an integer below 2^20. Which one does not matter to k: x / ln 2 is never
/// half way between two integers.
V_FN exp_parts v_exp_parts(vf x, vf onto) {
    vf rounded = v_fma(x, v_set(LOG2_E), onto), k = v_sub(rounded, onto);
    vf high = v_fnma(k, v_set(LN2_HIGH), x), low = v_mul(k, v_set(-LN2_LOW));
    vf r = v_add(high, low);
    vf q = v_fma(v_set(0x1.6d4574p-10f), r, v_set(0x1.123fe2p-7f));
    q = v_fma(q, r, v_set(0x1.5554f4p-5f));
    q = v_fma(q, r, v_set(0x1.555492p-3f));
    q = v_fma(q, r, v_set(0.5f));
    return (exp_parts){rounded, k, v_add(high, v_fma(q, v_mul(r, r), low))};
}

/// Below -104 all is 0, above 89 infinity.
V_FN vf v_exp_1ulp(vf x) {
    exp_parts e = v_exp_parts(v_at_most(v_at_least(x, v_set(-104.0f)), v_set(89.0f)), v_set(ROUNDING));
    return v_scale_by_power(v_add(v_set(1.0f), e.m), e.k);
}
