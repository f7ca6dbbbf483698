// orthogonal_row.h: how far rows f (and g) lie along a row x. The projections of the orthogonal residual addition.
//
//     a = <x, f> / (<x, x> + epsilon),   b = <x, g> / (<x, x> + epsilon)
//
// Centred, x, f and g stand for their deviations from their means, found as in norm_moments.h: from the mean c of a
// sample, with delta = sum(d) / n, and <d, e> - sum(d) sum(e) / n for a product of the deviations d, e from two such c.

/// One of the rows. Its deviations are at * scale - centre - delta (the last two are 0 unless centred).
typedef struct part {
    source at;
    float scale, centre, delta;
} part;

/// What is constant in each copy of the loops.
typedef struct projection_kind {
    int gradient;  // whether there is a g
    int centred;
    int scaled;
} projection_kind;

/// The rows, and a and b. In rows that are not ordinary these belong to the scaled rows.
typedef struct projected_row {
    part x, f, g;
    float a, b;
} projected_row;

/// Before delta is taken off.
V_FN vf deviation(part p, int64_t i, int64_t left, projection_kind kind) {
    vf element = read_left(p.at, i, left);
    if (kind.scaled) return v_fms(element, v_set(p.scale), v_set(p.centre));
    return kind.centred ? v_sub(element, v_set(p.centre)) : element;
}
V_FN vf centred_deviation(part p, int64_t i, int64_t left, projection_kind kind) {
    vf d = deviation(p, i, left, kind);
    return kind.centred ? v_sub(d, v_set(p.delta)) : d;
}

/// Sums over a row, each in the contract's order: of products, and of deviations.
enum { SUM_XX, SUM_XF, SUM_FF, SUM_XG, SUM_GG, SUM_X, SUM_F, SUM_G, PRODUCTS };
V_FN int is_wanted(int sum, projection_kind kind) {
    int of_gradient = sum == SUM_XG || sum == SUM_GG || sum == SUM_G;
    return (kind.gradient || !of_gradient) && (kind.centred || sum < SUM_X);
}

/// Vectors of sums that a loop keeps in registers beside each other, of five sums or more.
#define PROJECTED_TOGETHER (V_TOGETHER / 2)

V_FN void products_block(lanes *sums, const projected_row *r, int64_t i, int64_t left, int k, projection_kind kind) {
    for (int last = k + PROJECTED_TOGETHER; k < last; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf x = keep_left(rest, deviation(r->x, j, rest, kind)), f = keep_left(rest, deviation(r->f, j, rest, kind));
        sums[SUM_XX].v[k] = v_fma(x, x, sums[SUM_XX].v[k]);
        sums[SUM_XF].v[k] = v_fma(x, f, sums[SUM_XF].v[k]);
        sums[SUM_FF].v[k] = v_fma(f, f, sums[SUM_FF].v[k]);
        if (kind.centred) sums[SUM_X].v[k] = v_add(sums[SUM_X].v[k], x);
        if (kind.centred) sums[SUM_F].v[k] = v_add(sums[SUM_F].v[k], f);
        if (!kind.gradient) continue;
        vf g = keep_left(rest, deviation(r->g, j, rest, kind));
        sums[SUM_XG].v[k] = v_fma(x, g, sums[SUM_XG].v[k]);
        sums[SUM_GG].v[k] = v_fma(g, g, sums[SUM_GG].v[k]);
        if (kind.centred) sums[SUM_G].v[k] = v_add(sums[SUM_G].v[k], g);
    }
}

/// All sums over a row (0 where they are not wanted).
V_FN void row_products(float *total, const projected_row *r, int64_t n, projection_kind kind) {
    row_lanes all[PRODUCTS];
    for (int s = 0; s < PRODUCTS; s++) all[s] = row_lanes_zero();
    for (int64_t c = 0; c < n; c += CHUNK) {
        lanes sums[PRODUCTS];
        for (int s = 0; s < PRODUCTS; s++) sums[s] = lanes_zero();
        int64_t end = lesser(c + CHUNK, n);
        for (int k = 0; k < 4; k += PROJECTED_TOGETHER) {
            int64_t i = c, whole = c + in_whole(BLOCK, end - c);
            for (; i < whole; i += BLOCK) products_block(sums, r, i, BLOCK, k, kind);
            if (i < end) products_block(sums, r, i, end - i, k, kind);
        }
        for (int s = 0; s < PRODUCTS; s++)
            if (is_wanted(s, kind)) row_lanes_add(&all[s], &sums[s], c);
    }
    for (int s = 0; s < PRODUCTS; s++) {
        if (!is_wanted(s, kind)) continue;
        lanes sum = row_lanes_total(&all[s], n);
        total[s] = lanes_fold(&sum);
    }
}

/// The mean of a sample of a part, times its scale.
V_FN float projected_sample_mean(part p, int64_t n, projection_kind kind) {
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k);
        vf group = read_left(p.at, i, n > BLOCK ? 16 : n - i);
        sample.v[k] = kind.scaled ? v_mul(group, v_set(p.scale)) : group;
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

