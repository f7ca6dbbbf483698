// channel_norm.c: the family channel_norm: ck_channel_norm, its inverse and the backward passes of both on one instruction set
// against the contract's words, over shapes, sets, layouts, types, options and thread counts.

#include <inttypes.h>
#include <stddef.h>

#include "channel_problem.h"
#include "families.h"
#include "guarded.h"
#include "storage_types.h"

/// Where the arguments lie.
typedef struct channel_memory {
    guarded x, dy, out, weight, bias, dweight, dbias, workspace;
} channel_memory;

static matrix place(check *c, const guarded *home, ck_type type, int64_t count, const void *values) {
    matrix m = matrix_place(home, type, 1, count, count, (int)random_below(&c->random, PLACES));
    matrix_fill(m, values);
    return m;
}

static matrix place_if(check *c, int given, const guarded *home, int64_t count, const void *values) {
    return given ? place(c, home, CK_F32, count, values) : (matrix){0};
}

/// Exactly the bytes that the call needs, at a 64-byte line: in the midst, or flush with either end.
static matrix place_workspace(check *c, const guarded *home, size_t bytes) {
    static const int64_t places[] = {0, FLUSH_START, FLUSH_END};
    int64_t floats = (int64_t)(bytes / sizeof(float));
    return matrix_place(home, CK_F32, 1, floats, floats, (int)random_choice(&c->random, places, 3));
}

static void compare_forward(check *c, const channel_problem *p, const channel_memory *m, ck_run run, int inverts) {
    const ck_channel_shape *s = &p->shape;
    int64_t elements = s->samples * s->channels * s->positions, sets = s->regions * s->groups;
    int in_place = random_below(&c->random, 3) == 0;
    matrix x = place(c, &m->x, s->type, elements, p->x),
           weight = place_if(c, p->weight_given != NULL, &m->weight, s->channels, p->weight);
    matrix bias = place_if(c, p->bias_given != NULL, &m->bias, s->channels, p->bias);
    matrix y =
        in_place ? x : matrix_place(&m->out, s->type, 1, elements, elements, (int)random_below(&c->random, PLACES));
    size_t size = ck_channel_norm_workspace(s);
    matrix workspace = place_workspace(c, &m->workspace, size);
    ck_channel_norm_args args = channel_forward_args(p);
    args.x = x.base;
    args.y = y.base;
    args.weight = weight.base;
    args.bias = bias.base;
    args.given = inverts || p->given ? p->moments : NULL;
    args.moments = args.given ? NULL : p->found;
    args.workspace = workspace.base;
    args.workspace_size = size;
    if (!check_call(c, inverts ? enter_channel_norm_inverse : enter_channel_norm, &args, run, CK_OK)) return;
    matrix_expect(c, inverts ? "inverse" : "y", y, inverts ? p->inverse : p->y);
    if (!in_place) matrix_expect(c, "x", x, p->x);
    matrix_expect(c, "weight", weight, p->weight);
    matrix_expect(c, "bias", bias, p->bias);
    matrix_expect_around(c, "workspace", workspace);
    if (args.moments) check_moments(c, p->found, p->moments, sets);
}

static void compare_backward(check *c, const channel_problem *p, const channel_memory *m, ck_run run, int inverts) {
    const ck_channel_shape *s = &p->shape;
    int64_t elements = s->samples * s->channels * s->positions;
    int wants_dx = random_below(&c->random, 4) > 0, in_place = wants_dx && random_below(&c->random, 3) == 0;
    matrix dy = place(c, &m->dy, s->type, elements, p->dy), x = place(c, &m->x, s->type, elements, p->x);
    matrix weight = place_if(c, p->weight_given != NULL, &m->weight, s->channels, p->weight);
    matrix bias = place_if(c, p->bias_given != NULL, &m->bias, s->channels, p->bias);
    matrix dweight = place_if(c, random_below(&c->random, 4) > 0, &m->dweight, s->channels, p->before);
    matrix dbias = place_if(c, random_below(&c->random, 4) > 0, &m->dbias, s->channels, p->before);
    matrix dx = {0};
    if (in_place)
        dx = dy;
    else if (wants_dx)
        dx = matrix_place(&m->out, s->type, 1, elements, elements, (int)random_below(&c->random, PLACES));
    size_t size = ck_channel_norm_backward_workspace(s);
    matrix workspace = place_workspace(c, &m->workspace, size);
    ck_channel_norm_backward_args args = channel_backward_args(p);
    args.dy = dy.base;
    args.x = x.base;
    args.weight = weight.base;
    args.bias = bias.base;
    args.dx = dx.base;
    args.dweight = dweight.base;
    args.dbias = dbias.base;
    args.workspace = workspace.base;
    args.workspace_size = size;
    entry_point entry = inverts ? enter_channel_norm_inverse_backward : enter_channel_norm_backward;
    if (!check_call(c, entry, &args, run, CK_OK)) return;
    matrix_expect(c, inverts ? "the inverse's dx" : "dx", dx, p->gradients[inverts].dx);
    matrix_expect(c, inverts ? "the inverse's dweight" : "dweight", dweight, p->gradients[inverts].dweight);
    matrix_expect(c, inverts ? "the inverse's dbias" : "dbias", dbias, p->gradients[inverts].dbias);
    if (!in_place) matrix_expect(c, "dy", dy, p->dy);
    matrix_expect(c, "x", x, p->x);
    matrix_expect(c, "weight", weight, p->weight);
    matrix_expect_around(c, "workspace", workspace);
}

