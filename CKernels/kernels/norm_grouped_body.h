// norm_grouped_body.h: normalization of a group of rows after another, block by block: the moments of one group are
// found while the group before it is written.
//
// The rows that are read follow each other, as in a copy; the rows that are written take turns on each chunk of
// columns, so that its weight and bias stay in the first cache level. In the caches this is what wide rows gain by:
// 256x4096 229 and 179 us, with AVX2 267 and 203; narrow ones share nothing and lose (Zen 4, 2026-11-27).
//
// Beyond the caches the output goes past them. A streamed store and a line on its way from memory hold the same few
// buffers, so what counts there is a steady flow. Zen 4 with full buffers forgets such a wish, so that each line is
// asked for three times (4096x4096: once 46 %, three times 64 % of the copy, and with groups 92 %; 2026-11-25). Zen 3
// keeps them, and three are too many: residual LayerNorm of 4096x4096 33.6 ms and with one wish, 4 KiB ahead, 25.0; in
// another run 34.8 and without any 28.7; LayerNorm of 65536x256, also one row instead of four, 16.2 and 13.3, without
// any 20.5 to 22.8 (AVX2, 2026-11-28). NEON and portable are as AVX2, unmeasured.
//
// Bound: bandwidth; in the caches by loads.

/// Rows in a group: the statistics of several short rows overlap; wide rows share their chunks of weight and bias, as
/// long as the group stays in the second cache level.
#define MOST_TOGETHER 8
V_FN int rows_together(int64_t n) {
    return n <= 512 ? V_STREAMED_TOGETHER : n <= 2 * CHUNK ? 1 : n <= 4 * CHUNK ? MOST_TOGETHER : 2;
}
/// Whether it pays in the caches, too.
V_FN int rows_share_chunks(int64_t rows, int64_t n) { return n > 2 * CHUNK && rows >= rows_together(n); }

/// Moments of one chunk and output of another, of the same width.
V_FN deviations both_chunks(const norm_chunk *next, vf centre, const output_chunk *o, moments r, const row_steps *fetch,
                            int streaming, norm_kind kind) {
    deviations d = no_deviations();
    int in_turns = streaming && has_sum(o, kind), keeps = keeps_sum(next, kind);
    int64_t i = 0, written = 0, whole = in_whole(BLOCK, o->width);
    for (; i < whole; i += BLOCK) {
        if (fetch) fetch_streamed(typed_source(next->x, kind), fetch->x, i);
        if (fetch && kind.residual) fetch_streamed(typed_source(next->branch, kind), fetch->branch, i);
        V_UNROLL
        for (int k = 0; k < 4; k += V_TOGETHER) deviation_block(&d, next, i, BLOCK, centre, k, keeps, UNSCALED, kind);
        if (!in_turns)
            normalize_block(o, i, r, ALL_OUTPUTS, streaming, UNSCALED, kind);
        else if (i + BLOCK == written + V_STRETCH) {
            normalize_stretch(o, written, i + BLOCK, r, UNSCALED, kind);
            written = i + BLOCK;
        }
    }
    if (i < o->width)
        for (int k = 0; k < 4; k += V_TOGETHER)
            deviation_block(&d, next, i, o->width - i, centre, k, keeps, UNSCALED, kind);
    if (in_turns)
        normalize_stretch(o, written, o->width, r, UNSCALED, kind);
    else
        normalize_rest(o, i, r, ALL_OUTPUTS, streaming, UNSCALED, kind);
    return d;
}

/// Rows on their way from the first pass to the second.
typedef struct row_group {
    moments moments[MOST_TOGETHER];
    int ordinary[MOST_TOGETHER];  // whether the row is there and not yet written
} row_group;

/// Writes the rows of `g`, which begin at `row`, and finds the moments of the `reading` ones after them.
V_FN void group_pass(norm_call *call, row_group *g, int64_t row, int together, int reading, int streaming,
                     norm_kind kind) {
    const ck_norm_args *a = call->args;
    int64_t n = a->cols, next = row + together, chunks = (n + CHUNK - 1) / CHUNK;
    const row_steps *fetch = streaming ? &call->steps : 0;
    row_sums total[MOST_TOGETHER];
    norm_row rows[MOST_TOGETHER];
    float centre[MOST_TOGETHER];
    for (int k = 0; k < reading; k++) {
        rows[k] = row_to_read(call, next + k, kind);
        centre[k] = first_centre(call, &rows[k], UNSCALED, kind);
    }
    for (int64_t step = 0; step < together * chunks; step++) {
        int64_t in = step / chunks, from = step % chunks * CHUNK;     // row by row
        int64_t out = step % together, to = step / together * CHUNK;  // chunk by chunk
        int64_t width = lesser(CHUNK, n - from);
        int reads = in < reading, writes = g->ordinary[out];
        norm_chunk source = {0};
        output_chunk o = {0};
        if (reads) source = norm_chunk_at(&rows[in], from, kind);
        if (writes) o = output_chunk_at(call, row + out, to, kind);
        deviations part = no_deviations();
        if (reads && writes && width == o.width) {
            part = both_chunks(&source, v_set(centre[in]), &o, g->moments[out], fetch, streaming, kind);
        } else {
            if (reads) part = chunk_deviations(&source, width, v_set(centre[in]), UNSCALED, fetch, kind);
            if (writes) normalize_chunk(&o, g->moments[out], streaming, UNSCALED, NO_FETCHING, kind);
        }
        row_sums_add(&total[in], part, from);
    }
    for (int k = 0; k < together; k++) {
        deviations d = row_sums_total(&total[k], n);
        g->ordinary[k] = k < reading && finish_moments(&g->moments[k], centre[k], &d, n, a->epsilon, call->is_centred);
        if (g->ordinary[k])
            save_moments(a, next + k, g->moments[k], 1.0f);
        else if (k < reading)
            CK_JOIN(norm_rare_row, CK_SUFFIX)(call, next + k, kind);
    }
}

V_FN void norm_grouped(norm_call *call, int64_t begin, int64_t end, int streaming, norm_kind kind) {
    int together = rows_together(call->args->cols);
    row_group g = {0};
    for (int64_t row = begin - together; row < end; row += together) {
        int64_t reading = end - (row + together);
        int read = reading < 0 ? 0 : (int)lesser(together, reading);
        group_pass(call, &g, row, together, read, streaming, kind);
    }
}
