// hostile_rows.c: hostile calls of softmax, conversions, functions, moments of rows, orthogonal addition, limits.

#include <string.h>

#include "hostile.h"
#include "limits_entry.h"
#include "math_entry.h"

static void draw_softmax(hostile_call *h) {
    ck_softmax_args *a = (ck_softmax_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    draw_vector(h, "log_sum_exp", &a->log_sum_exp, CK_F32, rows, WRITTEN | OPTIONAL);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, rows, cols, a->log_sum_exp ? WRITTEN | OPTIONAL : WRITTEN, x);
    a->logarithmic = draw_flag(h);
    draw_vector(h, "states", &a->states, TYPE_WORD, product(rows, 2), WRITTEN | OPTIONAL);
}

static void draw_softmax_backward(hostile_call *h) {
    ck_softmax_backward_args *a = (ck_softmax_backward_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, a->type, rows, cols, READ, NULL);
    const hostile_area *y = draw_matrix(h, "y", &a->y, &a->y_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, a->type, rows, cols, WRITTEN, draw_below(h, 2) ? dy : y);
    a->logarithmic = draw_flag(h);
}

/// States of softmax.
static void fill_states(hostile_call *h, const hostile_area *a, int64_t count) {
    for (int64_t i = 0; is_to_fill(a) && i < count; i++) {
        ck_softmax_state s = {(float)draw_below(h, 32) - 16, draw_parameter(h, 3)};
        memcpy(a->base + i * (int64_t)sizeof s, &s, sizeof s);
    }
}

static void draw_with_states(hostile_call *h) {
    ck_softmax_with_states_args *a = (ck_softmax_with_states_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    fill_states(h, draw_vector(h, "states", &a->states, TYPE_WORD, product(rows, 2), READ), rows);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, rows, cols, WRITTEN, x);
    a->logarithmic = draw_flag(h);
}

/// A merge of states or moments behind one struct.
typedef struct merge_args {
    const void *parts;
    int64_t count;
    void *result;
} merge_args;

static ck_status enter_ck_softmax_states_merge(const void *args, ck_run run) {
    const merge_args *a = args;
    (void)run;
    return a ? ck_softmax_states_merge(a->parts, a->count, a->result) : CK_NULL_POINTER;
}
static ck_status enter_ck_moments_merge(const void *args, ck_run run) {
    const merge_args *a = args;
    (void)run;
    return a ? ck_moments_merge(a->parts, a->count, a->result) : CK_NULL_POINTER;
}
static ck_status enter_ck_gradient_moments_merge(const void *args, ck_run run) {
    const merge_args *a = args;
    (void)run;
    return a ? ck_gradient_moments_merge(a->parts, a->count, a->result) : CK_NULL_POINTER;
}

static void draw_states_merge(hostile_call *h) {
    merge_args *a = (merge_args *)h->args;
    a->count = draw_count(h, 0, 9);
    fill_states(h, draw_vector(h, "parts", &a->parts, TYPE_WORD, product(a->count, 2), READ), a->count);
    draw_vector(h, "result", &a->result, TYPE_WORD, 2, WRITTEN);
}
static void draw_merge(hostile_call *h, int size) {
    merge_args *a = (merge_args *)h->args;
    a->count = draw_count(h, 0, 9);
    fill_moments(h, draw_vector(h, "parts", &a->parts, TYPE_WORD, product(a->count, size), READ), a->count, size);
    draw_vector(h, "result", &a->result, TYPE_WORD, size, WRITTEN);
}
static void draw_moments_merge(hostile_call *h) { draw_merge(h, 3); }
static void draw_gradient_merge(hostile_call *h) { draw_merge(h, 4); }

static void draw_row_moments(hostile_call *h) {
    ck_row_moments_args *a = (ck_row_moments_args *)h->args;
    a->rows = draw_count(h, 0, 20);
    a->cols = draw_width(h);
    a->type = draw_type(h);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, a->rows, a->cols, READ, NULL);
    draw_vector(h, "moments", &a->moments, TYPE_WORD, product(a->rows, 3), WRITTEN);
}

