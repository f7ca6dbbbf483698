// merges_body.h: states of parts of a row merged, ((p0 + p1) + p2) + ...: moments (ck_moments.h), moments of gradients
// (ck_moments_backward.h), states of softmax (ck_softmax_state.h). Scalar binary64; in portable.c alone.

CK_KERNEL(merge_moments)(const ck_moments *parts, int64_t count, ck_moments *result) {
    ck_moments total = {0};
    for (int64_t k = 0; k < count; k++) total = moments_merged(total, parts[k]);
    *result = total;
}

/// `b` after `a`.
V_FN ck_gradient_moments gradient_moments_merged(ck_gradient_moments a, ck_gradient_moments b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    double n = (double)a.count + (double)b.count, share = (double)b.count / n;
    double d = b.gradient - a.gradient, e = b.normalized - a.normalized;
    return (ck_gradient_moments){
        .count = a.count + b.count,
        .gradient = a.gradient + d * share,
        .normalized = a.normalized + e * share,
        .comoment = (a.comoment + b.comoment) + (d * e) * ((double)a.count * share),
    };
}

CK_KERNEL(merge_gradient_moments)(const ck_gradient_moments *parts, int64_t count, ck_gradient_moments *result) {
    ck_gradient_moments total = {0};
    for (int64_t k = 0; k < count; k++) total = gradient_moments_merged(total, parts[k]);
    *result = total;
}

/// e^x for x <= 0, off by 2^-51 of itself; 0 below -700. With k = x / ln 2, rounded to an integer, and r = x - k ln 2,
/// it is 2^k (1 + r (1 + r/2 (1 + r/3 (... (1 + r/13))))).
V_FN double s_exp(double x) {
    if (!(x >= -700.0)) return x == x ? 0.0 : x;
    double k = (x * 0x1.71547652b82fep+0 + 0x1.8p+52) - 0x1.8p+52;
    double r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    double series = 1.0;
    for (int n = 13; n >= 1; n--) series = 1.0 + series * r / n;
    uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
    double power;
    memcpy(&power, &bits, 8);
    return series * power;
}

V_FN ck_softmax_state softmax_states_merged(ck_softmax_state a, ck_softmax_state b) {
    if (a.max == b.max) return (ck_softmax_state){a.max, a.sum + b.sum};
    ck_softmax_state larger = a.max < b.max ? b : a, smaller = a.max < b.max ? a : b;
    return (ck_softmax_state){larger.max, larger.sum + smaller.sum * s_exp((double)smaller.max - (double)larger.max)};
}

CK_KERNEL(merge_softmax_states)(const ck_softmax_state *parts, int64_t count, ck_softmax_state *result) {
    ck_softmax_state total = {-INFINITY, 0.0};
    for (int64_t k = 0; k < count; k++) total = softmax_states_merged(total, parts[k]);
    *result = total;
}
