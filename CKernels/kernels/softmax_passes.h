// softmax_passes.h: the three passes over columns of a row of a softmax: the largest element, the exponentials e(x) of
// math/softmax.h and their sum, the output.

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

/// The largest elements of columns from ..< to. A NaN does not count; it comes to light in the sum.
V_FN void most_columns(most_lanes *most, source x, int64_t from, int64_t to) {
    most_lanes found = *most;
    for (int64_t whole = from + in_whole(BLOCK, to - from); from < whole; from += BLOCK) {
        V_UNROLL
        for (int k = 0; k < 4; k++) found.v[k] = v_at_least(found.v[k], read_left(x, from + 16 * k, 16));
    }
    for (int k = 0; from < to; k++, from += 16) {
        vf rest = v_keep_n_or(to - from, read_left(x, from, to - from), v_set(-INFINITY));
        found.v[k] = v_at_least(found.v[k], rest);
    }
    *most = found;
}

/// e(x) of up to 64 columns from i on; easy ones are all normal numbers without an anchor. They are added to `sum`
/// unless they are kept: sum_kept adds those, with its sums in registers.
V_FN void exp_block(lanes *sum, const softmax_pass *p, int64_t i, int64_t left, int is_easy, int keeps) {
    V_UNROLL
    for (int k = 0; k < 4; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf x = read_left(p->x, j, rest);
        vf e = keep_left(rest, is_easy ? v_exp_normal(x, p->shift) : v_exp_shifted(x, p->shift));
        if (keeps)
            v_store(p->kept + j, e);
        else
            sum->v[k] = v_add(sum->v[k], e);
    }
}

V_FN void sum_kept(lanes *sum, const float *kept, int64_t from, int64_t to) {
    lanes total = *sum;
    for (; from < to; from += BLOCK) {
        V_UNROLL
        for (int k = 0; k < 4; k++) total.v[k] = v_add(total.v[k], v_load(kept + from + 16 * k));
    }
    *sum = total;
}

V_FN vf least_of_block(source x, int64_t i) {
    vf least[4];
    V_UNROLL
    for (int k = 0; k < 4; k++) least[k] = read_left(x, i + 16 * k, 16);
    return v_at_most(v_at_most(least[0], least[1]), v_at_most(least[2], least[3]));
}

/// The exponentials of columns from ..< to are added to `sum`, and kept if `keeps`.
V_FN void exp_columns(lanes *sum, const softmax_pass *p, int64_t from, int64_t to, int keeps) {
    softmax_pass own = *p;  // a copy, which stores cannot change
    vf easy = easy_from(own.shift);
    lanes total = *sum;
    int64_t i = from, whole = from + in_whole(BLOCK, to - from);
    for (; i < whole; i += BLOCK)
        if (v_outside(16, v_sub(least_of_block(own.x, i), easy), 0.0f, INFINITY) == 0)
            exp_block(&total, &own, i, BLOCK, 1, keeps);
        else
            exp_block(&total, &own, i, BLOCK, 0, keeps);
    if (i < to) exp_block(&total, &own, i, to - i, 0, keeps);
    *sum = total;
    if (keeps) sum_kept(sum, own.kept, from, to);
}

/// How an output is made: e * factor of kept exponentials, (x - m) - ln(sum), or what is rare.
typedef enum softmax_form { AS_PRODUCT, AS_LOGARITHM, AS_ELSE } softmax_form;

V_FN softmax_form softmax_form_of(const softmax_pass *p) {
    return p->logarithmic ? AS_LOGARITHM : p->kept && !(p->row.divisor > 0.0f) ? AS_PRODUCT : AS_ELSE;
}

V_FN vf softmax_output(const softmax_pass *p, int64_t i, int64_t left, softmax_form form) {
    if (form == AS_LOGARITHM) return softmax_logarithm(&p->row, read_left(p->x, i, left));
    vf e = p->kept ? v_load(p->kept + i) : v_exp_shifted(read_left(p->x, i, left), p->shift);
    return form == AS_PRODUCT ? v_mul(e, v_set(p->row.factor)) : softmax_quotient(&p->row, e);
}

V_FN void output_of_form(const softmax_pass *p, int64_t from, int64_t to, softmax_form form) {
    softmax_pass own = *p;
    for (int64_t whole = from + in_whole(BLOCK, to - from); from < whole; from += BLOCK) {
        V_UNROLL
        for (int k = 0; k < 4; k++)
            write_left(own.y, from + 16 * k, 16, softmax_output(&own, from + 16 * k, 16, form), own.streaming);
    }
    for (; from < to; from += 16)
        write_left(own.y, from, to - from, softmax_output(&own, from, to - from, form), own.streaming);
}

/// The output of columns from ..< to.
V_FN void output_columns(const softmax_pass *p, int64_t from, int64_t to) {
    softmax_form form = softmax_form_of(p);
    if (form == AS_PRODUCT)
        output_of_form(p, from, to, AS_PRODUCT);
    else if (form == AS_LOGARITHM)
        output_of_form(p, from, to, AS_LOGARITHM);
    else
        output_of_form(p, from, to, AS_ELSE);
}

V_FN int softmax_saves(const ck_softmax_args *a) { return a->log_sum_exp || a->states; }
V_FN void save_softmax_row(const ck_softmax_args *a, int64_t row, softmax_row r) {
    if (a->log_sum_exp) a->log_sum_exp[row] = r.log_sum_exp;
    if (a->states) a->states[row] = (ck_softmax_state){r.ratio == 0.0 ? -INFINITY : r.most, r.ratio};
}
