// norm_backward_body.h: gradients of norm for a range of rows. With h = x or the residual sum and xhat = (h - mean) *
// rstd, where the mean is the pair mean + mean_low:
//
//     c = the mean of a sample of dy * weight,   t_i = fma(dy_i, weight_i, -c)
//     tau = sum(t) / n,   p = sum(t * xhat) / n
//     dh = fma(-xhat, p, t - tau) * rstd [+ dsum]
//     weight_sums = fma(dy, xhat, weight_sums),   bias_sums += dy       row by row, in their order
//
// (sum(xhat) is 0, so t may stand for g in p: under a common offset of dy nothing is lost.) For RMSNorm the means, c
// and tau are 0. With a branch:
//
//     dx = scale * dh,   dbranch = dropout(branch_scale * dh)
//     branch_bias_sums += dbranch,   branch_scale_sums = fma(dh, dropout(branch + branch_bias), branch_scale_sums)
//
// Bound: with AVX-512 4 fused multiply-adds and 4 other operations a vector in the second pass and beyond the caches
// bandwidth; with AVX2 by instructions (75 for 16 near elements; callgrind, 2026-11-28).

/// Rows of a group share what is loaded of weight and of the sums over rows (rows_of_gradients). Wide ones are fewer:
/// where rows are 4 KiB apart, dy, x and dx of each take a way of the same set of the first cache level.
#define TOGETHER 4

/// Whether rows go together: on AVX-512 (Zen 4), where one by one has not been measured.
#define ROWS_SHARE_SUMS V_FORGETS

/// One vector of one row, with its sums from memory and back.
V_FN void gradient_vector_of_row(const gradient_row *r, const gradient_chunk *c, int64_t i, int64_t left, uint64_t kept,
                                 int64_t to, gradient_wishes wishes, norm_kind kind) {
    column_sums s = {v_zero(), v_zero(), v_zero(), v_zero()};
    if (wishes.sums) s = sums_left(c->sums, i, left, kind);
    gradient_vector(r, c, &s, i, left, kept, to, wishes, kind);
    if (wishes.sums) put_sums_left(c->sums, i, left, s, kind);
}

/// Columns from ..< end of a chunk of one row. Column `from` is written to where dx and dbranch begin.
V_FN void gradient_columns_of_row(const gradient_row *given, const gradient_chunk *chunk, int64_t from, int64_t end,
                                  gradient_wishes wishes, norm_kind kind) {
    const gradient_row row = *given;  // copies, which stores cannot change
    const gradient_chunk c = *chunk;
    int64_t i = from, whole = from + in_whole(BLOCK, end - from);
    for (; i < whole; i += BLOCK) {
        uint64_t kept = chunk_kept(&c.h, i, kind);
        fetch_gradient_block(&row, c.column + i, kind);
        V_UNROLL
        for (int k = 0; k < 4; k++)
            gradient_vector_of_row(&row, &c, i + 16 * k, BLOCK, kept >> 16 * k, i - from + 16 * k, wishes, kind);
    }
    uint64_t kept = i < end ? chunk_kept(&c.h, i, kind) : 0;
    for (; i < end; i += 16, kept >>= 16) gradient_vector_of_row(&row, &c, i, end - i, kept, i - from, wishes, kind);
}

/// Vectors k ..< k + together of a block of columns for some rows, which share what is loaded of the sums.
V_FN void norm_gradient_columns(const gradient_row *rows, const gradient_chunk *chunks, int count, int64_t i,
                                int64_t left, int together, int k, const uint64_t *kept, gradient_wishes wishes,
                                int streaming, norm_kind kind) {
    column_sums s[V_TOGETHER];
    V_UNROLL
    for (int v = 0; v < together; v++) {
        if (wishes.sums)
            s[v] = sums_left(chunks[0].sums, i + 16 * v, left - 16 * v, kind);
        else
            s[v] = (column_sums){v_zero(), v_zero(), v_zero(), v_zero()};
    }
    int64_t to = streaming ? i % V_STRETCH : i;
    for (int row = 0; row < count; row++) {
        V_UNROLL
        for (int v = 0; v < together; v++)
            gradient_vector(&rows[row], &chunks[row], &s[v], i + 16 * v, left - 16 * v, kept[row] >> 16 * (k + v),
                            to + 16 * v, wishes, kind);
    }
    V_UNROLL
    for (int v = 0; v < together; v++)
        if (wishes.sums) put_sums_left(chunks[0].sums, i + 16 * v, left - 16 * v, s[v], kind);
}

