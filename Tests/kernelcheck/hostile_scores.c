// hostile_scores.c: hostile masks, softmax of masked scores, forward and backward, and the masked scores.

#include <string.h>

#include "hostile.h"

static int64_t draw_position(hostile_call *h) {
    static const int64_t far[] = {INT64_MAX, INT64_MIN, INT64_MAX / 4 + 1, INT64_MAX / 4, -(INT64_MAX / 4), -2};
    return draw_hostile(h) ? far[draw_below(h, 6)] : draw_below(h, 12) - 1;
}

void draw_mask(hostile_call *h, ck_mask *m, const int64_t extents[4]) {
    const int64_t rows[4] = {extents[0], extents[1], extents[2], 1};
    if (draw_below(h, 4) == 0) return;
    if (draw_below(h, 2)) m->softcap = draw_parameter(h, 30.0f);
    m->bias_type = draw_type(h);
    draw_grid(h, "bias", &m->bias, &m->bias_strides, m->bias_type, extents, OPTIONAL, NULL);
    draw_vector(h, "slopes", &m->slopes, CK_F32, extents[1], OPTIONAL);
    if (draw_below(h, 2)) draw_grid(h, "boolean", &m->boolean, &m->boolean_strides, TYPE_S8, extents, OPTIONAL, NULL);
    m->causal = draw_flag(h);
    m->windowed = draw_flag(h);
    m->window_left = draw_position(h);
    m->window_right = draw_position(h);
    m->offset = draw_position(h);
    if (draw_below(h, 2)) fill_within(h, draw_vector(h, "offsets", &m->offsets, TYPE_WORD, extents[0], READ), -3, 20);
    if (draw_below(h, 2))
        fill_within(h, draw_grid(h, "lengths", &m->lengths, &m->length_strides, TYPE_WORD, rows, READ, NULL), 0,
                    extents[3]);
    draw_vector(h, "sinks", &m->sinks, CK_F32, extents[1], OPTIONAL);
}

/// What an output may be drawn in place of: rows that do not meet.
static const hostile_area *area_without_sharing(const hostile_area *a) {
    for (int axis = 0; axis < 3; axis++)
        if (a->extents[axis] > 1 && a->strides[axis] < a->extents[3]) return NULL;
    return a;
}

void draw_dbias(hostile_call *h, float **pointer, ck_strides *strides, const int64_t extents[4]) {
    int64_t apart[4] = {extents[0], extents[1], extents[2], extents[3]};
    int summed = (int)draw_below(h, 8);
    for (int axis = 0; axis < 3; axis++)
        if (summed >> axis & 1) apart[axis] = 1;
    hostile_area *a = draw_grid(h, "dbias", pointer, strides, CK_F32, apart, WRITTEN | OPTIONAL, NULL);
    int64_t *stride[3] = {&strides->batch, &strides->head, &strides->row};
    for (int axis = 0; axis < 3; axis++) {
        if (summed >> axis & 1) *stride[axis] = 0;
        if (*stride[axis] == 0 && a->extents[axis] > 1) a->extents[axis] = 1;
    }
}

static void draw_softmax(hostile_call *h) {
    ck_score_softmax_args *a = (ck_score_softmax_args *)h->args;
    a->batch = draw_count(h, 0, 3);
    a->heads = draw_count(h, 0, 4);
    a->queries = draw_count(h, 0, 9);
    a->keys = draw_width(h);
    const int64_t extents[4] = {a->batch, a->heads, a->queries, a->keys};
    a->type = draw_type(h);
    a->scale = draw_parameter(h, 0.5f);
    const hostile_area *x = draw_grid(h, "x", &a->x, &a->x_strides, a->type, extents, READ, NULL);
    draw_mask(h, &a->mask, extents);
    draw_grid(h, "y", &a->y, &a->y_strides, a->type, extents, WRITTEN, area_without_sharing(x));
    draw_vector(h, "log_sum_exp", &a->log_sum_exp, CK_F32, product(a->batch, product(a->heads, a->queries)),
                WRITTEN | OPTIONAL);
}

/// Masked scores have no other output.
static void draw_masked_scores(hostile_call *h) {
    draw_softmax(h);
    hostile_area *saved = &h->area[h->areas - 1];
    saved->use = READ;
}

static void draw_backward(hostile_call *h) {
    ck_score_softmax_backward_args *a = (ck_score_softmax_backward_args *)h->args;
    a->batch = draw_count(h, 0, 3);
    a->heads = draw_count(h, 0, 4);
    a->queries = draw_count(h, 0, 9);
    a->keys = draw_width(h);
    const int64_t extents[4] = {a->batch, a->heads, a->queries, a->keys};
    int64_t rows = product(a->batch, product(a->heads, a->queries));
    a->type = draw_type(h);
    a->scale = draw_parameter(h, 0.5f);
    const hostile_area *dy = draw_grid(h, "dy", &a->dy, &a->dy_strides, a->type, extents, READ, NULL);
    draw_grid(h, "y", &a->y, &a->y_strides, a->type, extents, READ, NULL);
    draw_grid(h, "x", &a->x, &a->x_strides, a->type, extents, READ, NULL);
    draw_mask(h, &a->mask, extents);
    draw_vector(h, "log_sum_exp", &a->log_sum_exp, CK_F32, rows, READ);
    draw_grid(h, "dx", &a->dx, &a->dx_strides, a->type, extents, WRITTEN, area_without_sharing(dy));
    draw_dbias(h, &a->dbias, &a->dbias_strides, extents);
    draw_vector(h, "dslopes", &a->dslopes, CK_F32, a->heads, WRITTEN | OPTIONAL);
    if (a->mask.sinks || draw_hostile(h)) draw_vector(h, "dsinks", &a->dsinks, CK_F32, a->heads, WRITTEN | OPTIONAL);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_score_softmax_backward_workspace(a));
}

HOSTILE_ENTRY(ck_score_softmax)
HOSTILE_ENTRY(ck_masked_scores)
HOSTILE_ENTRY(ck_score_softmax_backward)

const hostile_operator hostile_scores[] = {
    HOSTILE_OPERATOR(ck_score_softmax, draw_softmax),
    HOSTILE_OPERATOR(ck_masked_scores, draw_masked_scores),
    HOSTILE_OPERATOR(ck_score_softmax_backward, draw_backward),
    HOSTILE_END,
};
