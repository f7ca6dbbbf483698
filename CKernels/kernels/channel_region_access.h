// channel_region_access.h: where things are in a region of ck_channel_norm, for its kernels.
//
// Where channels are first, a run is the positions of one channel in one sample: run sample * channels + channel. Where
// they are last, a row is one position of one sample, with all channels.

V_FN int64_t region_rows(const ck_channel_region *r) { return r->shape.samples * r->shape.positions; }

/// Elements of one channel in a part.
V_FN int64_t part_count(const ck_channel_region *r, int64_t part) {
    if (r->shape.layout == CK_CHANNELS_FIRST) return r->shape.positions;
    return lesser(CK_PART_ROWS, region_rows(r) - part * CK_PART_ROWS);
}

/// The row of a table for one part; a plane of coefficients.
V_FN double *table_row(const ck_channel_region *r, int table, int64_t part) {
    return r->tables + (table * r->parts + part) * r->pitch;
}
V_FN float *plane(const ck_channel_region *r, int index) { return r->coefficients + index * r->pitch; }

/// The vectors of 16 columns of one strip of one part, where channels are last.
typedef struct column_strip {
    int64_t part, rows, first, width;
} column_strip;

V_FN column_strip column_strip_at(const ck_channel_region *r, int64_t index) {
    int64_t strips = (r->shape.channels + CK_STRIP - 1) / CK_STRIP, part = index / strips;
    int64_t first = index % strips * CK_STRIP;
    return (column_strip){part, part_count(r, part), first, lesser(CK_STRIP, r->shape.channels - first)};
}

/// The strip's first element in a tensor of the region.
V_FN source strip_source(const ck_channel_region *r, column_strip s, const void *tensor, ck_type type) {
    return source_at((source){tensor, type}, s.part * CK_PART_ROWS * r->shape.channels + s.first);
}

/// Asks for what 16 columns hold of the tile after the next one, counted in the order of memory from element `at` on.
/// (A tile is read column by column, and prefetchers of processors do not follow: so two tensors are read at 7.2 GB/s,
/// with this at 12.4, row by row at 12.2; one thread of Zen 3, 2026-11-28.)
V_FN void fetch_tile(const ck_channel_region *r, source tile, int64_t at) {
    int64_t bytes = 2 * CK_TILE * r->shape.channels * size_of(tile.type);
    for (int64_t e = at; e < at + 16 * CK_TILE; e += BLOCK) fetch_block(tile, e, bytes);
}

/// The share of columns i ..< i + 16 of a strip.
V_FN int64_t strip_share(const ck_channel_region *r, int64_t i) {
    int64_t e = CK_TILE * i;
    return r->shape.channels <= CK_STRIP ? e : e / CK_STRIP * r->shape.channels + e % CK_STRIP;
}

/// Rows that share their coefficients. Past the caches only one: writing to the pages of eight rows by turns takes
/// twice as long from 1024 channels on (16384x1024 forward 47 and 24 ms), which loading coefficients again does not
/// (65536x256 22.6 and 24.6 ms; one thread of Zen 3, AVX2, 2026-11-28).
V_FN int64_t rows_of_tile(int streaming) { return streaming ? 1 : CK_TILE; }

/// Whether fetch_tile helps a tile of whole rows: not where memory is read in its order, nor where two tiles take much
/// of a cache (256x4096 forward 0.83 ms, 1.00 with it).
V_FN int is_tile_fetched(const ck_channel_region *r, int streaming) {
    return !streaming && r->shape.channels <= CK_STRIP;
}

/// Row k of the sample of a column of n: all of up to 16, otherwise 4 around the middle of each quarter.
V_FN int64_t column_sample_size(int64_t n) { return lesser(16, n); }
V_FN int64_t column_sample_row(int64_t n, int64_t k) { return n <= 16 ? k : (2 * (k / 4) + 1) * n / 8 - 2 + k % 4; }

/// The mean of the sample of 16 columns.
V_FN vf column_sample_mean(source x, int64_t pitch, int64_t rows, int64_t column, int64_t left) {
    vf sum = v_zero();
    int64_t size = column_sample_size(rows);
    for (int64_t k = 0; k < size; k++)
        sum = v_add(sum, read_left(x, column_sample_row(rows, k) * pitch + column, left));
    return v_div(sum, v_set((float)size));
}
