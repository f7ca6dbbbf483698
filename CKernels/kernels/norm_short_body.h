// norm_short_body.h: normalization of rows of at most SHORT columns, up to sixteen rows at a time.
//
// The statistics of a row are a chain of additions, divisions and a root, far longer than the work on a short row. Here
// a group of rows goes through each step together, and its statistics fill the lanes of one vector. The arithmetic of a
// row is that of norm_body.h. Input is asked for in the moments' pass alone: asked for twice, 8192x64 takes 245 us from
// memory instead of 165 (Zen 4, 2026-11-25).
// Bound: in the caches by instructions, 186 a row of 64 columns with AVX2 (callgrind, 2026-11-28); beyond the caches by
// bandwidth. Rows of 64 and 128 columns, the sizes of heads, have copies of their own: 8192x64 314 and without loops
// over columns 228 us, 4096x128 225 and 178 us (AVX2, Zen 3, 2026-11-27).

#define SHORT 128
#define GROUP 16

/// The statistics of up to sixteen rows, each in a lane of its own.
typedef struct short_moments {
    vf centre, delta, rstd;
    int rare;  // bits of the rows that these do not hold for
} short_moments;

/// Those of `count` rows of so many columns, from their sums of deviations and of squares folded to a vector each.
V_FN short_moments short_moments_of(const vf *sums, const vf *squares, int count, vf centre, vf columns, float epsilon,
                                    int is_centred) {
    vf delta = is_centred ? v_div(v_fold_add_rows(sums), columns) : v_zero();
    vf v = v_floor_zero(v_fnma(delta, delta, v_div(v_fold_add_rows(squares), columns)));
    vf q = v_add(v, v_set(epsilon)), margin = v_fnma(v_mul(v_set(4.0f), delta), delta, v);  // below 0: is_far
    int rare = v_outside(count, q, ORDINARY_LEAST, ORDINARY_MOST) | v_outside(count, margin, 0.0f, INFINITY);
    return (short_moments){centre, delta, v_div(v_set(1.0f), v_sqrt(q)), rare};
}

/// Saves what the caller asked for, as save_moments does.
V_FN void save_short_moments(short_moments m, int count, float *mean, float *mean_low, float *rstd) {
    vf sum = v_add(m.centre, m.delta);
    if (mean) v_store_n(mean, count, sum);
    if (mean_low) v_store_n(mean_low, count, v_sub(m.delta, v_sub(sum, m.centre)));
    if (rstd) v_store_n(rstd, count, m.rstd);
}

/// `count` rows of n columns from `begin` on.
V_FN void short_rows(norm_call *call, int64_t n, int64_t begin, int count, int streaming, fetching f, norm_kind kind,
                     norm_kind written) {
    const ck_norm_args *a = call->args;
    vf columns = v_set((float)n), sums[GROUP], squares[GROUP], all_centres = v_zero();
    float centre[GROUP], delta[GROUP], rstd[GROUP];
    for (int row = 0; row < GROUP; row++) sums[row] = squares[row] = v_zero();

    if (call->is_centred) {
        for (int row = 0; row < count; row++) {
            norm_row x = row_to_read(call, begin + row, kind);
            sums[row] = sample_sum(&x, n, UNSCALED, kind);
        }
        vf all_sums = v_add(v_fold_add_rows(sums), v_zero());  // as in mean_of_sample
        all_centres = n > BLOCK ? v_mul(all_sums, v_set(1.0f / BLOCK)) : v_div(all_sums, columns);
    }
    v_store(centre, all_centres);

    for (int row = 0; row < count; row++) {
        norm_row x = row_to_read(call, begin + row, kind);
        norm_chunk chunk = norm_chunk_at(&x, 0, kind);
        deviations d = short_deviations(&chunk, n, v_set(centre[row]), steps_to_fetch(call), kind);
        sums[row] = lanes_fold_to_vector(&d.sum);
        squares[row] = lanes_fold_to_vector(&d.squares);
    }
    short_moments m = short_moments_of(sums, squares, count, all_centres, columns, a->epsilon, call->is_centred);
    v_store(delta, m.delta);
    v_store(rstd, m.rstd);
    save_short_moments(m, count, a->mean ? a->mean + begin : 0, a->mean_low ? a->mean_low + begin : 0,
                       a->rstd ? a->rstd + begin : 0);
    output_chunk first = output_chunk_at(call, begin, 0, written);
    for (int row = 0; row < count; row++) {
        if (m.rare >> row & 1) {
            CK_JOIN(norm_rare_row, CK_SUFFIX)(call, begin + row, written);
            continue;
        }
        output_chunk o = output_chunk_below(call, first, row, written);
        o.width = n;
        normalize_chunk(&o, (moments){centre[row], delta[row], rstd[row], rstd[row]}, streaming, UNSCALED, f, written);
    }
}

V_FN void norm_short(norm_call *call, int64_t begin, int64_t end, int streaming, norm_kind kind, norm_kind written) {
    const ck_norm_args *a = call->args;
    int64_t fetch_end = begin;
    if (call->fetches && is_flowing(a->cols, a->y_stride) && !streaming)
        fetch_end = end - GROUP - write_ahead_rows(a->cols, kind.type);
    for (; begin < end; begin += GROUP) {
        int count = (int)lesser(GROUP, end - begin);
        fetching f = {0, begin < fetch_end};
        if (!streaming && a->cols == BLOCK)
            short_rows(call, BLOCK, begin, count, streaming, f, kind, written);
        else if (!streaming && a->cols == 2 * BLOCK)
            short_rows(call, 2 * BLOCK, begin, count, streaming, f, kind, written);
        else
            short_rows(call, a->cols, begin, count, streaming, f, kind, written);
    }
}
