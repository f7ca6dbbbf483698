// layer_norm_moments.h: mean and reciprocal standard deviation of a row, compensated.
//
//     m      = sum(x) / n
//     d_i    = x_i - m
//     delta  = sum(d) / n                       what rounding m lost
//     v      = max(fma(-delta, delta, sum(d^2) / n), 0)
//     rstd   = 1 / sqrt(v + epsilon)
//
// All of it on x * scale, where scale is 1 or, in the rare branch, a power of two (see `choose_scale`).

/// A factor that is known to be 1 (`on` is a constant 0: no code) or a power of two.
typedef struct scaling {
    int on;
    float by;
} scaling;

#define UNSCALED ((scaling){0, 1.0f})

/// The mean is the pair m + delta.
typedef struct moments {
    float m, delta, rstd;
    float saved_rstd;  // of the row before it was scaled
} moments;

V_FN vf add_scaled(vf sum, vf x, scaling s) { return s.on ? v_fma(x, v_set(s.by), sum) : v_add(sum, x); }
V_FN vf centre(vf x, vf m, scaling s) { return s.on ? v_fms(x, v_set(s.by), m) : v_sub(x, m); }

/// 64 elements (fewer if `left` says so) into the lanes.
V_FN void sum_block(lanes *sum, const float *x, int64_t left, scaling s) {
    for (int k = 0; k < 4; k++) sum->v[k] = add_scaled(sum->v[k], load_left(x + 16 * k, left - 16 * k), s);
}

/// Asks for the four cache lines of a block of another row, if there is one.
V_FN void fetch_block(const float *ahead) {
    for (int k = 0; k < 4 && ahead; k++) v_fetch(ahead + 16 * k);
}

/// Up to CHUNK elements into lanes of their own. `ahead`, if not NULL, is a row to fetch meanwhile.
V_FN lanes chunk_sum(const float *x, int64_t n, scaling s, const float *ahead) {
    lanes part = lanes_zero();
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        fetch_block(ahead ? ahead + i : 0);
        sum_block(&part, x + i, BLOCK, s);
    }
    if (i < n) sum_block(&part, x + i, n - i, s);
    return part;
}

/// sum(x), folded down to the 16 lanes of a vector.
V_FN vf row_sum(const float *x, int64_t n, scaling s, const float *ahead) {
    lanes total = chunk_sum(x, lesser(CHUNK, n), s, ahead);
    for (int64_t c = CHUNK; c < n; c += CHUNK) {
        lanes part = chunk_sum(x + c, lesser(CHUNK, n - c), s, ahead ? ahead + c : 0);
        lanes_add(&total, &part);
    }
    return lanes_fold_to_vector(&total);
}

/// Vectors k ..< k + V_TOGETHER of a block: their deviations and squared deviations into the lanes.
V_FN void deviation_block(lanes *sum, lanes *squares, const float *x, int64_t left, vf m, int k, scaling s) {
    for (int last = k + V_TOGETHER; k < last; k++) {
        vf d = keep_left(left - 16 * k, centre(load_left(x + 16 * k, left - 16 * k), m, s));
        sum->v[k] = v_add(sum->v[k], d);
        squares->v[k] = v_fma(d, d, squares->v[k]);
    }
}

V_FN void chunk_deviations(lanes *sum, lanes *squares, const float *x, int64_t n, vf m, scaling s, const float *ahead) {
    *sum = *squares = lanes_zero();
    for (int k = 0; k < 4; k += V_TOGETHER) {
        int64_t i = 0;
        for (; i + BLOCK <= n; i += BLOCK) {
            fetch_block(ahead && k == 0 ? ahead + i : 0);
            deviation_block(sum, squares, x + i, BLOCK, m, k, s);
        }
        if (i < n) deviation_block(sum, squares, x + i, n - i, m, k, s);
    }
}

/// sum(d) and sum(d^2), likewise.
V_FN void row_deviations(const float *x, int64_t n, vf m, vf *sum, vf *squares, scaling s, const float *ahead) {
    lanes total, total_squares, part, part_squares;
    chunk_deviations(&total, &total_squares, x, lesser(CHUNK, n), m, s, ahead);
    for (int64_t c = CHUNK; c < n; c += CHUNK) {
        chunk_deviations(&part, &part_squares, x + c, lesser(CHUNK, n - c), m, s, ahead ? ahead + c : 0);
        lanes_add(&total, &part);
        lanes_add(&total_squares, &part_squares);
    }
    *sum = lanes_fold_to_vector(&total);
    *squares = lanes_fold_to_vector(&total_squares);
}

/// Whether v + epsilon is where neither squares nor their sum over- or underflowed; false for NaN.
#define ORDINARY_LEAST 0x1p-100f
#define ORDINARY_MOST 0x1p120f
V_FN int is_ordinary(float q) { return q >= ORDINARY_LEAST && q <= ORDINARY_MOST; }

/// 2^-e for a row whose largest magnitude is in [2^e, 2^(e+1)), with |e| <= 126; 1 for a row of zeros
/// and for one with an infinity or a NaN. Multiplying by it is exact but for elements too small to matter.
V_FN float choose_scale(const float *x, int64_t n) {
    vf largest = v_zero();
    for (int64_t i = 0; i < n; i += 16) largest = v_magnitude(largest, load_left(x + i, n - i));
    float magnitude = v_fold_magnitude(largest);
    uint32_t bits;
    memcpy(&bits, &magnitude, 4);
    if (bits == 0 || bits >= 0x7f800000) return 1.0f;
    int e = (int)(bits >> 23) - 127;
    e = e < -126 ? -126 : e > 126 ? 126 : e;
    return ldexpf(1.0f, -e);
}

/// Moments of x * s in the rare branch. q = v + epsilon s^2 is formed in binary64, whose range holds
/// s^2; a row without spread and without epsilon has rstd 0. On the scaled row rstd stays finite, so that
/// 0 * rstd is 0.
V_FN moments scaled_moments(const float *x, int64_t n, float epsilon, scaling s) {
    moments r;
    vf sum, squares;
    r.m = v_fold_add(row_sum(x, n, s, 0)) / (float)n;
    row_deviations(x, n, v_set(r.m), &sum, &squares, s, 0);
    r.delta = v_fold_add(sum) / (float)n;
    float v = s_fma(-r.delta, r.delta, v_fold_add(squares) / (float)n);
    double q = (v < 0.0f ? 0.0 : (double)v) + (double)epsilon * s.by * s.by;
    double root = q == 0.0 ? 0.0 : 1.0 / sqrt(q);
    r.rstd = (float)(root > 0x1.fffffep127 ? 0x1.fffffep127 : root);
    r.saved_rstd = (float)(s.by * root);
    return r;
}
