// softmax_with_states_body.h: softmax of rows, or of parts of rows, by given states (ck_softmax_state.h). A state's
// sum is of e^(x - max); times e(max), rounded, it is the sum of the e(x) of math/softmax.h:
//
//     y = e(x) / (sum * e(max))            or, logarithmic, (x - max) - ln(sum)
//
// Bound: exponentials; beyond the caches bandwidth.

V_FN softmax_pass softmax_pass_by_state(const ck_softmax_with_states_args *a, int64_t row, ck_type type,
                                        int logarithmic, int streaming) {
    ck_softmax_state state = a->states[row];
    double sum = state.max < INFINITY ? state.sum : (double)NAN;
    float most = state.max > -INFINITY ? state.max + 0.0f : 0.0f, lane[16];
    softmax_pass p = {
        .x = source_at((source){a->x, type}, row * a->x_stride),
        .y = target_at((target){a->y, type}, row * a->y_stride),
        .shift = v_exp_shift(v_set(most)),
        .logarithmic = logarithmic,
        .streaming = streaming,
    };
    v_store(lane, v_exp_shifted(v_set(most), p.shift));
    p.row = finish_softmax(most, lane[0], (float)(sum * (double)lane[0]), 0);
    if (logarithmic && sum != 0.0) p.row.log_sum = (float)(sum == sum ? s_log(sum) : sum);
    return p;
}

V_FN void softmax_vector_by_state(const softmax_pass *p, vf max, int64_t i, int64_t left, int streaming) {
    vf x = read_left(p->x, i, left), within = v_at_most(x, max);
    vf y = p->logarithmic ? softmax_logarithm(&p->row, within)
                          : softmax_quotient(&p->row, v_exp_shifted(within, p->shift));
    write_left(p->y, i, left, v_where_less(max, x, v_set(NAN), y), streaming);
}

V_FN void softmax_rows_by_states(ck_type type, const ck_softmax_with_states_args *a, int64_t begin, int64_t end,
                                 int logarithmic, int streaming) {
    for (int64_t row = begin; row < end; row++) {
        softmax_pass p = softmax_pass_by_state(a, row, type, logarithmic, streaming);
        vf max = v_set(a->states[row].max);
        int64_t i = 0, whole = in_whole(16, a->cols);
        for (; i < whole; i += 16) softmax_vector_by_state(&p, max, i, 16, streaming);
        if (i < a->cols) softmax_vector_by_state(&p, max, i, a->cols - i, 0);
    }
}

CK_KERNEL(softmax_with_states)(const ck_softmax_with_states_args *a, int64_t begin, int64_t end, int streaming) {
    if (a->logarithmic)
        BY_TYPE(a->type, softmax_rows_by_states, a, begin, end, 1, streaming);
    else
        BY_TYPE(a->type, softmax_rows_by_states, a, begin, end, 0, streaming);
    if (streaming) v_stream_end();
}
