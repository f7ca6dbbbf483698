// orthogonal_add_body.h: h = x + (f - a x), a = <x, f> / (<x, x> + epsilon), for a range of rows.
//
// Two passes over a row: the products, the output. Rows that bypass the caches are asked for while the one before is
// written: 4096x4096 26.0 and so 20.7 ms, 16384x1024 23.4 and 13.5; backward, the gradients in turns
// (normalize_stretch), 41.2 and 27.1, 34.6 and 21.4 (Zen 3, AVX2, one thread, 2026-11-28). Bound: bandwidth; in the
// caches 3 (centred 7) operations a vector in the first pass.

V_FN void orthogonal_output(const projected_row *r, target h, int64_t n, const projection_pitch *pitch, int streaming,
                            projection_kind kind) {
    vf unscale = v_set(1.0f / r->f.scale);
    for (int64_t i = 0; i < n; i += 16) {
        int64_t left = n - i;
        if (i % BLOCK == 0) fetch_projected(r, pitch, i, kind);
        vf u = orthogonal_left(r, r->f, r->a, i, left, kind);
        if (kind.scaled) u = v_mul(u, unscale);
        write_left(h, i, left, v_add(read_left(r->x.at, i, left), u), streaming);
    }
}

V_FN projected_row orthogonal_rows_at(const ck_orthogonal_add_args *a, ck_type type, int64_t row) {
    return (projected_row){
        .x = {source_at((source){a->x, type}, row * a->x_stride), 1.0f, 0.0f, 0.0f},
        .f = {source_at((source){a->update, type}, row * a->update_stride), 1.0f, 0.0f, 0.0f},
    };
}

V_SLOW void CK_JOIN(orthogonal_add_rare_row, CK_SUFFIX)(const ck_orthogonal_add_args *a, int64_t row) {
    projection_kind kind = {.centred = a->centred != 0, .scaled = 1};
    projected_row r = orthogonal_rows_at(a, a->type, row);
    project_scaled(&r, a->cols, a->epsilon, kind);
    orthogonal_output(&r, target_at((target){a->h, a->type}, row * a->h_stride), a->cols, 0, 0, kind);
}

V_FN void orthogonal_add_rows(const ck_orthogonal_add_args *a, int64_t begin, int64_t end, ck_type type, int centred,
                              int streaming) {
    projection_kind kind = {.centred = centred};
    projection_pitch pitch = {a->x_stride * size_of(type), a->update_stride * size_of(type), 0};
    for (int64_t row = begin; row < end; row++) {
        projected_row r = orthogonal_rows_at(a, type, row);
        target h = target_at((target){a->h, type}, row * a->h_stride);
        if (project_ordinary(&r, a->cols, a->epsilon, kind))
            orthogonal_output(&r, h, a->cols, streaming && row + 1 < end ? &pitch : 0, streaming, kind);
        else
            CK_JOIN(orthogonal_add_rare_row, CK_SUFFIX)(a, row);
    }
}

V_FN void orthogonal_add_type(const ck_orthogonal_add_args *a, int64_t begin, int64_t end, ck_type type,
                              int streaming) {
    if (a->centred)
        orthogonal_add_rows(a, begin, end, type, 1, streaming);
    else
        orthogonal_add_rows(a, begin, end, type, 0, streaming);
}

CK_KERNEL(orthogonal_add)(const ck_orthogonal_add_args *a, int64_t begin, int64_t end, int streaming) {
    if (a->type == CK_F32)
        orthogonal_add_type(a, begin, end, CK_F32, streaming);
    else if (a->type == CK_BF16)
        orthogonal_add_type(a, begin, end, CK_BF16, streaming);
    else
        orthogonal_add_type(a, begin, end, CK_F16, streaming);
    if (streaming) v_stream_end();
}
