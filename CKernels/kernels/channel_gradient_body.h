// channel_gradient_body.h: gradients of ck_channel_norm from the sums of its parts.
//
//     sum(dy) = sum over parts of (sum(t) + n e)
//     sum(dy * xhat) = sum over parts of (sum(t * xhat) + e (sum(xhat) - n xbar)),   xbar = the mean of xhat in the set
//     dx = fma(-xhat, h, fma(dy, weight, -mean) - mean_low) * rstd
//
// where mean + mean_low and h are the means of dy * weight and of dy * weight * xhat over the set. (xbar is 0 but for
// rounding; taking it out keeps a common offset of dy from costing accuracy.) Sums are binary64, dx is binary32.
//
// For the inverse x - bias stands for xhat, the means are 0, and the sums are multiplied by -root / weight, that of
// products once more by 1 / weight.
//
// Bound: bandwidth; in the caches two loads and a store, seven operations a vector. Runs of some dozen elements: what
// each costs besides, of which most are the sums' folds (channel_gradient_sums_body.h).

/// Over the parts of 16 channels, in their order: sums of n e, of t * xhat, of xhat, of e * xhat into the first part's
/// places, and of dy into `totals`.
V_FN void merge_gradient_parts(const ck_channel_region *r, int64_t channel, int64_t left) {
    double offsets[16] = {0}, products[16] = {0}, xhats[16] = {0}, shifts[16] = {0}, sums[16] = {0};
    for (int64_t part = 0; part < r->parts; part++) {
        double n = (double)part_count(r, part);
        const double *dy = table_row(r, CK_DY, part) + channel, *product = table_row(r, CK_PRODUCTS, part) + channel;
        const double *xhat = table_row(r, CK_XHAT, part) + channel, *e = table_row(r, CK_DY_CENTRES, part) + channel;
        for (int64_t c = 0; c < lesser(16, left); c++) {
            offsets[c] += n * e[c];
            products[c] += product[c];
            xhats[c] += xhat[c];
            shifts[c] += e[c] * xhat[c];
            sums[c] += dy[c];
        }
    }
    for (int64_t c = 0; c < lesser(16, left); c++) {
        table_row(r, CK_DY, 0)[channel + c] = offsets[c];
        table_row(r, CK_PRODUCTS, 0)[channel + c] = products[c];
        table_row(r, CK_XHAT, 0)[channel + c] = xhats[c];
        table_row(r, CK_DY_CENTRES, 0)[channel + c] = shifts[c];
        r->totals[r->pitch + channel + c] = sums[c] + offsets[c];
    }
}

/// The totals of a group whose channels were mapped by y = (x - bias) * (root / weight) + mean.
V_FN void invert_totals(const ck_channel_region *r, double root, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
        double weight = r->weight ? r->weight[c] : 1.0, ratio = root / weight;
        r->totals[c] *= -(ratio / weight);
        r->totals[r->pitch + c] *= -ratio;
    }
}

/// Groups begin ..< end: the totals of their channels, and the coefficients that follow from them.
CK_KERNEL(channel_gradient_coefficients)(const ck_channel_region *r, int64_t begin, int64_t end) {
    int64_t width = r->shape.channels / r->shape.groups;
    for (int64_t c = begin * width; c < end * width; c += 16) merge_gradient_parts(r, c, end * width - c);
    for (int64_t g = begin; g < end; g++) {
        int64_t first = g * width, last = first + width;
        double n = (double)region_rows(r) * (double)width, xbar = 0.0, mean = 0.0, projection = 0.0;
        for (int64_t c = first; c < last && !r->are_constant; c++) xbar += table_row(r, CK_XHAT, 0)[c];
        xbar /= n;
        for (int64_t c = first; c < last; c++) {
            double weight = plane(r, CK_WEIGHT)[c],
                   shift = table_row(r, CK_DY_CENTRES, 0)[c] - xbar * table_row(r, CK_DY, 0)[c];
            r->totals[c] = table_row(r, CK_PRODUCTS, 0)[c] + shift;
            mean += weight * r->totals[r->pitch + c];
            projection += weight * r->totals[c];
        }
        mean /= n;
        projection /= n;
        for (int64_t c = first; c < last; c++) {
            float high = r->are_constant ? 0.0f : (float)mean;
            plane(r, CK_MEAN)[c] = high;
            plane(r, CK_MEAN_LOW)[c] = r->are_constant ? 0.0f : (float)(mean - high);
            plane(r, CK_PROJECTION)[c] = r->are_constant ? 0.0f : (float)projection;
        }
        if (r->task == CK_DIFFERENTIATE_INVERSE)
            invert_totals(r, set_rule_of(r->given[g], r->epsilon).root, first, last);
    }
}

/// The coefficients of 16 channels, or of one in all lanes.
typedef struct gradient_coefficients {
    xhat_rule rule;
    vf rstd, weight, mean, mean_low, projection;
} gradient_coefficients;

