// softmax_passes.h: the three passes over a row of a softmax, 64 columns at a time: the largest element, the
// exponentials e(x) of math/softmax.h and their sum, the output.

/// What the passes over one row work with. `kept` holds the row's exponentials; NULL: they are computed again.
typedef struct softmax_pass {
    source x;
    target y;
    float *kept;
    exp_shift shift;
    softmax_row row;
    int logarithmic, streaming;
} softmax_pass;

typedef struct most_lanes {
    vf v[4];
} most_lanes;

V_FN most_lanes no_most(void) {
    vf least = v_set(-INFINITY);
    return (most_lanes){{least, least, least, least}};
}
V_FN vf most_to_vector(const most_lanes *m) {
    return v_at_least(v_at_least(m->v[0], m->v[2]), v_at_least(m->v[1], m->v[3]));
}

/// A NaN does not count; it comes to light in the sum.
V_FN void most_block(most_lanes *most, source x, int64_t i, int64_t left) {
    for (int k = 0; k < 4; k++) {
        int64_t rest = left - 16 * k;
        vf element = read_left(x, i + 16 * k, rest);
        if (rest < 16) element = v_keep_n_or(rest, element, v_set(-INFINITY));
        most->v[k] = v_at_least(most->v[k], element);
    }
}

V_FN void exp_block(lanes *sum, const softmax_pass *p, int64_t i, int64_t left) {
    for (int k = 0; k < 4; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf e = keep_left(rest, v_exp_shifted(read_left(p->x, j, rest), p->shift));
        sum->v[k] = v_add(sum->v[k], e);
        if (p->kept) v_store(p->kept + j, e);
    }
}

V_FN vf softmax_output(const softmax_pass *p, int64_t i, int64_t left) {
    if (p->logarithmic) return softmax_logarithm(&p->row, read_left(p->x, i, left));
    vf e = p->kept ? v_load(p->kept + i) : v_exp_shifted(read_left(p->x, i, left), p->shift);
    return softmax_quotient(&p->row, e);
}

V_FN void output_block(const softmax_pass *p, int64_t i, int64_t left) {
    for (int k = 0; k < 4; k++)
        write_left(p->y, i + 16 * k, left - 16 * k, softmax_output(p, i + 16 * k, left - 16 * k), p->streaming);
}

V_FN int softmax_saves(const ck_softmax_args *a) { return a->log_sum_exp || a->states; }
V_FN void save_softmax_row(const ck_softmax_args *a, int64_t row, softmax_row r) {
    if (a->log_sum_exp) a->log_sum_exp[row] = r.log_sum_exp;
    if (a->states) a->states[row] = (ck_softmax_state){r.ratio == 0.0 ? -INFINITY : r.most, r.ratio};
}
