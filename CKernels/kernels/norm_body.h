// norm_body.h: y = normalized * (weight + weight_offset) + bias for a range of rows of LayerNorm or RMSNorm, where
// normalized = (h - mean) * rstd (norm_moments.h) and h is x or a residual sum (norm_input.h).
//
// Two passes over a row: moments, output. The moments of the next row are found before this one is written, so that
// loads from afar overlap the chain of a row's statistics. Input is asked for in both passes, four chunks ahead and
// two: rows from memory into a warm output take 0.6 of the time that they take when each line is asked for once
// (512x1024: 155 and 88 us), hot rows 1.04 of it (Zen 4, 2026-11-25) and more on Zen 3: near rows do without
// (reach_probe.h). An exact sum of near rows is kept between the passes (norm_row.h): 128x768 hot 85 and 42 us,
// 512x1024 388 and 277 (Zen 3, 2026-11-26).
//
// Bound: in the caches by loads (1 + 3 a vector) and 3 additions.

/// `written`: the kind of the output pass.
V_FN void norm_cached(norm_call *call, int64_t begin, int64_t end, norm_kind kind, norm_kind written) {
    const ck_norm_args *a = call->args;
    int64_t n = a->cols;
    const row_steps *fetch = steps_to_fetch(call);
    int fetch_y = fetch && is_flowing(n, a->y_stride);
    moments r;
    int ordinary = 0;  // whether `r` are the moments of the row to be written
    for (int64_t row = begin - 1; row < end; row++) {
        int reads = row + 1 < end;
        norm_row next = row_to_read(call, reads ? row + 1 : 0, kind);
        float centre = 0.0f;
        deviations d = no_deviations();
        if (reads) {
            centre = first_centre(call, &next, UNSCALED, kind);
            d = row_deviations(&next, n, centre, UNSCALED, fetch, kind);
        }
        if (ordinary) {
            fetching f = {call->kept ? 0 : fetch, fetch_y && row + write_ahead_rows(n, kind.type) < end};
            write_row(call, row, r, UNSCALED, f, written);
        }
        ordinary = reads && finish_moments(&r, centre, &d, n, a->epsilon, call->is_centred);
        if (ordinary)
            save_moments(a, row + 1, r, 1.0f);
        else if (reads)
            CK_JOIN(norm_rare_row, CK_SUFFIX)(call, row + 1, written);
    }
}

V_FN void norm_rows(const ck_norm_args *a, int is_centred, int64_t begin, int64_t end, ck_reach reach, norm_kind kind) {
    norm_call call;
    norm_call_set(&call, a, is_centred, reach, kind);
    // Dropout goes the general way alone: its generator takes more time than the others save. (Residual LayerNorm of
    // 512x1024, hot: 3.04 and 1.62 ms with a chunk's bits found once, 8 counters at a time; Zen 3, AVX2, 2026-11-28.)
    int streaming = reach == CK_STREAMED && !kind.dropout,
        is_short = a->cols <= SHORT && !is_special(a) && !kind.dropout;
    int shares = kind.type == CK_F32 && !kind.residual && !call.fetches && !is_special(a);
    norm_kind kept = {.type = kind.type};
    if (is_exact_sum(kind) && call.kept) {
        if (is_short)
            norm_short(&call, begin, end, 0, kind, kept);
        else
            norm_cached(&call, begin, end, kind, kept);
    } else if (is_short && streaming)
        norm_short(&call, begin, end, 1, kind, kind);
    else if (is_short)
        norm_short(&call, begin, end, 0, kind, kind);
    else if (streaming)
        norm_grouped(&call, begin, end, 1, kind);
    else if (shares && rows_share_chunks(end - begin, a->cols))
        norm_grouped(&call, begin, end, 0, kind);
    else
        norm_cached(&call, begin, end, kind, kind);
    if (streaming) v_stream_end();
}

/// A copy of the bodies for each kind of `a`.
#define CK_NORM_KINDS(KIND)              \
    KIND(f32, CK_F32, 0, 0, 0)           \
    KIND(bf16, CK_BF16, 0, 0, 0)         \
    KIND(f16, CK_F16, 0, 0, 0)           \
    KIND(plain_f32, CK_F32, 1, 0, 1)     \
    KIND(plain_bf16, CK_BF16, 1, 0, 1)   \
    KIND(plain_f16, CK_F16, 1, 0, 1)     \
    KIND(sum_f32, CK_F32, 1, 0, 0)       \
    KIND(sum_bf16, CK_BF16, 1, 0, 0)     \
    KIND(sum_f16, CK_F16, 1, 0, 0)       \
    KIND(dropped_f32, CK_F32, 1, 1, 0)   \
    KIND(dropped_bf16, CK_BF16, 1, 1, 0) \
    KIND(dropped_f16, CK_F16, 1, 1, 0)

/// Whether a sum is x + branch.
V_FN int is_plain_sum(const ck_residual *r) {
    return r && r->scale == 1.0f && !r->branch_bias && !r->branch_scale && !(r->dropout > 0.0f);
}

/// Whether `a` is of this kind.
#define CK_IS_KIND(of_type, is_sum, is_dropped, is_plain)      \
    (a->type == (of_type) && (a->residual != 0) == (is_sum) && \
     (a->residual && a->residual->dropout > 0.0f) == (is_dropped) && is_plain_sum(a->residual) == (is_plain))

#define CK_NORM_COPY(name, type, residual, dropout, plain)                                                         \
    V_SLOW void CK_JOIN(norm_##name, CK_SUFFIX)(const ck_norm_args *a, int is_centred, int64_t begin, int64_t end, \
                                                ck_reach reach) {                                                  \
        norm_rows(a, is_centred, begin, end, reach, (norm_kind){type, residual, dropout, plain});                  \
    }
CK_NORM_KINDS(CK_NORM_COPY)

CK_KERNEL(norm)(const ck_norm_args *a, int is_centred, int64_t begin, int64_t end, ck_reach reach) {
    reach = reach_found((source){a->x, a->type}, a->cols, a->x_stride, begin, end, PROBED_BYTES, reach);
#define CK_NORM_CALL(name, type, residual, dropout, plain) \
    if (CK_IS_KIND(type, residual, dropout, plain)) CK_JOIN(norm_##name, CK_SUFFIX)(a, is_centred, begin, end, reach);
    CK_NORM_KINDS(CK_NORM_CALL)
}
