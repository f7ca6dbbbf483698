// limits_body.h: what the machine can do at most: copies, reading, and fused multiply-adds in registers.

V_FN vf sum_left(const float *source, const float *second, int64_t i, int64_t left) {
    vf a = load_left(source + i, left);
    return second ? v_add(a, load_left(second + i, left)) : a;
}

V_FN void copy_floats(const float *source, const float *second, float *destination, int64_t count, int streaming) {
    int64_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK)
        for (int64_t j = i; j < i + BLOCK; j += 16) {
            if (streaming)
                v_stream(destination + j, sum_left(source, second, j, 16));
            else
                v_store(destination + j, sum_left(source, second, j, 16));
        }
    for (; i < count; i += 16) store_left(destination + i, count - i, sum_left(source, second, i, count - i));
    if (streaming) v_stream_end();
}

CK_KERNEL(limit_copy)(const float *source, const float *second, float *destination, int64_t count, int streaming) {
    if (second && streaming)
        copy_floats(source, second, destination, count, 1);
    else if (second)
        copy_floats(source, second, destination, count, 0);
    else if (streaming)
        copy_floats(source, 0, destination, count, 1);
    else
        copy_floats(source, 0, destination, count, 0);
}

/// largest[b]: the largest magnitude among 1024 floats.
CK_KERNEL(limit_read)(const float *source, int64_t count, float *largest) {
    for (int64_t block = 0; block < count; block += CHUNK) {
        vf found[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        int64_t end = lesser(block + CHUNK, count), i = block;
        for (; i + BLOCK <= end; i += BLOCK)
            for (int k = 0; k < 4; k++) found[k] = v_magnitude(found[k], v_load(source + i + 16 * k));
        for (; i < end; i += 16) found[0] = v_magnitude(found[0], load_left(source + i, end - i));
        vf all = v_magnitude(v_magnitude(found[0], found[1]), v_magnitude(found[2], found[3]));
        largest[block / CHUNK] = v_fold_magnitude(all);
    }
}

/// As many chains as hide the latency of a fused multiply-add on two ports.
#define FMA_CHAINS 12

CK_KERNEL(limit_fma)(int64_t steps, float *sink) {
    vf chain[FMA_CHAINS], factor = v_set(0.999f);
    for (int c = 0; c < FMA_CHAINS; c++) chain[c] = v_set((float)c);
    for (int64_t step = 0; step < steps; step++)
        for (int c = 0; c < FMA_CHAINS; c++) chain[c] = v_fma(chain[c], factor, factor);
    vf sum = chain[0];
    for (int c = 1; c < FMA_CHAINS; c++) sum = v_add(sum, chain[c]);
    *sink = v_fold_add(sum);
}
