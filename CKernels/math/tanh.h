// tanh.h: the hyperbolic tangent, at most 2 ULP off (1.30 for a prototype on all floats from 0 to 10), odd, monotone.
//
//     |x| < 9/16:  x + x^3 p(x^2)                    p of degree 4
//     else         1 - 2 / (e^(2|x|) + 1)            with the sign of x
//
// The coefficients of p are minimax for the relative error, found as those of exp.h; 2e-9 is what remains.

V_FN vf v_tanh_2ulp(vf x) {
    vf a = v_abs(x), s = v_mul(a, a);
    vf p = v_fma(v_set(-0x1.95001cp-8f), s, v_set(0x1.582fbp-6f));
    p = v_fma(p, s, v_set(-0x1.b90946p-5f));
    p = v_fma(p, s, v_set(0x1.110c72p-3f));
    p = v_fma(p, s, v_set(-0x1.555548p-2f));
    vf near = v_fma(v_mul(a, s), p, a);

    vf bounded = v_at_most(a, v_set(10.0f));  // where the result is 1
    exp_parts e = v_exp_parts(v_add(bounded, bounded), v_set(ROUNDING));
    vf power = v_scale_by_power(v_set(1.0f), e.k);
    vf denominator = v_fma(power, e.m, v_add(power, v_set(1.0f)));
    vf far = v_sub(v_set(1.0f), v_div(v_set(2.0f), denominator));
    return v_copy_sign(v_where_less(a, v_set(0.5625f), near, far), x);
}
