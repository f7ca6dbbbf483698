// softmax_body.h: y = e^x / sum(e^x), or its logarithm, for a range of rows.
//
// Three rows are on their way at once, 256 columns of each in turn: one is written, of the next one the exponentials
// are summed, and of the one after that the largest element is found. So memory is read and written while exponentials
// are computed, and the exponentials of one row, which stay in the second cache level, take the place of those just
// written. They are kept on the stack: computing them twice costs more than memory does, and as outputs they would pass
// through the caches twice. Bound: exponentials (10 multiplications and 4 others a vector); beyond the caches
// bandwidth.

/// Columns up to which exponentials take 64 KiB; wider rows take up to STACK_FLOATS, still wider ones compute them
/// twice.
#define NARROW_COLUMNS (16 * CHUNK)

/// Streaming stores want whole cache lines. A row that begins within one is written up to the line's end first, then in
/// blocks that lie `head` columns further on.
V_FN int64_t head_of_row(target y, int64_t n) {
    int64_t in_line = (int64_t)((uintptr_t)y.at % 64) / size_of(y.type);
    return in_line == 0 ? 0 : lesser(64 / size_of(y.type) - in_line, n);
}

/// Columns that pass through the three rows together; nothing happens to a row that is NULL. `fetch`: what is searched
/// is asked for as in norm_grouped_body.h.
#define STRIP 256

typedef struct softmax_stations {
    const softmax_pass *written, *summed, *searched;
    int64_t head;
    int fetch;
} softmax_stations;

V_FN void softmax_strip(const softmax_stations *s, lanes *sum, most_lanes *most, int64_t i, int64_t n) {
    int64_t end = lesser(i + STRIP, n);
    if (s->written) output_columns(s->written, i + s->head, lesser(end + s->head, n));
    for (int64_t k = i; k + BLOCK <= end && s->fetch; k += BLOCK) fetch_streamed(s->searched->x, 0, k);
    if (s->summed && s->summed->kept)
        exp_columns(sum, s->summed, i, end, 1);
    else if (s->summed)
        exp_columns(sum, s->summed, i, end, 0);
    if (s->searched) most_columns(most, s->searched->x, i, end);
}

V_FN softmax_pass softmax_pass_of(const ck_softmax_args *a, int64_t row, float *kept, ck_type type, int logarithmic,
                                  int streaming) {
    return (softmax_pass){
        .x = source_at((source){a->x, type}, row * a->x_stride),
        .y = target_at((target){a->y, type}, row * a->y_stride),
        .kept = kept,
        .logarithmic = logarithmic,
        .streaming = streaming,
    };
}

V_FN void softmax_wide(const ck_softmax_args *a, int64_t begin, int64_t end, float *space, ck_type type,
                       int logarithmic, int streaming) {
    int64_t n = a->cols;
    float *kept = logarithmic ? 0 : space;
    softmax_pass written = {0}, summed = {0}, searched;
    float largest = 0.0f;
    for (int64_t row = begin - 2; row < end; row++) {
        int writes = row >= begin && a->y, sums = row + 1 >= begin && row + 1 < end, searches = row + 2 < end;
        searched = softmax_pass_of(a, searches ? row + 2 : begin, kept, type, logarithmic, streaming);
        softmax_stations s = {
            .written = writes ? &written : 0,
            .summed = sums ? &summed : 0,
            .searched = searches ? &searched : 0,
            .head = writes && streaming ? head_of_row(written.y, n) : 0,
            .fetch = searches && is_flowing(n, a->x_stride),
        };
        if (s.head > 0) {
            written.streaming = 0;
            output_columns(&written, 0, s.head);
            written.streaming = streaming;
        }
        row_lanes total = row_lanes_zero();
        most_lanes most = no_most();
        for (int64_t c = 0; c < n; c += CHUNK) {
            lanes part = lanes_zero();
            for (int64_t i = c; i < lesser(c + CHUNK, n); i += STRIP) softmax_strip(&s, &part, &most, i, n);
            row_lanes_add(&total, &part, c);
        }
        if (sums) {
            lanes sum = row_lanes_total(&total, n);
            summed.row = finish_softmax(summed.row.most, largest, lanes_fold(&sum), logarithmic || softmax_saves(a));
            save_softmax_row(a, row + 1, summed.row);
        }
        written = summed;
        if (searches) {
            float m = v_fold_most(most_to_vector(&most));
            searched.row.most = m > -INFINITY ? m + 0.0f : 0.0f;
            searched.shift = v_exp_shift(v_set(searched.row.most));
            float lane[16];
            v_store(lane, v_exp_shifted(v_set(searched.row.most), searched.shift));
            largest = lane[0];
        }
        summed = searched;
    }
}

V_FN void softmax_of_type(ck_type type, const ck_softmax_args *a, int64_t begin, int64_t end, float *space,
                          int streaming) {
    if (a->cols <= SOFTMAX_GROUPED && a->logarithmic)
        softmax_grouped(a, begin, end, space, type, 1, streaming);
    else if (a->cols <= SOFTMAX_GROUPED)
        softmax_grouped(a, begin, end, space, type, 0, streaming);
    else if (a->logarithmic)
        softmax_wide(a, begin, end, space, type, 1, streaming);
    else
        softmax_wide(a, begin, end, space, type, 0, streaming);
}

/// `space`: for the exponentials of a row or a group, or NULL.
V_SLOW void CK_JOIN(softmax_rows, CK_SUFFIX)(const ck_softmax_args *a, int64_t begin, int64_t end, int streaming,
                                             float *space) {
    BY_TYPE(a->type, softmax_of_type, a, begin, end, space, streaming);
    if (streaming) v_stream_end();
}

// Each takes its stack only when it is called.
V_SLOW void CK_JOIN(softmax_narrow_rows, CK_SUFFIX)(const ck_softmax_args *a, int64_t begin, int64_t end,
                                                    int streaming) {
    float space[NARROW_COLUMNS + BLOCK];
    CK_JOIN(softmax_rows, CK_SUFFIX)(a, begin, end, streaming, space);
}
V_SLOW void CK_JOIN(softmax_broad_rows, CK_SUFFIX)(const ck_softmax_args *a, int64_t begin, int64_t end,
                                                   int streaming) {
    float space[STACK_FLOATS + BLOCK];
    CK_JOIN(softmax_rows, CK_SUFFIX)(a, begin, end, streaming, space);
}

CK_KERNEL(softmax)(const ck_softmax_args *a, int64_t begin, int64_t end, int streaming) {
    if (a->cols <= NARROW_COLUMNS)
        CK_JOIN(softmax_narrow_rows, CK_SUFFIX)(a, begin, end, streaming);
    else if (a->cols <= STACK_FLOATS && a->y && !a->logarithmic)
        CK_JOIN(softmax_broad_rows, CK_SUFFIX)(a, begin, end, streaming);
    else
        CK_JOIN(softmax_rows, CK_SUFFIX)(a, begin, end, streaming, 0);
}