V_FN vf gradient_by_moments(vf dy, vf xhat, gradient_coefficients a) {
    vf t = v_sub(v_fms(dy, a.weight, a.mean), a.mean_low);
    return v_mul(v_fnma(xhat, a.projection, t), a.rstd);
}

V_FN vf channel_gradient(vf dy, vf x, gradient_coefficients a) {
    return gradient_by_moments(dy, xhat_by_rule(x, a.rule), a);
}

V_FN gradient_coefficients run_gradient_coefficients(const ck_channel_region *r, int64_t channel) {
    return (gradient_coefficients){
        run_xhat_rule(r, channel),
        v_set(plane(r, CK_RSTD)[channel]),
        v_set(plane(r, CK_WEIGHT)[channel]),
        v_set(plane(r, CK_MEAN)[channel]),
        v_set(plane(r, CK_MEAN_LOW)[channel]),
        v_set(plane(r, CK_PROJECTION)[channel]),
    };
}

V_FN gradient_coefficients column_gradient_coefficients(const ck_channel_region *r, int64_t i, int64_t left) {
    return (gradient_coefficients){
        column_xhat_rule(r, i, left),
        load_left(plane(r, CK_RSTD) + i, left),
        load_left(plane(r, CK_WEIGHT) + i, left),
        load_left(plane(r, CK_MEAN) + i, left),
        load_left(plane(r, CK_MEAN_LOW) + i, left),
        load_left(plane(r, CK_PROJECTION) + i, left),
    };
}

V_FN void gradient_runs(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end, int streaming) {
    int64_t n = r->shape.positions;
    for (int64_t run = begin; run < end; run++) {
        source dy = source_at((source){r->dy, type}, run * n), x = source_at((source){r->x, type}, run * n);
        target dx = target_at((target){r->out, type}, run * n);
        gradient_coefficients a = run_gradient_coefficients(r, run % r->shape.channels);
        int64_t i = 0, whole = in_whole(16, n);
        for (; i < whole; i += 16)
            write_left(dx, i, 16, channel_gradient(read_left(dy, i, 16), read_left(x, i, 16), a), streaming);
        if (i < n) write_left(dx, i, n - i, channel_gradient(read_left(dy, i, n - i), read_left(x, i, n - i), a), 0);
    }
}

V_FN void gradient_columns(const ck_channel_region *r, source dy, source x, target dx, int64_t rows, int64_t i,
                           int64_t left, int streaming) {
    gradient_coefficients a = column_gradient_coefficients(r, i, left);
    for (int64_t row = 0; row < rows; row++, i += r->shape.channels)
        write_left(dx, i, left, channel_gradient(read_left(dy, i, left), read_left(x, i, left), a), streaming);
}

V_FN void gradient_tile(ck_type type, const ck_channel_region *r, int64_t row, int64_t rows, int streaming) {
    int64_t channels = r->shape.channels, first = row * channels, i = 0;
    int fetch = is_tile_fetched(r, streaming);
    source dy = source_at((source){r->dy, type}, first), x = source_at((source){r->x, type}, first);
    target dx = target_at((target){r->out, type}, first);
    for (; i + 16 <= channels; i += 16) {
        if (fetch) fetch_tile(r, dy, CK_TILE * i);
        if (fetch) fetch_tile(r, x, CK_TILE * i);
        gradient_columns(r, dy, x, dx, rows, i, 16, streaming);
    }
    if (i < channels) gradient_columns(r, dy, x, dx, rows, i, channels - i, 0);
}

V_FN void gradient_tiles(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end, int streaming) {
    int64_t row = begin * CK_TILE, last = lesser(end * CK_TILE, region_rows(r)), rows = rows_of_tile(streaming);
    for (; row + rows <= last; row += rows) gradient_tile(type, r, row, rows, streaming);
    if (row < last) gradient_tile(type, r, row, last - row, streaming);
}

/// Runs, or tiles of rows, begin ..< end.
CK_KERNEL(channel_gradient)(const ck_channel_region *r, int64_t begin, int64_t end) {
    int is_first = r->shape.layout == CK_CHANNELS_FIRST, streaming = r->streaming;
    if (is_first && streaming)
        BY_TYPE(r->shape.type, gradient_runs, r, begin, end, 1);
    else if (is_first)
        BY_TYPE(r->shape.type, gradient_runs, r, begin, end, 0);
    else if (streaming)
        BY_TYPE(r->shape.type, gradient_tiles, r, begin, end, 1);
    else
        BY_TYPE(r->shape.type, gradient_tiles, r, begin, end, 0);
    if (streaming) v_stream_end();
}

/// result = [result +] the sum over regions of `totals`, which lie `pitch` apart, for channels begin ..< end.
CK_KERNEL(channel_parameter_gradient)
(const double *totals, int64_t regions, int64_t pitch, float *result, int64_t begin, int64_t end, int accumulate) {
    for (int64_t c = begin; c < end; c++) {
        double sum = 0.0;
        for (int64_t region = 0; region < regions; region++) sum += totals[region * pitch + c];
        result[c] = accumulate ? result[c] + (float)sum : (float)sum;
    }
}
