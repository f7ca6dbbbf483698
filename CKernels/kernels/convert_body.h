// convert_body.h: elements of one storage type to another. Bound by the memory traffic: one load, one store.
//
//     y[i] = x[i], widened to binary32 and rounded once

V_FN void convert_elements(source x, target y, int64_t count, int streaming) {
    int64_t i = 0, whole = in_whole(BLOCK, count);
    for (; i < whole; i += BLOCK)
        for (int64_t j = i; j < i + BLOCK; j += 16) write_left(y, j, 16, read_left(x, j, 16), streaming);
    for (; i < count; i += 16) write_left(y, i, count - i, read_left(x, i, count - i), 0);
    if (streaming) v_stream_end();
}

V_FN void convert_to(source x, target y, int64_t count, int streaming) {
    if (streaming)
        convert_elements(x, y, count, 1);
    else
        convert_elements(x, y, count, 0);
}

V_FN void convert_from(source x, target y, int64_t count, int streaming) {
    if (y.type == CK_F32)
        convert_to(x, (target){y.at, CK_F32}, count, streaming);
    else if (y.type == CK_BF16)
        convert_to(x, (target){y.at, CK_BF16}, count, streaming);
    else
        convert_to(x, (target){y.at, CK_F16}, count, streaming);
}

/// `streaming`: y is at a cache line.
CK_KERNEL(convert)(const void *x, ck_type x_type, void *y, ck_type y_type, int64_t count, int streaming) {
    target to = {y, y_type};
    if (x_type == CK_F32)
        convert_from((source){x, CK_F32}, to, count, streaming);
    else if (x_type == CK_BF16)
        convert_from((source){x, CK_BF16}, to, count, streaming);
    else
        convert_from((source){x, CK_F16}, to, count, streaming);
}