V_FN void centre_on_samples(projected_row *r, int64_t n, projection_kind kind) {
    if (!kind.centred) return;
    r->x.centre = projected_sample_mean(r->x, n, kind);
    r->f.centre = projected_sample_mean(r->f, n, kind);
    if (kind.gradient) r->g.centre = projected_sample_mean(r->g, n, kind);
}

/// What is left of a sum of squares about the mean; `is_far` where the centre was far from it.
V_FN float squares_about_mean(float squares, float sum, float delta, int *far) {
    float rest = s_fma(-delta, sum, squares);
    if (rest < 0.0f) rest = 0.0f;
    *far |= s_fma(-4.0f * delta, sum, rest) < 0.0f;
    return rest;
}

/// Sums over the deviations from the means.
typedef struct projection_sums {
    float xx, xf, ff, xg, gg;
    int far;  // whether a sample was far from a mean
} projection_sums;

V_FN projection_sums finish_products(projected_row *r, int64_t n, projection_kind kind) {
    float total[PRODUCTS] = {0};
    row_products(total, r, n, kind);
    projection_sums s = {total[SUM_XX], total[SUM_XF], total[SUM_FF], total[SUM_XG], total[SUM_GG], 0};
    if (!kind.centred) return s;
    r->x.delta = total[SUM_X] / (float)n;
    r->f.delta = total[SUM_F] / (float)n;
    s.xx = squares_about_mean(s.xx, total[SUM_X], r->x.delta, &s.far);
    s.ff = squares_about_mean(s.ff, total[SUM_F], r->f.delta, &s.far);
    s.xf = s_fma(-r->x.delta, total[SUM_F], s.xf);
    if (!kind.gradient) return s;
    r->g.delta = total[SUM_G] / (float)n;
    s.gg = squares_about_mean(s.gg, total[SUM_G], r->g.delta, &s.far);
    s.xg = s_fma(-r->x.delta, total[SUM_G], s.xg);
    return s;
}

/// Finds a and b of an ordinary row; whether it was one.
V_FN int project_ordinary(projected_row *r, int64_t n, float epsilon, projection_kind kind) {
    centre_on_samples(r, n, kind);
    projection_sums s = finish_products(r, n, kind);
    float q = s.xx + epsilon;
    r->a = s.xf / q;
    r->b = s.xg / q;
    return is_ordinary(q) && is_ordinary(s.ff) && (!kind.gradient || is_ordinary(s.gg)) && !s.far;
}

/// The power of two that brings the largest magnitude of a part near 1.
V_FN float projected_scale(part p, int64_t n) {
    vf largest = v_zero();
    for (int64_t i = 0; i < n; i += 16) largest = v_magnitude(largest, read_left(p.at, i, n - i));
    return scale_of_magnitude(v_fold_magnitude(largest));
}

/// <x, .> / (<x, x> + epsilon) of scaled rows, in binary64, whose range holds epsilon s^2; 0 for a row of zeros.
V_FN float scaled_projection(float product, float squares, float epsilon, float scale) {
    double q = (double)squares + (double)epsilon * scale * scale;
    return q == 0.0 ? 0.0f : (float)(product / q);
}

/// Any other row: times powers of two, about means that were found with care.
V_FN void project_scaled(projected_row *r, int64_t n, float epsilon, projection_kind kind) {
    r->x.scale = projected_scale(r->x, n);
    r->f.scale = projected_scale(r->f, n);
    if (kind.gradient) r->g.scale = projected_scale(r->g, n);
    centre_on_samples(r, n, kind);
    projection_sums s = finish_products(r, n, kind);
    if (s.far) {
        r->x.centre += r->x.delta;
        r->f.centre += r->f.delta;
        r->g.centre += r->g.delta;
        s = finish_products(r, n, kind);
    }
    r->a = scaled_projection(s.xf, s.xx, epsilon, r->x.scale);
    r->b = scaled_projection(s.xg, s.xx, epsilon, r->x.scale);
    if (!kind.centred && r->a == 0.0f) r->f.scale = 1.0f;  // so that nothing of f is lost where nothing is taken off it
    if (!kind.centred && r->b == 0.0f) r->g.scale = 1.0f;
}

/// f - a x and g - b x, from index j on: of the scaled rows.
V_FN vf orthogonal_left(const projected_row *r, part p, float a, int64_t j, int64_t left, projection_kind kind) {
    return v_fnma(v_set(a), centred_deviation(r->x, j, left, kind), centred_deviation(p, j, left, kind));
}

/// Bytes from a row to the next one.
typedef struct projection_pitch {
    int64_t x, f, g;
} projection_pitch;

/// Asks for the block at i of the next rows; NULL: for nothing.
V_FN void fetch_projected(const projected_row *r, const projection_pitch *pitch, int64_t i, projection_kind kind) {
    if (!pitch) return;
    fetch_block(r->x.at, i, pitch->x);
    fetch_block(r->f.at, i, pitch->f);
    if (kind.gradient) fetch_block(r->g.at, i, pitch->g);
}
