// functions_body.h: functions of single numbers over a range of floats.
//
// Bound: beyond the caches by bandwidth, in them by the functions (exp: 8 multiplications or fused ones and 5
// additions a vector).

V_FN void map_floats(vf (*function)(vf), const float *x, float *y, int64_t count, int streaming) {
    int64_t i = 0, whole = in_whole(BLOCK, count);
    for (; i < whole; i += BLOCK)
        for (int64_t j = i; j < i + BLOCK; j += 16) {
            vf value = function(v_load(x + j));
            if (streaming)
                v_stream(y + j, value);
            else
                v_store(y + j, value);
        }
    for (; i < count; i += 16) store_left(y + i, count - i, function(load_left(x + i, count - i)));
    if (streaming) v_stream_end();
}

CK_KERNEL(exp_1ulp)(const float *x, float *y, int64_t count, int streaming) {
    if (streaming)
        map_floats(v_exp_1ulp, x, y, count, 1);
    else
        map_floats(v_exp_1ulp, x, y, count, 0);
}

CK_KERNEL(tanh_2ulp)(const float *x, float *y, int64_t count, int streaming) {
    if (streaming)
        map_floats(v_tanh_2ulp, x, y, count, 1);
    else
        map_floats(v_tanh_2ulp, x, y, count, 0);
}
