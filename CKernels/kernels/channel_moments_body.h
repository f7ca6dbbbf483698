// channel_moments_body.h: mean and m2 of every channel in every part of a region, into the tables.
//
//     c = the mean of a sample of the part,   d_i = x_i - c
//     mean = c + sum(d) / n,   m2 = sum(d^2) - sum(d) * (sum(d) / n)      from here on in binary64
//
// A part is a run of one channel, summed as a row of layer normalization is; or, where channels are last, CK_PART_ROWS
// rows, of which every column is summed by itself, CK_TILE rows at a time. Parts whose sums do not serve are summed
// again in binary64. Bound: bandwidth; in the caches one load, two additions and a multiplication a vector.

/// In binary64: mean = sum(x) / n, then m2 = sum((x - mean)^2); element i in lane i mod 16.
V_SLOW ck_moments CK_JOIN(careful_run, CK_SUFFIX)(source x, int64_t n) {
    double sum[16] = {0}, squares[16] = {0}, mean;
    float e[16];
    for (int64_t i = 0; i < n; i += 16) {
        v_store(e, read_left(x, i, n - i));
        for (int l = 0; l < 16; l++) sum[l] += e[l];
    }
    mean = lanes_fold_wide(sum) / (double)n;
    for (int64_t i = 0; i < n; i += 16) {
        v_store(e, read_left(x, i, n - i));
        for (int64_t l = 0; l < lesser(16, n - i); l++) squares[l] += (e[l] - mean) * (e[l] - mean);
    }
    return (ck_moments){n, mean, lanes_fold_wide(squares)};
}

V_FN void find_run_moments(ck_type type, source x, int64_t n, ck_moments *m) {
    norm_row row = {.x = {x.at, type}};
    norm_kind kind = {.type = type};
    float centre = sample_mean(&row, n, UNSCALED, kind);
    deviations d = row_deviations(&row, n, centre, UNSCALED, WITHOUT_GAPS, kind);
    if (!moments_of_sums(m, centre, lanes_fold(&d.sum), lanes_fold(&d.squares), n))
        *m = CK_JOIN(careful_run, CK_SUFFIX)(x, n);
}

V_SLOW ck_moments CK_JOIN(run_moments, CK_SUFFIX)(source x, int64_t n) {
    ck_moments m;
    BY_TYPE(x.type, find_run_moments, x, n, &m);
    return m;
}

V_FN void moments_of_runs(const ck_channel_region *r, int64_t begin, int64_t end) {
    int64_t n = r->shape.positions, channels = r->shape.channels;
    source x = {r->x, r->shape.type};
    for (int64_t run = begin; run < end; run++) {
        ck_moments m = CK_JOIN(run_moments, CK_SUFFIX)(source_at(x, run * n), n);
        table_row(r, CK_MEANS, run / channels)[run % channels] = m.mean;
        table_row(r, CK_SQUARES, run / channels)[run % channels] = m.m2;
    }
}

/// Sums of the columns of a strip.
typedef struct moment_columns {
    float centre[CK_STRIP], sum[CK_STRIP], squares[CK_STRIP];
} moment_columns;

V_FN void begin_columns(moment_columns *s, source x, int64_t pitch, int64_t rows, int64_t i, int64_t left) {
    v_store(s->centre + i, column_sample_mean(x, pitch, rows, i, left));
    v_store(s->sum + i, v_zero());
    v_store(s->squares + i, v_zero());
}

/// Adds some rows, from +0, and these sums to those of the part.
V_FN void add_columns(moment_columns *s, source x, int64_t pitch, int64_t rows, int64_t i, int64_t left) {
    vf centre = v_load(s->centre + i), sum = v_zero(), squares = v_zero();
    for (int64_t row = 0; row < rows; row++) {
        vf d = v_sub(read_left(x, row * pitch + i, left), centre);
        sum = v_add(sum, d);
        squares = v_fma(d, d, squares);
    }
    v_store(s->sum + i, v_add(v_load(s->sum + i), sum));
    v_store(s->squares + i, v_add(v_load(s->squares + i), squares));
}

V_FN void add_tile(moment_columns *s, const ck_channel_region *r, source x, int64_t rows, int64_t width) {
    int64_t i = 0, pitch = r->shape.channels;
    for (; i + 16 <= width; i += 16) {
        fetch_tile(r, x, strip_share(r, i));
        add_columns(s, x, pitch, rows, i, 16);
    }
    if (i < width) add_columns(s, x, pitch, rows, i, width - i);
}

/// 16 columns in binary64, row by row; of those whose bit in `wanted` is set, mean and m2 are written.
V_SLOW void CK_JOIN(careful_columns, CK_SUFFIX)(source x, int64_t pitch, int64_t rows, int64_t left, uint32_t wanted,
                                                double *mean, double *m2) {
    double sum[16] = {0}, squares[16] = {0};
    float e[16];
    for (int64_t row = 0; row < rows; row++) {
        v_store(e, read_left(x, row * pitch, left));
        for (int l = 0; l < 16; l++) sum[l] += e[l];
    }
    for (int l = 0; l < 16; l++) sum[l] /= (double)rows;
    for (int64_t row = 0; row < rows; row++) {
        v_store(e, read_left(x, row * pitch, left));
        for (int l = 0; l < 16; l++) squares[l] += (e[l] - sum[l]) * (e[l] - sum[l]);
    }
    for (int l = 0; l < 16; l++) {
        if (!(wanted >> l & 1)) continue;
        mean[l] = sum[l];
        m2[l] = squares[l];
    }
}

V_FN void moments_of_strip(ck_type type, const ck_channel_region *r, column_strip strip) {
    int64_t pitch = r->shape.channels, rows = strip.rows, i = 0, row = 0;
    source x = strip_source(r, strip, r->x, type);
    moment_columns s;
    for (; i + 16 <= strip.width; i += 16) begin_columns(&s, x, pitch, rows, i, 16);
    if (i < strip.width) begin_columns(&s, x, pitch, rows, i, strip.width - i);
    for (; row + CK_TILE <= rows; row += CK_TILE) add_tile(&s, r, source_at(x, row * pitch), CK_TILE, strip.width);
    if (row < rows) add_tile(&s, r, source_at(x, row * pitch), rows - row, strip.width);

    double *mean = table_row(r, CK_MEANS, strip.part) + strip.first,
           *m2 = table_row(r, CK_SQUARES, strip.part) + strip.first;
    for (i = 0; i < strip.width; i += 16) {
        uint32_t unserved = 0;
        int64_t left = lesser(16, strip.width - i);
        for (int l = 0; l < left; l++) {
            ck_moments m;
            if (!moments_of_sums(&m, s.centre[i + l], s.sum[i + l], s.squares[i + l], rows)) unserved |= 1u << l;
            mean[i + l] = m.mean;
            m2[i + l] = m.m2;
        }
        if (unserved)
            CK_JOIN(careful_columns, CK_SUFFIX)(source_at(x, i), pitch, rows, left, unserved, mean + i, m2 + i);
    }
}

V_FN void moments_of_strips(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; index++) moments_of_strip(type, r, column_strip_at(r, index));
}

/// Runs, or strips of parts, begin ..< end.
CK_KERNEL(channel_moments)(const ck_channel_region *r, int64_t begin, int64_t end) {
    if (r->shape.layout == CK_CHANNELS_FIRST)
        moments_of_runs(r, begin, end);
    else
        BY_TYPE(r->shape.type, moments_of_strips, r, begin, end);
}
