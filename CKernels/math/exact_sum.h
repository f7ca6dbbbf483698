// exact_sum.h: sums that do not depend on the order of their terms.
//
// Each term, or product, of at most 2 is rounded by itself to a multiple of 2^-50. The multiples are added as whole
// numbers, which is exact: of n terms the sum is off by n 2^-51 at most, in whatever order they come and however they
// are shared out over lanes.

/// Terms that a lane may take before it is moved on.
#define EXACT_TERMS 1024

/// high * 2^32 + low units of 2^-50.
typedef struct exact_sum {
    int64_t high, low;
} exact_sum;

/// 16 lanes of terms on their way to 16 sums. `trace` is a NaN or infinite in the end where a term was.
typedef struct exact_lanes {
    vx units;
    vf trace;
    exact_sum sum[16];
    int count;
} exact_lanes;

V_FN exact_lanes exact_zero(void) { return (exact_lanes){.units = vx_zero(), .trace = v_zero()}; }

V_FN void exact_move_on(exact_lanes *s) {
    int64_t units[16];
    vx_store(units, s->units);
    for (int l = 0; l < 16; l++) {
        s->sum[l].high += units[l] >> 32;
        s->sum[l].low += units[l] & 0xffffffff;
    }
    s->units = vx_zero();
    s->count = 0;
}

V_FN void exact_add(exact_lanes *s, vf a) {
    s->units = vx_add(s->units, a);
    s->trace = v_add(s->trace, a);
    if (++s->count == EXACT_TERMS) exact_move_on(s);
}
V_FN void exact_add_product(exact_lanes *s, vf a, vf b) {
    s->units = vx_add_product(s->units, a, b);
    s->trace = v_fma(a, b, s->trace);
    if (++s->count == EXACT_TERMS) exact_move_on(s);
}

/// The sum over lanes l, l + period, l + 2 period, ... in every one of them, in binary64; NaN with a term that is one.
V_FN void exact_totals(double *total, exact_lanes *s, int period) {
    float trace[16];
    exact_move_on(s);
    v_store(trace, s->trace);
    for (int l = 15; l >= period; l--) {
        s->sum[l - period].high += s->sum[l].high;
        s->sum[l - period].low += s->sum[l].low;
        trace[l - period] += trace[l];
    }
    for (int l = 0; l < 16; l++) {
        if (l >= period) {
            total[l] = total[l - period];
            continue;
        }
        exact_sum sum = s->sum[l];
        double high = (double)(sum.high + (sum.low >> 32)), low = (double)(sum.low & 0xffffffff);
        int is_number = trace[l] - trace[l] == 0.0f;
        total[l] = is_number ? (high * 0x1p32 + low) * 0x1p-50 : (double)NAN;
    }
}