static void compare(check *c, channel_problem *p, const channel_memory *m, ck_channel_shape shape) {
    static const int32_t threads[] = {1, 0, 2, 3, 8};
    check_begin(c);
    p->shape = shape;
    check_describe(c,
                   "%s, %s, samples %" PRId64 ", channels %" PRId64 ", positions %" PRId64 ", groups %" PRId64
                   ", regions %" PRId64 "%s",
                   type_name(shape.type), shape.layout == CK_CHANNELS_FIRST ? "channels first" : "channels last",
                   shape.samples, shape.channels, shape.positions, shape.groups, shape.regions,
                   shape.region_samples ? " of different sizes" : "");
    channel_problem_draw(c, p);
    channel_problem_solve(p);
    for (int t = 0; t < 5; t += 1 + (int)random_below(&c->random, 4)) {
        ck_run run = {c->isa, threads[t]};
        compare_forward(c, p, m, run, 0);
        compare_forward(c, p, m, run, 1);
        compare_backward(c, p, m, run, 0);
        compare_backward(c, p, m, run, 1);
    }
}

/// Cuts a shape into sets at random: batch, sources, groups, instances, or anything else.
static ck_channel_shape draw_sets(check *c, channel_problem *p, ck_channel_shape s) {
    random_source *r = &c->random;
    int64_t divisor = 1 + random_below(r, s.channels);
    while (s.channels % divisor) divisor--;
    s.groups = random_below(r, 2) ? s.channels : divisor;
    s.regions = random_below(r, 2) ? 1 : s.samples;
    if (random_below(r, 3) > 0 || s.samples < 2) return s;
    s.regions = 0;
    for (int64_t rest = s.samples; rest > 0; s.regions++) {
        int64_t count = s.regions == CHANNEL_REGIONS - 1 ? rest : 1 + random_below(r, rest);
        p->counts[s.regions] = count;
        rest -= count;
    }
    s.region_samples = p->counts;
    return s;
}

static void compare_cut(check *c, channel_problem *p, const channel_memory *m, int64_t samples, int64_t channels,
                        int64_t positions) {
    for (int layout = CK_CHANNELS_FIRST; layout <= CK_CHANNELS_LAST; layout++) {
        ck_channel_shape s = {samples, channels, positions, (ck_layout)layout, (ck_type)random_below(&c->random, 3),
                              1,       1,        NULL};
        if (samples * channels * positions <= CHANNEL_ELEMENTS && samples * channels <= CHANNEL_SETS)
            compare(c, p, m, draw_sets(c, p, s));
    }
}

void check_channel_norm(check *c) {
    static const int64_t channels[] = {1, 2, 3, 5, 12, 15, 16, 17, 31, 32, 33, 64, 100, 511, 512, 513, 1025};
    static const int64_t positions[] = {1, 2, 3, 7, 16, 49, 63, 64, 65, 127, 128, 129, 300, 1024, 1100};
    static const int64_t samples[] = {1, 2, 3, 7, 8, 9, 16, 17, 60};
    channel_problem p = channel_problem_make();
    int64_t tensor = matrix_needs(CK_F32, 1, CHANNEL_ELEMENTS), vector = matrix_needs(CK_F32, 1, CHANNELS);
    channel_memory m = {
        guarded_make(tensor), guarded_make(tensor),
        guarded_make(tensor), guarded_make(vector),
        guarded_make(vector), guarded_make(vector),
        guarded_make(vector), guarded_make(64 * CHANNEL_ELEMENTS * (int64_t)sizeof(float)),
    };
    for (int i = 0; i < 17; i++)
        for (int j = 0; j < 15; j++)
            for (int k = 0; k < (c->quick ? 1 : 3); k++)
                if (!c->quick || channels[i] * positions[j] <= 3000)
                    compare_cut(c, &p, &m, random_choice(&c->random, samples, 9), channels[i], positions[j]);
    for (int64_t rows = 1; rows <= 300;
         rows += c->quick ? 37 : 3)  // around tiles of 8, samples of 16 and parts of 128 rows
        compare_cut(c, &p, &m, rows, 1 + random_below(&c->random, 40), 1);
    compare_cut(c, &p, &m, 4100, 19, 1);
    guarded *all[] = {&m.x, &m.dy, &m.out, &m.weight, &m.bias, &m.dweight, &m.dbias, &m.workspace};
    for (int i = 0; i < 8; i++) guarded_free(all[i]);
    channel_problem_free(&p);
}
