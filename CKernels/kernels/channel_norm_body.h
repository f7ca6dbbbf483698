// channel_norm_body.h: y = fma(fma(x, scale, -centre) - low, factor, offset), with coefficients of each channel.
//
// Runs have one set of coefficients; where channels are last, the rows of a tile share what is loaded of them.
// Bound: bandwidth; in the caches a load and a store, two multiplications and an addition a vector.

/// The coefficients of 16 channels, or of one in all lanes.
typedef struct channel_affine {
    vf scale, centre, low, factor, offset;
} channel_affine;

V_FN vf channel_normalized(vf x, channel_affine a) {
    return v_fma(v_sub(v_fms(x, a.scale, a.centre), a.low), a.factor, a.offset);
}

V_FN void normalize_runs(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end, int streaming) {
    int64_t n = r->shape.positions;
    for (int64_t run = begin; run < end; run++) {
        source x = source_at((source){r->x, type}, run * n);
        target y = target_at((target){r->out, type}, run * n);
        const float *c = r->coefficients + run % r->shape.channels;
        channel_affine a = {v_set(c[CK_SCALE * r->pitch]), v_set(c[CK_CENTRE * r->pitch]), v_set(c[CK_LOW * r->pitch]),
                            v_set(c[CK_FACTOR * r->pitch]), v_set(c[CK_OFFSET * r->pitch])};
        int64_t i = 0, whole = in_whole(16, n);
        for (; i < whole; i += 16) write_left(y, i, 16, channel_normalized(read_left(x, i, 16), a), streaming);
        if (i < n) write_left(y, i, n - i, channel_normalized(read_left(x, i, n - i), a), 0);
    }
}

V_FN void normalize_columns(const ck_channel_region *r, source x, target y, int64_t rows, int64_t i, int64_t left,
                            int streaming) {
    channel_affine a = {load_left(plane(r, CK_SCALE) + i, left), load_left(plane(r, CK_CENTRE) + i, left),
                        load_left(plane(r, CK_LOW) + i, left), load_left(plane(r, CK_FACTOR) + i, left),
                        load_left(plane(r, CK_OFFSET) + i, left)};
    for (int64_t row = 0; row < rows; row++, i += r->shape.channels)
        write_left(y, i, left, channel_normalized(read_left(x, i, left), a), streaming);
}

/// rows_of_tile rows, or what is left of the region.
V_FN void normalize_tile(ck_type type, const ck_channel_region *r, int64_t row, int64_t rows, int streaming) {
    int64_t channels = r->shape.channels, i = 0;
    int fetch = is_tile_fetched(r, streaming);
    source x = source_at((source){r->x, type}, row * channels);
    target y = target_at((target){r->out, type}, row * channels);
    for (; i + 16 <= channels; i += 16) {
        if (fetch) fetch_tile(r, x, CK_TILE * i);
        normalize_columns(r, x, y, rows, i, 16, streaming);
    }
    if (i < channels) normalize_columns(r, x, y, rows, i, channels - i, 0);
}

V_FN void normalize_tiles(ck_type type, const ck_channel_region *r, int64_t begin, int64_t end, int streaming) {
    int64_t row = begin * CK_TILE, last = lesser(end * CK_TILE, region_rows(r)), rows = rows_of_tile(streaming);
    for (; row + rows <= last; row += rows) normalize_tile(type, r, row, rows, streaming);
    if (row < last) normalize_tile(type, r, row, last - row, streaming);
}

/// Runs, or tiles of rows, begin ..< end.
CK_KERNEL(channel_norm)(const ck_channel_region *r, int64_t begin, int64_t end) {
    int is_first = r->shape.layout == CK_CHANNELS_FIRST, streaming = r->streaming;
    if (is_first && streaming)
        BY_TYPE(r->shape.type, normalize_runs, r, begin, end, 1);
    else if (is_first)
        BY_TYPE(r->shape.type, normalize_runs, r, begin, end, 0);
    else if (streaming)
        BY_TYPE(r->shape.type, normalize_tiles, r, begin, end, 1);
    else
        BY_TYPE(r->shape.type, normalize_tiles, r, begin, end, 0);
    if (streaming) v_stream_end();
}
