// softmax_state.h: states of softmax (ck_softmax_state.h), merged in binary64.

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
