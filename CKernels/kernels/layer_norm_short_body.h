// layer_norm_short_body.h: layer_norm for rows of at most SHORT columns, up to sixteen rows at a time.
//
// The statistics of a row are a chain of additions, divisions and a root, far longer than the work on a
// short row. Here a group of rows goes through each step together, and its statistics fill the lanes of one
// vector. The arithmetic of a row is that of layer_norm_body.h.
// Bound: in the caches by folding the lanes (128 columns and fewer), then by loads; beyond them by bandwidth.

#define SHORT 256
#define GROUP 16

/// `count` rows from `begin` on. `fetch`: whether as many rows follow, to be asked for meanwhile.
V_FN void short_rows(const ck_layer_norm_args *a, affine affine, int64_t begin, int count, int streaming, int fetch) {
    const float *x = a->x + begin * a->x_stride, *ahead = x + count * a->x_stride;
    int64_t n = a->cols, stride = a->x_stride;
    vf columns = v_set((float)n), sums[GROUP], squares[GROUP];
    float m[GROUP], delta[GROUP], rstd[GROUP];
    for (int row = 0; row < GROUP; row++) sums[row] = squares[row] = v_zero();

    for (int row = 0; row < count; row++) {
        lanes sum = chunk_sum(x + row * stride, n, UNSCALED, fetch ? ahead + row * stride : 0);
        sums[row] = lanes_fold_to_vector(&sum);
    }
    vf all_m = v_div(v_fold_add_rows(sums), columns);
    v_store(m, all_m);

    for (int row = 0; row < count; row++) {
        lanes sum, square;
        chunk_deviations(&sum, &square, x + row * stride, n, v_set(m[row]), UNSCALED, fetch ? ahead + row * stride : 0);
        sums[row] = lanes_fold_to_vector(&sum);
        squares[row] = lanes_fold_to_vector(&square);
    }
    vf all_delta = v_div(v_fold_add_rows(sums), columns);
    vf v = v_floor_zero(v_fnma(all_delta, all_delta, v_div(v_fold_add_rows(squares), columns)));
    vf q = v_add(v, v_set(a->epsilon));
    vf all_rstd = v_div(v_set(1.0f), v_sqrt(q));
    v_store(delta, all_delta);
    v_store(rstd, all_rstd);

    vf mean = v_add(all_m, all_delta);
    if (a->mean) v_store_n(a->mean + begin, count, mean);
    if (a->mean_low) v_store_n(a->mean_low + begin, count, v_sub(all_delta, v_sub(mean, all_m)));
    if (a->rstd) v_store_n(a->rstd + begin, count, all_rstd);

    int unordinary = v_outside(count, q, ORDINARY_LEAST, ORDINARY_MOST);
    for (int row = 0; row < count; row++) {
        if (unordinary >> row & 1) CK_JOIN(layer_norm_scaled_row, CK_SUFFIX)(a, begin + row);
        else
            normalize_piece(a->y + (begin + row) * a->y_stride, x + row * stride, affine, 0, n,
                            (moments){m[row], delta[row], rstd[row], rstd[row]}, streaming, UNSCALED, fetch ? ahead + row * stride : 0);
    }
}

V_FN void layer_norm_short(const ck_layer_norm_args *a, affine affine, int64_t begin, int64_t end, int streaming) {
    int size = a->cols <= 128 ? GROUP : GROUP / 2;  // 8 KiB
    for (; streaming && begin + 2 * size <= end; begin += size) short_rows(a, affine, begin, size, streaming, 1);
    for (; begin < end; begin += size) short_rows(a, affine, begin, (int)lesser(size, end - begin), streaming, 0);
}
