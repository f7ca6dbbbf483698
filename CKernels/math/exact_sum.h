// exact_sum.h: sums that do not depend on the order of their terms.
//
// Each term, or product, of at most 2 is rounded by itself to a multiple of 2^-50. The multiples are added as whole
// numbers, which is exact: of n terms the sum is off by n 2^-51 at most, in whatever order they come and however they
// are shared out over lanes.

/// Terms that a lane may take before it is moved on: 16 lanes of them are less than 2^63 units.
#define EXACT_TERMS 128

/// high * 2^32 + low units of 2^-50.
typedef struct exact_sum {
    int64_t high, low;
} exact_sum;

/// 16 lanes of terms on their way to 16 sums, of which `sum` holds what was moved on. `trace` is a NaN or infinite in
/// the end where a term was.
typedef struct exact_lanes {
    vx units;
    vf trace;
    int count, has_moved;
    exact_sum sum[16];
} exact_lanes;

V_FN exact_lanes exact_zero(void) {
    exact_lanes s;
    s.units = vx_zero();
    s.trace = v_zero();
    s.count = s.has_moved = 0;
    return s;
}

V_FN void exact_move_on(exact_lanes *s) {
    int64_t units[16];
    vx_store(units, s->units);
    for (int l = 0; l < 16; l++) {
        exact_sum before = s->has_moved ? s->sum[l] : (exact_sum){0, 0};
        s->sum[l] = (exact_sum){before.high + (units[l] >> 32), before.low + (units[l] & 0xffffffff)};
    }
    s->units = vx_zero();
    s->count = 0;
    s->has_moved = 1;
}

V_FN void exact_add(exact_lanes *s, vf a) {
    if (s->count++ == EXACT_TERMS) exact_move_on(s);
    s->units = vx_add(s->units, a);
    s->trace = v_add(s->trace, a);
}
V_FN void exact_add_product(exact_lanes *s, vf a, vf b) {
    if (s->count++ == EXACT_TERMS) exact_move_on(s);
    s->units = vx_add_product(s->units, a, b);
    s->trace = v_fma(a, b, s->trace);
}

/// total[l] for l < period: the sum over lanes l, l + period, l + 2 period, ... in binary64; NaN with a term that is
/// one.
V_FN void exact_totals(double *total, exact_lanes *s, int period) {
    int64_t units[16];
    if (s->has_moved) exact_move_on(s);
    vx_store(units, s->units);
    for (int l = 15; l >= period && !s->has_moved; l--) units[l - period] += units[l];
    for (int l = 0; l < period && !s->has_moved; l++) total[l] = (double)units[l] * 0x1p-50;

    for (int l = 15; l >= period && s->has_moved; l--) {
        s->sum[l - period].high += s->sum[l].high;
        s->sum[l - period].low += s->sum[l].low;
    }
    for (int l = 0; l < period && s->has_moved; l++) {
        exact_sum sum = s->sum[l];
        double high = (double)(sum.high + (sum.low >> 32)), low = (double)(sum.low & 0xffffffff);
        total[l] = (high * 0x1p32 + low) * 0x1p-50;
    }
    int broken = v_outside(16, s->trace, -0x1.fffffep127f, 0x1.fffffep127f);
    for (int l = 0; l < 16 && broken; l++)
        if (broken >> l & 1) total[l % period] = (double)NAN;
}
