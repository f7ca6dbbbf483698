// orthogonal_add_backward_body.h: gradients of orthogonal_add for a range of rows. With q = <x, x> + epsilon,
// a = <x, f> / q, b = <x, g> / q and g the gradient of h = x + f - a x:
//
//     df = g - b x
//     dx = g - a df - b (f - a x)
//
// since dh = dx + df - a dx - x da and q da = <f, dx> + <x, df> - 2 a <x, dx>, which gives dx = g - a g - b f + 2 a b
// x. Centred, f and g stand for f~ and g~ (but for the first g of dx) and x for x~. Bound: bandwidth; in the caches 5
// (centred 11) operations a vector in the first pass.

/// A power of two from 2^-252 to 2^252, as two factors in binary32's range.
typedef struct wide_power {
    float one, other;
} wide_power;

/// x.scale / (f.scale * g.scale): what turns a product of the scaled a and g, or b and f, back.
V_FN wide_power unscale_products(const projected_row *r) {
    int e;
    frexp((double)r->x.scale / r->f.scale / r->g.scale, &e);
    e = (e - 1 < -252 ? -252 : e - 1 > 252 ? 252 : e - 1);
    return (wide_power){ldexpf(1.0f, e / 2), ldexpf(1.0f, e - e / 2)};
}

/// Gradients of elements i ... i + 15, written from element `to` on.
V_FN void orthogonal_gradients_left(const projected_row *r, target dx, target df, int64_t to, int64_t i, int64_t left,
                                    wide_power unscale, projection_kind kind) {
    vf g = read_left(r->g.at, i, left);
    vf new_g = orthogonal_left(r, r->g, r->b, i, left, kind), new_f = orthogonal_left(r, r->f, r->a, i, left, kind);
    if (dx.at && kind.scaled) {
        vf both = v_fma(v_set(r->a), new_g, v_mul(v_set(r->b), new_f));
        both = v_mul(v_mul(both, v_set(unscale.one)), v_set(unscale.other));
        write_left(dx, to, left, v_sub(g, both), 0);
    } else if (dx.at) {
        vf without_f = v_fnma(v_set(r->b), new_f, g);
        write_left(dx, to, left, v_fnma(v_set(r->a), new_g, without_f), 0);
    }
    if (kind.scaled) new_g = v_mul(new_g, v_set(1.0f / r->g.scale));
    if (df.at) write_left(df, to, left, new_g, 0);
}

V_FN void orthogonal_gradients(const projected_row *r, target dx, target df, int64_t n, projection_kind kind) {
    wide_power unscale = {1.0f, 1.0f};
    if (kind.scaled) unscale = unscale_products(r);
    for (int64_t i = 0; i < n; i += 16) orthogonal_gradients_left(r, dx, df, i, i, n - i, unscale, kind);
}

/// The same past the caches, one gradient of a stretch after the other (normalize_stretch says why).
V_FN void stream_orthogonal_gradients(const projected_row *r, target dx, target df, int64_t n,
                                      const projection_pitch *pitch, projection_kind kind) {
    _Alignas(64) float some_dx[V_STRETCH], some_df[V_STRETCH];
    target near_dx = {dx.at ? some_dx : 0, dx.type}, near_df = {df.at ? some_df : 0, df.type};
    for (int64_t begin = 0; begin < n; begin += V_STRETCH) {
        int64_t end = lesser(begin + V_STRETCH, n);
        for (int64_t i = begin; i < end; i += 16) {
            if (i % BLOCK == 0) fetch_projected(r, pitch, i, kind);
            orthogonal_gradients_left(r, near_dx, near_df, i - begin, i, end - i, (wide_power){1.0f, 1.0f}, kind);
        }
        if (dx.at) stream_left(some_dx, target_at(dx, begin), end - begin);
        if (df.at) stream_left(some_df, target_at(df, begin), end - begin);
    }
}

V_FN projected_row orthogonal_gradient_rows_at(const ck_orthogonal_add_backward_args *a, ck_type type, int64_t row) {
    return (projected_row){
        .x = {source_at((source){a->x, type}, row * a->x_stride), 1.0f, 0.0f, 0.0f},
        .f = {source_at((source){a->update, type}, row * a->update_stride), 1.0f, 0.0f, 0.0f},
        .g = {source_at((source){a->dh, type}, row * a->dh_stride), 1.0f, 0.0f, 0.0f},
    };
}

V_SLOW void CK_JOIN(orthogonal_add_backward_rare_row, CK_SUFFIX)(const ck_orthogonal_add_backward_args *a,
                                                                 int64_t row) {
    projection_kind kind = {.gradient = 1, .centred = a->centred != 0, .scaled = 1};
    projected_row r = orthogonal_gradient_rows_at(a, a->type, row);
    project_scaled(&r, a->cols, a->epsilon, kind);
    orthogonal_gradients(&r, optional_target(a->dx, a->type, row * a->dx_stride),
                         optional_target(a->dupdate, a->type, row * a->dupdate_stride), a->cols, kind);
}

V_FN void orthogonal_add_backward_rows(const ck_orthogonal_add_backward_args *a, int64_t begin, int64_t end,
                                       ck_type type, int centred, int streaming) {
    projection_kind kind = {.gradient = 1, .centred = centred};
    projection_pitch pitch = {a->x_stride * size_of(type), a->update_stride * size_of(type),
                              a->dh_stride * size_of(type)};
    for (int64_t row = begin; row < end; row++) {
        projected_row r = orthogonal_gradient_rows_at(a, type, row);
        target dx = optional_target(a->dx, type, row * a->dx_stride);
        target df = optional_target(a->dupdate, type, row * a->dupdate_stride);
        if (!project_ordinary(&r, a->cols, a->epsilon, kind))
            CK_JOIN(orthogonal_add_backward_rare_row, CK_SUFFIX)(a, row);
        else if (streaming)
            stream_orthogonal_gradients(&r, dx, df, a->cols, row + 1 < end ? &pitch : 0, kind);
        else
            orthogonal_gradients(&r, dx, df, a->cols, kind);
    }
}

V_FN void orthogonal_add_backward_type(const ck_orthogonal_add_backward_args *a, int64_t begin, int64_t end,
                                       ck_type type, int streaming) {
    if (a->centred)
        orthogonal_add_backward_rows(a, begin, end, type, 1, streaming);
    else
        orthogonal_add_backward_rows(a, begin, end, type, 0, streaming);
}

CK_KERNEL(orthogonal_add_backward)
(const ck_orthogonal_add_backward_args *a, int64_t begin, int64_t end, int streaming) {
    if (a->type == CK_F32)
        orthogonal_add_backward_type(a, begin, end, CK_F32, streaming);
    else if (a->type == CK_BF16)
        orthogonal_add_backward_type(a, begin, end, CK_BF16, streaming);
    else
        orthogonal_add_backward_type(a, begin, end, CK_F16, streaming);
    if (streaming) v_stream_end();
}
