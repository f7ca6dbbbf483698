// layer_norm_short_body.h: layer_norm for rows of at most SHORT columns, up to sixteen rows at a time.
//
// The statistics of a row are a chain of additions, divisions and a root, far longer than the work on a
// short row. Here a group of rows goes through each step together, and its statistics fill the lanes of one
// vector. The arithmetic of a row is that of layer_norm_body.h. Input is asked for in the moments' pass alone: asked
// for twice, 8192x64 takes 245 us from memory instead of 165 (Zen 4, 2026-11-25).
// Bound: in the caches by folding the lanes, beyond them by bandwidth.

#define SHORT 128
#define GROUP 16

/// `count` rows from `begin` on.
V_FN void short_rows(const ck_layer_norm_args *a, int64_t begin, int count, int streaming, fetching f) {
    const float *x = a->x + begin * a->x_stride;
    int64_t n = a->cols, stride = a->x_stride;
    vf columns = v_set((float)n), sums[GROUP], squares[GROUP];
    float centre[GROUP], delta[GROUP], rstd[GROUP];
    for (int row = 0; row < GROUP; row++) sums[row] = squares[row] = v_zero();

    for (int row = 0; row < count; row++) sums[row] = sample_sum(x + row * stride, n, UNSCALED);
    vf all_sums = v_add(v_fold_add_rows(sums), v_zero());  // as in mean_of_sample
    vf all_centres = n > BLOCK ? v_mul(all_sums, v_set(1.0f / BLOCK)) : v_div(all_sums, columns);
    v_store(centre, all_centres);

    for (int row = 0; row < count; row++) {
        deviations d = chunk_deviations(x + row * stride, n, v_set(centre[row]), UNSCALED, is_flowing(n, stride));
        sums[row] = lanes_fold_to_vector(&d.sum);
        squares[row] = lanes_fold_to_vector(&d.squares);
    }
    vf all_deltas = v_div(v_fold_add_rows(sums), columns);
    vf v = v_floor_zero(v_fnma(all_deltas, all_deltas, v_div(v_fold_add_rows(squares), columns)));
    vf q = v_add(v, v_set(a->epsilon));
    vf all_rstds = v_div(v_set(1.0f), v_sqrt(q));
    v_store(delta, all_deltas);
    v_store(rstd, all_rstds);

    vf mean = v_add(all_centres, all_deltas);
    if (a->mean) v_store_n(a->mean + begin, count, mean);
    if (a->mean_low) v_store_n(a->mean_low + begin, count, v_sub(all_deltas, v_sub(mean, all_centres)));
    if (a->rstd) v_store_n(a->rstd + begin, count, all_rstds);

    vf margin = v_fnma(v_mul(v_set(4.0f), all_deltas), all_deltas, v);  // below 0: is_far
    int rare = v_outside(count, q, ORDINARY_LEAST, ORDINARY_MOST) | v_outside(count, margin, 0.0f, INFINITY);
    for (int row = 0; row < count; row++) {
        if (rare >> row & 1) CK_JOIN(layer_norm_rare_row, CK_SUFFIX)(a, begin + row);
        else
            normalize_chunk(a->y + (begin + row) * a->y_stride, x + row * stride, affine_at(a->weight, a->bias, 0), n,
                            (moments){centre[row], delta[row], rstd[row], rstd[row]}, streaming, UNSCALED, f);
    }
}

V_FN void layer_norm_short(const ck_layer_norm_args *a, int64_t begin, int64_t end, int streaming) {
    int64_t fetch_end = is_flowing(a->cols, a->y_stride) && !streaming ? end - GROUP - write_ahead_rows(a->cols) : begin;
    for (; begin < end; begin += GROUP) {
        int count = (int)lesser(GROUP, end - begin);
        short_rows(a, begin, count, streaming, (fetching){0, begin < fetch_end});
    }
}
