// layer_norm_body.h: y = ((x - centre) - delta) * rstd * weight + bias for a range of rows.
//
// Two passes over a row: moments, output. The moments of the next row are found before this one is written, so that
// loads from afar overlap the chain of a row's statistics. Input is asked for in both passes, four chunks ahead and two:
// rows from memory into a warm output take 0.6 of the time that they take when each line is asked for once (512x1024:
// 155 and 88 us), hot rows 1.04 of it (Zen 4, 2026-11-25).
// Bound: in the caches by loads (1 + 3 a vector) and 4 additions.

V_FN void layer_norm_cached(const ck_layer_norm_args *a, int64_t begin, int64_t end) {
    int64_t n = a->cols;
    int fetch_x = is_flowing(n, a->x_stride), fetch_y = is_flowing(n, a->y_stride);
    moments r;
    int ordinary = 0;  // whether `r` are the moments of the row to be written
    for (int64_t row = begin - 1; row < end; row++) {
        int reads = row + 1 < end;
        const float *next = a->x + (reads ? row + 1 : 0) * a->x_stride;
        float centre = 0.0f;
        deviations d = no_deviations();
        if (reads) {
            centre = sample_mean(next, n, UNSCALED);
            d = row_deviations(next, n, centre, UNSCALED, fetch_x);
        }
        if (ordinary) normalize_row(a, row, r, UNSCALED, (fetching){fetch_x, fetch_y && row + write_ahead_rows(n) < end});
        ordinary = reads && finish_moments(&r, centre, &d, n, a->epsilon);
        if (ordinary) save_moments(a, row + 1, r, 1.0f);
        else if (reads) CK_JOIN(layer_norm_rare_row, CK_SUFFIX)(a, row + 1);
    }
}

CK_KERNEL(layer_norm)(const ck_layer_norm_args *a, int64_t begin, int64_t end, int streaming) {
    if (streaming && a->cols <= SHORT) layer_norm_short(a, begin, end, 1);
    else if (streaming) layer_norm_streamed(a, begin, end);
    else if (a->cols <= SHORT) layer_norm_short(a, begin, end, 0);
    else layer_norm_cached(a, begin, end);
    if (streaming) v_stream_end();
}
