// hostile_channels.c: hostile calls of channel norms and their inverses.

#include "hostile.h"

/// Samples, channels cut into groups, regions of equal or given sizes.
static void draw_shape(hostile_call *h, ck_channel_shape *s) {
    static const ck_layout none[] = {(ck_layout)2, (ck_layout)-1};
    s->samples = draw_count(h, 0, 6);
    s->groups = draw_count(h, 1, 5);
    int64_t width = draw_count(h, 1, 12);
    s->channels = draw_hostile(h) ? draw_count(h, -1, 70) : product(s->groups, width);
    s->positions = draw_below(h, 4) ? draw_count(h, 1, 9) : draw_count(h, 1, 150);
    s->layout = draw_hostile(h) ? none[draw_below(h, 2)] : (ck_layout)draw_below(h, 2);
    s->type = draw_type(h);
    int64_t even[] = {1, s->samples > 0 ? s->samples : 1};
    s->regions = draw_hostile(h) ? draw_count(h, 0, 7) : even[draw_below(h, 2)];
    if (draw_below(h, 2)) return;
    const hostile_area *counts = draw_vector(h, "region_samples", &s->region_samples, TYPE_WORD, s->regions, READ);
    if (s->regions == 1)
        fill_within(h, counts, s->samples, s->samples);
    else
        fill_within(h, counts, 1, 1);
}

static int64_t elements_of(const ck_channel_shape *s) {
    return product(s->samples, product(s->channels, s->positions));
}
static int64_t sets_of(const ck_channel_shape *s) { return product(s->regions, s->groups); }

static hostile_area *draw_moments(hostile_call *h, const char *name, const ck_channel_shape *s, void *pointer,
                                  int use) {
    hostile_area *a = draw_vector(h, name, pointer, TYPE_WORD, product(3, sets_of(s)), use);
    if (!(use & WRITTEN)) fill_moments(h, a, sets_of(s), 3);
    return a;
}

static hostile_area *draw_tensor(hostile_call *h, const char *name, const ck_channel_shape *s, void *pointer, int use,
                                 const hostile_area *instead) {
    int64_t extents[4] = {1, 1, 1, elements_of(s)};
    ck_strides none;
    return draw_grid(h, name, pointer, &none, s->type, extents, use, instead);
}

static void draw_channel_norm(hostile_call *h, int inverse) {
    ck_channel_norm_args *a = (ck_channel_norm_args *)h->args;
    const ck_channel_shape *s = &a->shape;
    draw_shape(h, &a->shape);
    const hostile_area *x = draw_tensor(h, "x", s, &a->x, READ, NULL);
    draw_moments(h, "given", s, &a->given, inverse ? READ : OPTIONAL);
    draw_vector(h, "weight", &a->weight, CK_F32, s->channels, OPTIONAL);
    draw_vector(h, "bias", &a->bias, CK_F32, s->channels, OPTIONAL);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_moments(h, "moments", s, &a->moments, WRITTEN | OPTIONAL);
    draw_tensor(h, "y", s, &a->y, a->moments && !a->given ? WRITTEN | OPTIONAL : WRITTEN, x);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_channel_norm_workspace(s));
}
static void draw_forward(hostile_call *h) { draw_channel_norm(h, 0); }
static void draw_inverse(hostile_call *h) { draw_channel_norm(h, 1); }

static void draw_backward(hostile_call *h) {
    ck_channel_norm_backward_args *a = (ck_channel_norm_backward_args *)h->args;
    const ck_channel_shape *s = &a->shape;
    draw_shape(h, &a->shape);
    const hostile_area *dy = draw_tensor(h, "dy", s, &a->dy, READ, NULL);
    draw_tensor(h, "x", s, &a->x, READ, NULL);
    draw_moments(h, "moments", s, &a->moments, READ);
    a->are_given = draw_flag(h);
    draw_vector(h, "weight", &a->weight, CK_F32, s->channels, OPTIONAL);
    draw_vector(h, "bias", &a->bias, CK_F32, s->channels, OPTIONAL);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_tensor(h, "dx", s, &a->dx, WRITTEN | OPTIONAL, dy);
    draw_vector(h, "dweight", &a->dweight, CK_F32, s->channels, WRITTEN | OPTIONAL);
    draw_vector(h, "dbias", &a->dbias, CK_F32, s->channels, WRITTEN | OPTIONAL);
    a->accumulate = draw_flag(h);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_channel_norm_backward_workspace(s));
}

HOSTILE_ENTRY(ck_channel_norm)
HOSTILE_ENTRY(ck_channel_norm_inverse)
HOSTILE_ENTRY(ck_channel_norm_backward)
HOSTILE_ENTRY(ck_channel_norm_inverse_backward)

const hostile_operator hostile_channels[] = {
    HOSTILE_OPERATOR(ck_channel_norm, draw_forward),
    HOSTILE_OPERATOR(ck_channel_norm_inverse, draw_inverse),
    HOSTILE_OPERATOR(ck_channel_norm_backward, draw_backward),
    HOSTILE_OPERATOR(ck_channel_norm_inverse_backward, draw_backward),
    HOSTILE_END,
};
