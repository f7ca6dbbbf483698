// norm_moments.h: mean and reciprocal standard deviation of a row, in one pass over it.
//
//     c      = the mean of a sample of the row: near the mean, but for unusual rows
//     d_i    = x_i - c
//     delta  = sum(d) / n                       the mean is the pair c + delta
//     v      = max(fma(-delta, delta, sum(d^2) / n), 0)
//     rstd   = 1 / sqrt(v + epsilon)
//     normalized_i = fma(d_i, rstd, -(delta * rstd))
//
// For RMSNorm c and delta are 0 and the same loops run: they are bound by loads, not by the two additions that this
// leaves without effect. All of it on x * scale, where scale is 1 or, in the rare branch, a power of two (see
// `choose_scale`).

/// A factor that is known to be 1 (`on` is a constant 0: no code) or a power of two.
typedef struct scaling {
    int on;
    float by;
} scaling;

#define UNSCALED ((scaling){0, 1.0f})

/// The mean is the pair centre + delta.
typedef struct moments {
    float centre, delta, rstd;
    float saved_rstd;  // of the row before it was scaled
} moments;

V_FN vf centred(vf x, vf centre, scaling s) { return s.on ? v_fms(x, v_set(s.by), centre) : v_sub(x, centre); }

/// (d - delta) * rstd, where d is a deviation from the larger part of a mean and `shift` is shift_of(delta, rstd).
V_FN vf normalized(vf d, float rstd, float shift) { return v_fma(d, v_set(rstd), v_set(shift)); }
V_FN float shift_of(float delta, float rstd) { return -(delta * rstd); }

/// Where group k (of 4) of a sample begins: 16 columns around the middle of the row's k-th quarter, so that
/// a trend along the row cancels. A row of at most 64 columns is its own sample.
V_FN int64_t sample_start(int64_t n, int k) { return n > BLOCK ? (2 * k + 1) * n / 8 - 8 : 16 * k; }

/// The sum of a row's sample, folded down to the 16 lanes of a vector.
V_FN vf sample_sum(const norm_row *row, int64_t n, scaling s, norm_kind kind) {
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k), left = n - i;
        vf group = n >= BLOCK ? input_anywhere(row, i, 16, kind) : keep_left(left, input_anywhere(row, i, left, kind));
        sample.v[k] = s.on ? v_mul(group, v_set(s.by)) : group;
    }
    return lanes_fold_to_vector(&sample);
}

/// The mean of a sample from its sum (+0 makes -0 what it is in lanes that start from +0).
V_FN float mean_of_sample(float sum, int64_t n) {
    return n > BLOCK ? (sum + 0.0f) * (1.0f / BLOCK) : (sum + 0.0f) / (float)n;
}

V_FN float sample_mean(const norm_row *row, int64_t n, scaling s, norm_kind kind) {
    return mean_of_sample(v_fold_add(sample_sum(row, n, s, kind)), n);
}

/// Deviations and their squares: 64 lanes of sums each.
typedef struct deviations {
    lanes sum, squares;
} deviations;

V_FN deviations no_deviations(void) { return (deviations){lanes_zero(), lanes_zero()}; }

V_FN int keeps_sum(const norm_chunk *x, norm_kind kind) { return is_exact_sum(kind) && x->kept; }

/// Vectors k ..< k + V_TOGETHER of the block at i into the sums. `keeps`: an exact sum is kept.
V_FN void deviation_block(deviations *d, const norm_chunk *x, int64_t i, int64_t left, vf centre, int k, int keeps,
                          scaling s, norm_kind kind) {
    uint64_t kept = chunk_kept(x, i, kind);
    V_UNROLL
    for (int last = k + V_TOGETHER; k < last; k++) {
        int64_t rest = left - 16 * k;
        vf h = input_left(x, i + 16 * k, rest, kept >> 16 * k, kind);
        if (keeps) write_left((target){x->kept, CK_F32}, i + 16 * k, rest, h, 0);
        vf e = keep_left(rest, centred(h, centre, s));
        d->sum.v[k] = v_add(d->sum.v[k], e);
        d->squares.v[k] = v_fma(e, e, d->squares.v[k]);
    }
}

V_FN void deviation_blocks(deviations *d, const norm_chunk *x, int64_t n, vf centre, int k, int keeps, scaling s,
                           const row_steps *fetch, norm_kind kind) {
    int64_t i = 0, whole = in_whole(BLOCK, n);
    for (; i < whole; i += BLOCK) {
        if (fetch && k == 0) {
            fetch_input(x, fetch, i, 2 * AHEAD, kind);
            if (keeps) fetch_block_to_write((target){x->kept, CK_F32}, i, 2 * AHEAD);
        }
        deviation_block(d, x, i, BLOCK, centre, k, keeps, s, kind);
    }
    if (i + 16 * k < n) deviation_block(d, x, i, n - i, centre, k, keeps, s, kind);
}

