// channel_problem.c: the inputs and answers of channel_problem.h.

#include "channel_problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract_channel_norm.h"
#include "patterns.h"
#include "storage_types.h"

static void *memory(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (p) return p;
    perror("kernelcheck: memory");
    exit(2);
}

channel_problem channel_problem_make(void) {
    channel_problem p = {0};
    void **tensors[] = {&p.x, &p.dy, &p.y, &p.inverse, &p.gradients[0].dx, &p.gradients[1].dx};
    float **vectors[] = {&p.weight,
                         &p.bias,
                         &p.before,
                         &p.gradients[0].dweight,
                         &p.gradients[0].dbias,
                         &p.gradients[1].dweight,
                         &p.gradients[1].dbias};
    for (int i = 0; i < 6; i++) *tensors[i] = memory(CHANNEL_ELEMENTS * sizeof(float));
    for (int i = 0; i < 7; i++) *vectors[i] = memory(CHANNELS * sizeof(float));
    p.moments = memory(CHANNEL_SETS * sizeof(ck_moments));
    p.found = memory(CHANNEL_SETS * sizeof(ck_moments));
    return p;
}

void channel_problem_free(channel_problem *p) {
    void *all[] = {p->x, p->dy, p->y, p->inverse, p->weight, p->bias, p->before, p->moments, p->found};
    for (int i = 0; i < 9; i++) free(all[i]);
    for (int i = 0; i < 2; i++) {
        free(p->gradients[i].dx);
        free(p->gradients[i].dweight);
        free(p->gradients[i].dbias);
    }
}

static void put(ck_type type, void *array, int64_t i, float value) {
    if (type == CK_F32)
        ((float *)array)[i] = value;
    else
        ((uint16_t *)array)[i] = (uint16_t)type_round(type, value);
}

/// One pattern over the elements of a channel.
static void draw_channel(check *c, const ck_channel_shape *s, void *tensor, int64_t channel, pattern kind) {
    static float column[CHANNEL_ELEMENTS];
    pattern_fill(kind, column, s->samples * s->positions, &c->random);
    for (int64_t sample = 0; sample < s->samples; sample++)
        for (int64_t position = 0; position < s->positions; position++) {
            int64_t i = s->layout == CK_CHANNELS_FIRST ? (sample * s->channels + channel) * s->positions + position
                                                       : (sample * s->positions + position) * s->channels + channel;
            put(s->type, tensor, i, column[sample * s->positions + position]);
        }
}

void channel_problem_draw(check *c, channel_problem *p) {
    static const float epsilons[] = {1e-5f, 1e-5f, 0, 1e-12f, 1, 1e30f};
    const ck_channel_shape *s = &p->shape;
    random_source *r = &c->random;
    int64_t kinds = random_below(r, 2) ? PATTERNS : TAME_PATTERNS;
    p->epsilon = epsilons[random_below(r, 6)];
    p->accumulate = (int)random_below(r, 2);
    p->given = random_below(r, 4) == 0;
    p->weight_given = random_below(r, 2) ? p->weight : NULL;
    p->bias_given = random_below(r, 2) ? p->bias : NULL;
    for (int64_t channel = 0; channel < s->channels; channel++) {
        draw_channel(c, s, p->x, channel, (pattern)random_below(r, kinds));
        draw_channel(c, s, p->dy, channel, (pattern)random_below(r, TAME_PATTERNS));
    }
    pattern_fill(PATTERN_NORMAL, p->weight, s->channels, r);
    pattern_fill(PATTERN_NORMAL, p->bias, s->channels, r);
    pattern_fill(PATTERN_NORMAL, p->before, s->channels, r);
    for (int64_t i = 0; p->given && i < s->regions * s->groups; i++)
        p->moments[i] = (ck_moments){1 + random_below(r, 9), (double)random_normal(r), 1.0 + (double)random_uniform(r)};
}

ck_channel_norm_args channel_forward_args(const channel_problem *p) {
    return (ck_channel_norm_args){
        .shape = p->shape, .weight = p->weight_given, .bias = p->bias_given, .epsilon = p->epsilon};
}

ck_channel_norm_backward_args channel_backward_args(const channel_problem *p) {
    return (ck_channel_norm_backward_args){
        .shape = p->shape,
        .moments = p->moments,
        .are_given = p->given,
        .weight = p->weight_given,
        .bias = p->bias_given,
        .epsilon = p->epsilon,
        .accumulate = p->accumulate,
    };
}

ck_status enter_channel_norm(const void *args, ck_run run) { return ck_channel_norm(args, run); }
ck_status enter_channel_norm_inverse(const void *args, ck_run run) { return ck_channel_norm_inverse(args, run); }
ck_status enter_channel_norm_backward(const void *args, ck_run run) { return ck_channel_norm_backward(args, run); }
ck_status enter_channel_norm_inverse_backward(const void *args, ck_run run) {
    return ck_channel_norm_inverse_backward(args, run);
}

void channel_problem_solve(channel_problem *p) {
    ck_channel_norm_args forward = channel_forward_args(p);
    forward.x = p->x;
    forward.y = p->y;
    forward.given = p->given ? p->moments : NULL;
    forward.moments = p->given ? NULL : p->moments;
    contract_channel_norm(&forward, 0);
    forward.given = p->moments;
    forward.moments = NULL;
    forward.y = p->inverse;
    contract_channel_norm(&forward, 1);

    ck_channel_norm_backward_args backward = channel_backward_args(p);
    backward.dy = p->dy;
    backward.x = p->x;
    for (int inverts = 0; inverts < 2; inverts++) {
        channel_gradients g = p->gradients[inverts];
        memcpy(g.dweight, p->before, (size_t)p->shape.channels * sizeof(float));
        memcpy(g.dbias, p->before, (size_t)p->shape.channels * sizeof(float));
        backward.dx = g.dx;
        backward.dweight = g.dweight;
        backward.dbias = g.dbias;
        contract_channel_norm_backward(&backward, inverts);
    }
}

static int is_same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

void check_moments(check *c, const ck_moments *found, const ck_moments *expected, int64_t count) {
    check_count(c);
    for (int64_t i = 0; i < count; i++) {
        ck_moments a = found[i], b = expected[i];
        if (a.count == b.count && is_same(a.mean, b.mean) && is_same(a.m2, b.m2)) continue;
        check_fail(c, "moments[%" PRId64 "] are %" PRId64 ", %.17g, %.17g, not %" PRId64 ", %.17g, %.17g", i, a.count,
                   a.mean, a.m2, b.count, b.mean, b.m2);
        return;
    }
}
