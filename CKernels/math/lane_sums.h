// lane_sums.h: the contract's order of a row sum: 64 lanes, three levels, folded by halves.
//
// Element i enters lane i mod 64. After every CHUNK elements the lanes move to a second level, after every SPAN
// elements to a third, so that errors do not grow with the width as those of one long sum do. A lane that no
// element reaches holds +0.0.

#define BLOCK 64
#define CHUNK 1024
#define SPAN (16 * CHUNK)

/// 64 lanes: lane j of the contract is lane j mod 16 of vector j / 16.
typedef struct lanes {
    vf v[4];
} lanes;

V_FN lanes lanes_zero(void) { return (lanes){{v_zero(), v_zero(), v_zero(), v_zero()}}; }

V_FN void lanes_add(lanes *sum, const lanes *part) {
    for (int k = 0; k < 4; k++) sum->v[k] = v_add(sum->v[k], part->v[k]);
}

/// The second and third level of a sum.
typedef struct row_lanes {
    lanes second, third;
} row_lanes;

V_FN row_lanes row_lanes_zero(void) { return (row_lanes){lanes_zero(), lanes_zero()}; }

/// Adds the lanes of the chunk that begins at `column`. Chunks come in their order.
V_FN void row_lanes_add(row_lanes *sum, const lanes *chunk, int64_t column) {
    if (column % SPAN != 0) {
        lanes_add(&sum->second, chunk);
        return;
    }
    if (column == SPAN)
        sum->third = sum->second;
    else if (column > SPAN)
        lanes_add(&sum->third, &sum->second);
    sum->second = *chunk;
}

/// All levels of a sum over `n` elements.
V_FN lanes row_lanes_total(const row_lanes *sum, int64_t n) {
    lanes total = sum->second;
    if (n > SPAN) lanes_add(&total, &sum->third);
    return total;
}

/// Lane j += lane j + 32, then 16: what is left are the 16 lanes of one vector.
V_FN vf lanes_fold_to_vector(const lanes *a) { return v_add(v_add(a->v[0], a->v[2]), v_add(a->v[1], a->v[3])); }

/// Lane j += lane j + 32, then 16, 8, 4, 2, 1.
V_FN float lanes_fold(const lanes *a) { return v_fold_add(lanes_fold_to_vector(a)); }

/// v_load of 16 elements of which `left` remain. With a constant `left` it is one load.
V_FN vf load_left(const float *p, int64_t left) { return left >= 16 ? v_load(p) : v_load_n(p, left); }
V_FN vf keep_left(int64_t left, vf a) { return left >= 16 ? a : v_keep_n(left, a); }
V_FN void store_left(float *p, int64_t left, vf a) {
    if (left >= 16)
        v_store(p, a);
    else
        v_store_n(p, left, a);
}

/// How many of n elements are in whole units: loops that end there take two instructions a step fewer than those that
/// look a unit ahead (LayerNorm in the caches 0.97 of its time with AVX2; Zen 3, 2026-11-28).
V_FN int64_t in_whole(int64_t unit, int64_t n) { return n / unit * unit; }

V_FN int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