/// Gradients of a stretch of columns, which go past the caches one after the other, for the reason that
/// normalize_stretch gives. 4096x4096 with dy, dx and dbranch 0, 128 and 128 bytes further into their pages than x: in
/// turns 31.5 ms and with a residual 139, so 23.6 and 44.3; 64, 128 and 192 bytes: 33.7 and 48.7, 24.9 and 47.6; no
/// bytes: 25.9 and 48.5, 25.9 and 38.5, all with one row at a time and one wish instead of two rows and three (Zen 3,
/// AVX2, one thread, 2026-11-28).
typedef struct gradient_stretch {
    _Alignas(64) float dx[TOGETHER][V_STRETCH], dbranch[TOGETHER][V_STRETCH];
} gradient_stretch;

V_FN void stream_stretch(const gradient_stretch *s, const gradient_row *rows, int count, int64_t column, int64_t width,
                         gradient_wishes wishes, norm_kind kind) {
    for (int row = 0; row < count; row++) {
        if (wishes.dx) stream_left(s->dx[row], target_at(typed_target(rows[row].dx, kind), column), width);
        if (wishes.dbranch)
            stream_left(s->dbranch[row], target_at(typed_target(rows[row].dbranch, kind), column), width);
    }
}

/// The second pass over one row.
V_FN void write_row_gradients(gradient_call *call, const gradient_row *row, gradient_wishes wishes, int streaming,
                              norm_kind kind) {
    gradient_stretch stretch;
    int64_t n = call->args->cols;
    for (int64_t column = 0; column < n; column += CHUNK) {
        int64_t width = lesser(CHUNK, n - column);
        gradient_chunk c = gradient_chunk_at(call, row, column, kind);
        if (!streaming) {
            gradient_columns_of_row(row, &c, 0, width, wishes, kind);
            continue;
        }
        c.dx.at = stretch.dx[0];
        c.dbranch.at = stretch.dbranch[0];
        for (int64_t i = 0; i < width; i += V_STRETCH) {
            int64_t end = lesser(i + V_STRETCH, width);
            gradient_columns_of_row(row, &c, i, end, wishes, kind);
            stream_stretch(&stretch, row, 1, column + i, end - i, wishes, kind);
        }
    }
}

/// The second pass over some rows.
V_FN void write_gradients(gradient_call *call, const gradient_row *rows, int count, gradient_wishes wishes,
                          int streaming, norm_kind kind) {
    int together = kind.residual ? V_TOGETHER / 2 : V_TOGETHER;
    gradient_chunk chunks[TOGETHER];
    gradient_stretch stretch;
    uint64_t kept[TOGETHER];
    int64_t n = call->args->cols;
    for (int64_t column = 0; column < n; column += CHUNK) {
        int64_t width = lesser(CHUNK, n - column);
        for (int row = 0; row < count; row++) {
            chunks[row] = gradient_chunk_at(call, &rows[row], column, kind);
            if (!streaming) continue;
            chunks[row].dx.at = stretch.dx[row];
            chunks[row].dbranch.at = stretch.dbranch[row];
        }
        for (int64_t i = 0; i < width; i += BLOCK) {
            for (int row = 0; row < count; row++) {
                kept[row] = chunk_kept(&chunks[row].h, i, kind);
                fetch_gradient_block(&rows[row], column + i, kind);
            }
            if (i + BLOCK <= width) {
                V_UNROLL
                for (int k = 0; k < 4; k += together)
                    norm_gradient_columns(rows, chunks, count, i + 16 * k, BLOCK, together, k, kept, wishes, streaming,
                                          kind);
            } else {
                for (int k = 0; i + 16 * k < width; k++)
                    norm_gradient_columns(rows, chunks, count, i + 16 * k, width - i - 16 * k, 1, k, kept, wishes,
                                          streaming, kind);
            }
            int64_t end = lesser(i + BLOCK, width), begin = i / V_STRETCH * V_STRETCH;
            if (streaming && (end - begin == V_STRETCH || end == width))
                stream_stretch(&stretch, rows, count, column + begin, end - begin, wishes, kind);
        }
    }
}