static void draw_normalize_rows(hostile_call *h) {
    ck_normalize_rows_args *a = (ck_normalize_rows_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    fill_moments(h, draw_vector(h, "moments", &a->moments, TYPE_WORD, product(rows, 3), READ), rows, 3);
    draw_vector(h, "weight", &a->weight, CK_F32, cols, OPTIONAL);
    draw_vector(h, "bias", &a->bias, CK_F32, cols, OPTIONAL);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, rows, cols, WRITTEN, x);
}

static void draw_gradient_moments(hostile_call *h) {
    ck_row_gradient_moments_args *a = (ck_row_gradient_moments_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    draw_matrix(h, "dy", &a->dy, &a->dy_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    fill_moments(h, draw_vector(h, "moments", &a->moments, TYPE_WORD, product(rows, 3), READ), rows, 3);
    draw_vector(h, "weight", &a->weight, CK_F32, cols, OPTIONAL);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_vector(h, "gradient_moments", &a->gradient_moments, TYPE_WORD, product(rows, 4), WRITTEN);
}

static void draw_normalize_rows_backward(hostile_call *h) {
    ck_normalize_rows_backward_args *a = (ck_normalize_rows_backward_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 40), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    fill_moments(h, draw_vector(h, "moments", &a->moments, TYPE_WORD, product(rows, 3), READ), rows, 3);
    fill_moments(h, draw_vector(h, "gradient_moments", &a->gradient_moments, TYPE_WORD, product(rows, 4), READ), rows,
                 4);
    draw_vector(h, "weight", &a->weight, CK_F32, cols, OPTIONAL);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, a->type, rows, cols, WRITTEN | OPTIONAL, dy);
    draw_vector(h, "dweight", &a->dweight, CK_F32, cols, WRITTEN | OPTIONAL);
    draw_vector(h, "dbias", &a->dbias, CK_F32, cols, WRITTEN | OPTIONAL);
    a->accumulate = draw_flag(h);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_normalize_rows_backward_workspace(rows, cols));
}

static void draw_orthogonal(hostile_call *h) {
    ck_orthogonal_add_args *a = (ck_orthogonal_add_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    a->centred = draw_flag(h);
    a->epsilon = draw_parameter(h, 1e-5f);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "update", &a->update, &a->update_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "h", &a->h, &a->h_stride, a->type, rows, cols, WRITTEN, x);
}

static void draw_orthogonal_backward(hostile_call *h) {
    ck_orthogonal_add_backward_args *a = (ck_orthogonal_add_backward_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    a->centred = draw_flag(h);
    a->epsilon = draw_parameter(h, 1e-5f);
    const hostile_area *dh = draw_matrix(h, "dh", &a->dh, &a->dh_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "update", &a->update, &a->update_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, a->type, rows, cols, WRITTEN | OPTIONAL, dh);
    draw_matrix(h, "dupdate", &a->dupdate, &a->dupdate_stride, a->type, rows, cols, WRITTEN | OPTIONAL, NULL);
}

static void draw_convert(hostile_call *h) {
    ck_convert_args *a = (ck_convert_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->x_type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->x_type, rows, cols, READ, NULL);
    a->y_type = draw_type(h);
    int same = (a->x_type == CK_F32) == (a->y_type == CK_F32);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->y_type, rows, cols, WRITTEN, same ? x : NULL);
}

static ck_status enter_ck_exp_1ulp(const void *args, ck_run run) {
    return args ? enter_exp(args, run) : CK_NULL_POINTER;
}
static ck_status enter_ck_tanh_2ulp(const void *args, ck_run run) {
    return args ? enter_tanh(args, run) : CK_NULL_POINTER;
}

