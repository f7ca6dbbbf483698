// norm_special_row.h: the output pass where more is wanted than y = normalized * weight + bias: a tensor that is added,
// or eight-bit integers: q = round(y / scale), scale = max|y| / 127 of the row.
//
// For integers y is found twice, for its largest magnitude and to be rounded; neither is the stored y read back.

/// So that 127 / max|y| stays finite, y is first multiplied by this if it is very small.
#define TINY_OUTPUT 0x1p-100f

V_SLOW void CK_JOIN(special_row, CK_SUFFIX)(norm_call *call, int64_t row, moments r, scaling s, norm_kind kind) {
    const ck_norm_args *a = call->args;
    vf largest = v_zero();
    float magnitude = 0.0f, lift = 1.0f, steps = 0.0f;
    for (int writes = !a->quantized; writes < 2; writes++) {
        for (int64_t c = 0; c < a->cols; c += CHUNK) {
            output_chunk o = output_chunk_at(call, row, c, kind);
            int8_t *q = a->quantized ? a->quantized + row * a->quantized_stride + c : 0;
            source addend = {a->addend, kind.type};
            if (a->addend) addend = source_at(addend, row * a->addend_stride + c);
            for (int64_t i = 0; i < o.width; i += 16) {
                int64_t left = o.width - i;
                uint64_t kept = chunk_kept(&o.x, i, kind);
                vf h = input_left(&o.x, i, left, kept, kind), y = affine_left(&o, i, left, h, r, s);
                if (a->addend) y = v_add(y, read_left(addend, i, left));
                if (!writes) {
                    largest = v_magnitude(largest, keep_left(left, y));
                    continue;
                }
                vf scaled = steps == 0.0f ? v_zero() : v_mul(v_mul(y, v_set(lift)), v_set(steps));
                if (q) v_store_s8_n(q + i, left, scaled);
                if (o.sum.at) write_left(o.sum, i, left, h, 0);
                if (a->y) write_left(o.y, i, left, y, 0);
            }
        }
        if (writes) break;
        magnitude = v_fold_magnitude(largest);
        lift = magnitude < TINY_OUTPUT ? 1.0f / TINY_OUTPUT : 1.0f;
        int is_number = magnitude > 0.0f && magnitude <= 0x1.fffffep127f;
        steps = is_number ? 127.0f / (magnitude * lift) : 0.0f;
    }
    if (a->quantized) a->quantized_scale[row] = magnitude <= 0x1.fffffep127f ? magnitude / 127.0f : NAN;
}

/// A row of output of either sort.
V_FN void write_row(norm_call *call, int64_t row, moments r, scaling s, fetching f, norm_kind kind) {
    if (is_special(call->args))
        CK_JOIN(special_row, CK_SUFFIX)(call, row, r, s, kind);
    else
        normalize_row(call, row, r, s, f, kind);
}