V_FN void gradient_rows(gradient_call *call, int64_t begin, int count, int streaming, int fetch, norm_kind kind) {
    const ck_norm_backward_args *a = call->args;
    gradient_row rows[TOGETHER];
    for (int k = 0; k < count; k++) {
        int64_t row = begin + k;
        rows[k] = (gradient_row){
            .h = norm_row_at(a->x, a->x_stride, a->residual, &call->rule, row, kind),
            .dy = source_at((source){a->dy, kind.type}, row * a->dy_stride),
            .dsum = {0, kind.type},
            .dx = optional_target(a->dx, kind.type, row * a->dx_stride),
            .dbranch = optional_target(a->dbranch, kind.type, row * a->dbranch_stride),
            .fetch_input = fetch,
            .fetch_output = fetch && !streaming,
            .ahead = {count * a->dy_stride, count * a->x_stride, kind.residual ? count * a->residual->branch_stride : 0,
                      count * a->dsum_stride, count * a->dx_stride, count * a->dbranch_stride},
            .mean = call->is_centred ? a->mean[row] : 0.0f,
            .rstd = a->rstd[row],
            .shift = shift_of(call->is_centred && a->mean_low ? a->mean_low[row] : 0.0f, a->rstd[row]),
        };
        if (a->dsum) rows[k].dsum = source_at((source){a->dsum, kind.type}, row * a->dsum_stride);
        if (kind.residual || a->dx) project_gradient(call, &rows[k], kind);
    }
    gradient_wishes w = {call->sums.weight != 0, a->dx != 0, a->dsum != 0, a->dbranch != 0};
    gradient_wishes usual = {1, 1, kind.residual ? w.dsum : 0, kind.residual};
    int is_usual = w.sums && w.dx && w.dsum == usual.dsum && w.dbranch == usual.dbranch;
    if (!ROWS_SHARE_SUMS && is_usual)
        write_row_gradients(call, rows, usual, streaming, kind);
    else if (!ROWS_SHARE_SUMS)
        write_row_gradients(call, rows, w, streaming, kind);
    else if (is_usual)
        write_gradients(call, rows, count, usual, streaming, kind);
    else
        write_gradients(call, rows, count, w, streaming, kind);
}

/// Rows whose gradients are found together: any number, the same bits. One by one, a row's numbers stay in registers
/// and the sums over rows pass through memory: 512x1024 in the caches 0.78 of the time of two rows together, with a
/// residual 0.88; 4096x4096 0.92 (of one row in the other's loops), bfloat16 0.77 (Zen 3, AVX2, 2026-11-28).
V_FN int rows_of_gradients(int64_t cols, ck_reach reach, norm_kind kind) {
    if (!ROWS_SHARE_SUMS || (kind.residual && reach == CK_STREAMED)) return 1;
    return kind.residual || cols >= CHUNK ? 2 : TOGETHER;
}

V_FN void norm_gradients(const ck_norm_backward_args *a, int is_centred, int64_t begin, int64_t end, float *sums,
                         int64_t pitch, ck_reach reach, norm_kind kind) {
    gradient_call call;
    call.args = a;
    call.is_centred = is_centred;
    call.sums = (sum_places){0};
    parameter_set(&call.weight, a->weight, a->parameter_type, a->weight_offset, CK_JOIN(ones, CK_SUFFIX), a->cols);
    branch_rule_set(&call.rule, a->residual, a->parameter_type, a->cols);
    if (sums) {
        for (int64_t i = 0; i < (kind.residual ? 4 : 2) * pitch; i += 16) v_store(sums + i, v_zero());
        call.sums = (sum_places){sums, sums + pitch, sums + 2 * pitch, sums + 3 * pitch};
    }
    int together = rows_of_gradients(a->cols, reach, kind);
    for (; begin < end; begin += together) {
        int count = (int)lesser(together, end - begin), fetch = reach != CK_NEAR && begin + 2 * together <= end;
        gradient_rows(&call, begin, count, reach == CK_STREAMED, fetch, kind);
    }
    if (reach == CK_STREAMED) v_stream_end();
}

#define CK_GRADIENT_COPY(name, type, residual, dropout, plain)                                                      \
    V_SLOW void CK_JOIN(norm_gradients_##name, CK_SUFFIX)(const ck_norm_backward_args *a, int is_centred,           \
                                                          int64_t begin, int64_t end, float *sums, int64_t pitch,   \
                                                          ck_reach reach) {                                         \
        norm_gradients(a, is_centred, begin, end, sums, pitch, reach, (norm_kind){type, residual, dropout, plain}); \
    }
CK_NORM_KINDS(CK_GRADIENT_COPY)

CK_KERNEL(norm_backward)
(const ck_norm_backward_args *a, int is_centred, int64_t begin, int64_t end, float *sums, int64_t pitch,
 ck_reach reach) {
    // A quarter of what the forward pass reads: blocks have as few as 16 rows.
    reach = reach_found((source){a->x, a->type}, a->cols, a->x_stride, begin, end, PROBED_BYTES / 4, reach);
#define CK_GRADIENT_CALL(name, type, residual, dropout, plain) \
    if (CK_IS_KIND(type, residual, dropout, plain))            \
        CK_JOIN(norm_gradients_##name, CK_SUFFIX)(a, is_centred, begin, end, sums, pitch, reach);
    CK_NORM_KINDS(CK_GRADIENT_CALL)
}