/// Vectors k ..< k + V_TOGETHER of the sums of up to CHUNK elements. `fetch`: how to ask for what lies ahead, or NULL.
V_FN void deviation_columns(deviations *d, const norm_chunk *x, int64_t n, vf centre, int k, scaling s,
                            const row_steps *fetch, norm_kind kind) {
    if (keeps_sum(x, kind))
        deviation_blocks(d, x, n, centre, k, 1, s, fetch, kind);
    else
        deviation_blocks(d, x, n, centre, k, 0, s, fetch, kind);
}

/// The sums of a short row.
V_FN deviations short_deviations(const norm_chunk *x, int64_t n, vf centre, const row_steps *fetch, norm_kind kind) {
    deviations d = no_deviations();
    V_UNROLL
    for (int k = 0; k < 4; k += V_TOGETHER) deviation_columns(&d, x, n, centre, k, UNSCALED, fetch, kind);
    return d;
}

/// Puts what is not needed for a while into memory: a loop's sums stay in registers then, which compilers give to the
/// sums of the loop before it otherwise. (Residual LayerNorm in the caches 0.92 of its time, LayerNorm 0.93 with AVX2;
/// short rows 1.04; Zen 3, 2026-11-28.)
#define SET_ASIDE(value) __asm__("" : "+m"(value))

/// The sums of up to CHUNK elements.
V_FN deviations chunk_deviations(const norm_chunk *x, int64_t n, vf centre, scaling s, const row_steps *fetch,
                                 norm_kind kind) {
    deviations d = no_deviations();
    V_UNROLL
    for (int k = 0; k < 4; k += V_TOGETHER) {
        deviations part = no_deviations();
        deviation_columns(&part, x, n, centre, k, s, fetch, kind);
        for (int v = k; v < k + V_TOGETHER; v++) {
            d.sum.v[v] = part.sum.v[v];
            d.squares.v[v] = part.squares.v[v];
        }
        if (V_TOGETHER < 4) SET_ASIDE(d);
    }
    return d;
}

/// The sums of a row, chunk by chunk.
typedef struct row_sums {
    row_lanes sum, squares;
} row_sums;

V_FN void row_sums_add(row_sums *total, deviations chunk, int64_t column) {
    row_lanes_add(&total->sum, &chunk.sum, column);
    row_lanes_add(&total->squares, &chunk.squares, column);
}

V_FN deviations row_sums_total(const row_sums *sums, int64_t n) {
    return (deviations){row_lanes_total(&sums->sum, n), row_lanes_total(&sums->squares, n)};
}

V_FN deviations row_deviations(const norm_row *row, int64_t n, float centre, scaling s, const row_steps *fetch,
                               norm_kind kind) {
    norm_chunk x = norm_chunk_at(row, 0, kind);
    deviations first = chunk_deviations(&x, lesser(CHUNK, n), v_set(centre), s, fetch, kind);
    if (n <= CHUNK) return first;
    row_sums total = {{first.sum, first.sum}, {first.squares, first.squares}};
    for (int64_t c = CHUNK; c < n; c += CHUNK) {
        x = norm_chunk_at(row, c, kind);
        row_sums_add(&total, chunk_deviations(&x, lesser(CHUNK, n - c), v_set(centre), s, fetch, kind), c);
    }
    return row_sums_total(&total, n);
}

/// Whether delta is so large beside the deviation that fma(-delta, delta, ...) cancels: the sample was far off.
V_FN int is_far(float delta, float v) { return s_fma(-4.0f * delta, delta, v) < 0.0f; }

/// delta and v, from the sums of a row.
V_FN float finish_delta(const deviations *d, int64_t n, int is_centred) {
    return is_centred ? lanes_fold(&d->sum) / (float)n : 0.0f;
}
V_FN float finish_variance(const deviations *d, int64_t n, float delta) {
    float v = s_fma(-delta, delta, lanes_fold(&d->squares) / (float)n);
    return v < 0.0f ? 0.0f : v;
}

/// Whether v + epsilon is where neither squares nor their sum over- or underflowed; false for NaN.
#define ORDINARY_LEAST 0x1p-100f
#define ORDINARY_MOST 0x1p120f
V_FN int is_ordinary(float q) { return q >= ORDINARY_LEAST && q <= ORDINARY_MOST; }

/// The moments of an ordinary row; 0 if it is another one.
V_FN int finish_moments(moments *r, float centre, const deviations *d, int64_t n, float epsilon, int is_centred) {
    float delta = finish_delta(d, n, is_centred), v = finish_variance(d, n, delta), q = v + epsilon;
    float rstd = 1.0f / s_sqrt(q);
    *r = (moments){centre, delta, rstd, rstd};
    return is_ordinary(q) && !is_far(delta, v);
}