static void draw_map(hostile_call *h) {
    map_args *a = (map_args *)h->args;
    a->count = draw_count(h, 0, 3000);
    const hostile_area *x = draw_vector(h, "x", &a->x, CK_F32, a->count, READ);
    int64_t stride;
    draw_matrix(h, "y", &a->y, &stride, CK_F32, 1, a->count, WRITTEN, x);
}

static ck_status enter_ck_limit_copy(const void *args, ck_run run) {
    return args ? enter_copy(args, run) : CK_NULL_POINTER;
}
static ck_status enter_ck_limit_read(const void *args, ck_run run) {
    return args ? enter_read(args, run) : CK_NULL_POINTER;
}
static ck_status enter_ck_limit_fma(const void *args, ck_run run) {
    return args ? enter_fma(args, run) : CK_NULL_POINTER;
}

static void draw_copy(hostile_call *h) {
    copy_args *a = (copy_args *)h->args;
    a->count = draw_count(h, 0, 3000);
    draw_vector(h, "source", &a->source, CK_F32, a->count, READ);
    draw_vector(h, "second", &a->second, CK_F32, a->count, OPTIONAL);
    draw_vector(h, "destination", &a->destination, CK_F32, a->count, WRITTEN);
    a->streaming = draw_hostile(h);
}

static void draw_read(hostile_call *h) {
    copy_args *a = (copy_args *)h->args;
    a->count = draw_count(h, 0, 3000);
    draw_vector(h, "source", &a->source, CK_F32, a->count, READ);
    draw_vector(h, "largest", &a->destination, CK_F32, a->count / 1024 + (a->count % 1024 > 0), WRITTEN);
}

static void draw_fma(hostile_call *h) {
    fma_args *a = (fma_args *)h->args;
    a->steps = draw_count(h, 0, 9);
    draw_vector(h, "sink", &a->sink, CK_F32, 1, WRITTEN);
}

HOSTILE_ENTRY(ck_softmax)
HOSTILE_ENTRY(ck_softmax_backward)
HOSTILE_ENTRY(ck_softmax_with_states)
HOSTILE_ENTRY(ck_row_moments)
HOSTILE_ENTRY(ck_normalize_rows)
HOSTILE_ENTRY(ck_row_gradient_moments)
HOSTILE_ENTRY(ck_normalize_rows_backward)
HOSTILE_ENTRY(ck_orthogonal_add)
HOSTILE_ENTRY(ck_orthogonal_add_backward)
HOSTILE_ENTRY(ck_convert)

const hostile_operator hostile_rows[] = {
    HOSTILE_OPERATOR(ck_softmax, draw_softmax),
    HOSTILE_OPERATOR(ck_softmax_backward, draw_softmax_backward),
    HOSTILE_OPERATOR(ck_softmax_with_states, draw_with_states),
    HOSTILE_OPERATOR(ck_row_moments, draw_row_moments),
    HOSTILE_OPERATOR(ck_normalize_rows, draw_normalize_rows),
    HOSTILE_OPERATOR(ck_row_gradient_moments, draw_gradient_moments),
    HOSTILE_OPERATOR(ck_normalize_rows_backward, draw_normalize_rows_backward),
    HOSTILE_OPERATOR(ck_orthogonal_add, draw_orthogonal),
    HOSTILE_OPERATOR(ck_orthogonal_add_backward, draw_orthogonal_backward),
    HOSTILE_OPERATOR(ck_convert, draw_convert),
    HOSTILE_OPERATOR(ck_softmax_states_merge, draw_states_merge),
    HOSTILE_OPERATOR(ck_moments_merge, draw_moments_merge),
    HOSTILE_OPERATOR(ck_gradient_moments_merge, draw_gradient_merge),
    HOSTILE_OPERATOR(ck_exp_1ulp, draw_map),
    HOSTILE_OPERATOR(ck_tanh_2ulp, draw_map),
    HOSTILE_OPERATOR(ck_limit_copy, draw_copy),
    HOSTILE_OPERATOR(ck_limit_read, draw_read),
    HOSTILE_OPERATOR(ck_limit_fma, draw_fma),
    HOSTILE_END,
};
