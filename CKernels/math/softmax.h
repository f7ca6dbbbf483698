// softmax.h: the exponentials of a row below a common power of e, without rounding x - m.
//
// A softmax may take any factor out of all exponentials. Taking the largest one out by e^(x - m) rounds x - m, which
// costs e^-80 up to 2^-18 of itself. Here 2^p comes out, with p = m / ln 2 rounded: e^x = 2^k (1 + m) becomes
// 2^(k - p) (1 + m), an exact change. Where |m| is above 2^16, x - m is formed: it is exact for all x that count.
//
//     anchor = m if |m| > 2^16, else 0
//     p      = (m - anchor) / ln 2, rounded to an integer
//     e(x)   = e^max(x - anchor, m - anchor - 105) / 2^p           0 where x is about 105 below m

/// Of one row in every lane, or of 16 rows in the lanes.
typedef struct exp_shift {
    vf anchor, low, power;
} exp_shift;

/// For a largest element m; a row of nothing but -infinity is as one of m = 0.
V_FN exp_shift v_exp_shift(vf m) {
    vf anchor = v_where_less(v_set(0x1p16f), v_abs(m), m, v_zero());
    vf rest = v_sub(m, anchor);
    return (exp_shift){anchor, v_sub(rest, v_set(105.0f)), v_nearest_power(rest)};
}

V_FN vf v_exp_shifted(vf x, exp_shift s) {
    exp_parts e = v_exp_parts(v_at_least(v_sub(x, s.anchor), s.low), v_set(ROUNDING));
    return v_scale_by_power(v_add(v_set(1.0f), e.m), v_sub(e.k, s.power));
}

/// Whether all x - anchor are at least `above` over `low`, if `least` holds the smallest x in its lanes. (A NaN may be
/// lost there.)
V_FN int are_above_low(vf least, exp_shift s, float above) {
    return v_outside(16, v_sub(v_sub(least, s.anchor), s.low), above, INFINITY) == 0;
}

/// From here on e(x) is a normal number, and x - anchor x itself; a NaN where there is an anchor.
V_FN vf easy_from(exp_shift s) {
    vf no_anchor = v_set(0x1p-149f);
    return v_where_less(v_abs(s.anchor), no_anchor, v_add(s.low, v_set(105.0f - 86.0f)), v_set(NAN));
}

/// e(x) of d = x - anchor, if that is a normal number or a NaN: in one rounding 2^(k - p) (1 + m), whose power is made
/// of the last bits of k - p.
V_FN vf v_exp_normal(vf d, exp_shift s) {
    exp_parts e = v_exp_parts(d, v_sub(v_set(ROUNDING + 127.0f), s.power));
    vf scale = v_power_of_two(e.rounded);
    return v_fma(e.m, scale, scale);
}
V_FN vf v_exp_shifted_normal(vf x, exp_shift s) { return v_exp_normal(v_sub(x, s.anchor), s); }

/// ln of a ratio in 0.5 ... 2^100 in binary64, off by 1e-12 of itself: with ratio = 2^e a, 1/sqrt 2 <= a < sqrt 2,
/// f = (a - 1) / (a + 1) and z = f^2, it is e ln 2 + 2 f (1 + z/3 + z^2/5 + z^3/7 + z^4/9 + z^5/11 + z^6/13).
V_FN double s_log(double ratio) {
    uint64_t bits;
    memcpy(&bits, &ratio, 8);
    int64_t e = (int64_t)(bits - 0x3fe6a09e667f3bcdu) >> 52;  // from 1/sqrt 2 on
    bits -= (uint64_t)e << 52;
    double a;
    memcpy(&a, &bits, 8);
    double f = (a - 1.0) / (a + 1.0), z = f * f;
    double series = 1.0 / 11 + z * (1.0 / 13);
    series = 1.0 / 9 + z * series;
    series = 1.0 / 7 + z * series;
    series = 1.0 / 5 + z * series;
    series = 1.0 / 3 + z * series;
    return (double)e * 0x1.62e42fefa39efp-1 + 2.0 * f * (1.0 + z * series);
}

/// What a row's largest element m and the sum of its e(x) say of its elements.
typedef struct softmax_row {
    float most;         // m, or 0 if that is -infinity
    float factor;       // 1 / sum; 0 without anything to sum
    float divisor;      // sum, where the largest e(x) is all of it: then quotients, so that 1 is 1; else 0
    float log_sum;      // ln(sum / e(m)), so that ln softmax(x) = (x - m) - log_sum
    float log_sum_exp;  // ln of the sum of e^x
    double ratio;       // sum / e(m): the sum of e^(x - m)
} softmax_row;

/// `largest` is e(m). The ratio and the logarithms are left out unless asked for.
V_FN softmax_row finish_softmax(float most, float largest, float sum, int logarithms) {
    softmax_row r = {most, sum == 0.0f ? 0.0f : 1.0f / sum, sum == largest ? sum : 0.0f, 0.0f, -INFINITY, 0.0};
    if (logarithms && sum != 0.0f) {
        r.ratio = (double)sum / (double)largest;
        double log = sum == sum ? s_log(r.ratio) : r.ratio;
        r.log_sum = (float)log;
        r.log_sum_exp = (float)((double)most + log);
    }
    return r;
}

/// e(x) / sum, and its logarithm.
V_FN vf softmax_quotient(const softmax_row *r, vf e) {
    return r->divisor > 0.0f ? v_div(e, v_set(r->divisor)) : v_mul(e, v_set(r->factor));
}
V_FN vf softmax_logarithm(const softmax_row *r, vf x) { return v_sub(v_sub(x, v_set(r->most)), v_set(r->log_sum)); }
