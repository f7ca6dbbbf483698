// score_problem.c: drawing softmaxes of masked scores and solving them in the contract's words.

#include "score_problem.h"

#include <stdlib.h>
#include <string.h>

#include "patterns.h"

static void *room(int64_t bytes) {
    void *p = malloc((size_t)bytes);
    if (!p) exit(2);
    return p;
}

score_problem score_problem_make(void) {
    score_problem p = {0};
    float **floats[] = {&p.x, &p.y, &p.dy, &p.ds, &p.dx, &p.bias};
    void **stored[] = {&p.stored_x, &p.stored_y, &p.stored_dy, &p.stored_dx, &p.stored_bias};
    for (int i = 0; i < 6; i++) *floats[i] = room(4 * SCORE_ELEMENTS);
    for (int i = 0; i < 5; i++) *stored[i] = room(4 * SCORE_ELEMENTS);
    p.boolean = room(SCORE_ELEMENTS);
    p.log_sum_exp = room(4 * SCORE_ROWS);
    p.row_slopes = room(4 * SCORE_ROWS);
    p.row_sinks = room(4 * SCORE_ROWS);
    p.lengths = room(8 * SCORE_ROWS);
    p.offsets = room(8 * SCORE_ROWS);
    return p;
}

void score_problem_free(score_problem *p) {
    void *all[] = {p->x,        p->y,        p->dy,        p->ds,          p->dx,          p->bias,
                   p->stored_x, p->stored_y, p->stored_dy, p->stored_dx,   p->stored_bias, p->boolean,
                   p->lengths,  p->offsets,  p->row_sinks, p->log_sum_exp, p->row_slopes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

int64_t score_problem_rows(const score_problem *p) { return p->batch * p->heads * p->queries; }

/// Strides in rows of a tensor that shares some axes; its number of rows.
static int64_t draw_sharing(check *c, const score_problem *p, ck_strides *strides) {
    int shared = (int)random_below(&c->random, 8);
    int64_t batch = shared & 1 ? 1 : p->batch, heads = shared & 2 ? 1 : p->heads, queries = shared & 4 ? 1 : p->queries;
    *strides = (ck_strides){shared & 1 ? 0 : heads * queries, shared & 2 ? 0 : queries, shared & 4 ? 0 : 1};
    return batch * heads * queries;
}

static void draw_scores(check *c, float *x, int64_t n) {
    static const float scales[] = {1, 8, 40, 1e4f, 3e5f};
    float scale = scales[random_below(&c->random, 5)];
    if (random_below(&c->random, 5) == 0)
        pattern_fill((pattern)random_below(&c->random, PATTERNS), x, n, &c->random);
    else
        for (int64_t i = 0; i < n; i++) x[i] = scale * random_normal(&c->random);
}

static void draw_bias(check *c, score_problem *p) {
    p->bias_rows = draw_sharing(c, p, &p->mask.bias_strides);
    p->mask.bias_type = (ck_type)random_below(&c->random, 3);
    float special[] = {-INFINITY, -INFINITY, NAN, INFINITY};
    for (int64_t i = 0; i < p->bias_rows * p->keys; i++) {
        p->bias[i] = 3 * random_normal(&c->random);
        if (random_below(&c->random, 200) == 0) p->bias[i] = special[random_below(&c->random, 4)];
    }
    type_store(p->mask.bias_type, p->stored_bias, p->bias, p->bias_rows * p->keys);
    p->mask.bias = p->stored_bias;
}

static void draw_boolean(check *c, score_problem *p) {
    p->boolean_rows = draw_sharing(c, p, &p->mask.boolean_strides);
    for (int64_t row = 0; row < p->boolean_rows; row++) {
        int64_t kept = random_below(&c->random, 5);  // of four; sometimes none or all
        for (int64_t j = 0; j < p->keys; j++)
            p->boolean[row * p->keys + j] = random_below(&c->random, 4) < kept ? 1 << random_below(&c->random, 8) : 0;
    }
    p->mask.boolean = p->boolean;
}

static void draw_structure(check *c, score_problem *p) {
    int64_t far = p->keys + 20;
    p->mask.offset = random_below(&c->random, 2) ? p->keys - p->queries : random_below(&c->random, 2 * far) - far;
    for (int64_t b = 0; b < p->batch; b++) p->offsets[b] = random_below(&c->random, 2 * far) - far;
    if (random_below(&c->random, 3) == 0) p->mask.offsets = p->offsets;
    p->mask.causal = (p->kinds & MASK_CAUSAL) != 0;
    p->mask.windowed = (p->kinds & MASK_WINDOW) != 0;
    p->mask.window_left = random_below(&c->random, p->keys + 2) - 1;
    p->mask.window_right = random_below(&c->random, p->keys + 2) - 1;
    if (!(p->kinds & MASK_LENGTHS)) return;
    p->length_count = draw_sharing(c, p, &p->mask.length_strides);
    for (int64_t i = 0; i < p->length_count; i++) p->lengths[i] = random_below(&c->random, p->keys + 1);
    p->mask.lengths = p->lengths;
}

static void draw_mask(check *c, score_problem *p) {
    static const float caps[] = {0.25f, 5, 30, 50, 1e4f};
    memset(&p->mask, 0, sizeof p->mask);
    draw_structure(c, p);
    if (p->kinds & MASK_SOFTCAP) p->mask.softcap = caps[random_below(&c->random, 5)];
    if (p->kinds & MASK_BIAS) draw_bias(c, p);
    if (p->kinds & MASK_BOOLEAN) draw_boolean(c, p);
    for (int64_t h = 0; h < p->heads; h++) {
        p->slopes[h] = random_below(&c->random, 5) ? 0.1f * random_normal(&c->random) : 0;
        p->sinks[h] = random_below(&c->random, 5) ? 4 * random_normal(&c->random) : -INFINITY;
        if (random_below(&c->random, 40) == 0) p->sinks[h] = random_below(&c->random, 2) ? NAN : INFINITY;
    }
    if (p->kinds & MASK_SLOPES) p->mask.slopes = p->slopes;
    if (p->kinds & MASK_SINKS) p->mask.sinks = p->sinks;
}

contract_score_row score_problem_row(const score_problem *p, int64_t row) {
    int64_t q = row % p->queries, h = row / p->queries % p->heads, b = row / p->queries / p->heads;
    const ck_mask *m = &p->mask;
    contract_score_row r = {
        .x = p->x + row * p->keys,
        .keys = p->keys,
        .to = p->keys,
        .position = (m->offsets ? m->offsets[b] : m->offset) + q,
        .scale = p->scale,
        .cap = m->softcap,
        .slope = m->slopes ? m->slopes[h] : 0,
        .sink = m->sinks ? m->sinks[h] : -INFINITY,
    };
    ck_strides s = m->bias_strides;
    if (m->bias) r.bias = p->bias + (b * s.batch + h * s.head + q * s.row) * p->keys;
    s = m->boolean_strides;
    if (m->boolean) r.boolean = m->boolean + (b * s.batch + h * s.head + q * s.row) * p->keys;
    if (m->causal && r.to > r.position + 1) r.to = r.position + 1;
    if (m->windowed && m->window_left >= 0) r.from = r.position - m->window_left;
    if (m->windowed && m->window_right >= 0 && r.to > r.position + m->window_right + 1)
        r.to = r.position + m->window_right + 1;
    s = m->length_strides;
    int64_t length = m->lengths ? m->lengths[b * s.batch + h * s.head + q * s.row] : p->keys;
    if (r.to > length) r.to = length;
    return r;
}

void score_problem_draw_mask(check *c, score_problem *p, const int64_t shape[4], int kinds) {
    static const float scales[] = {1, 0.125f, 0.7f, -0.5f, 1e-3f};
    p->batch = shape[0];
    p->heads = shape[1];
    p->queries = shape[2];
    p->keys = shape[3];
    p->type = (ck_type)random_below(&c->random, 3);
    p->scale = scales[random_below(&c->random, 5)];
    p->kinds = kinds;
    draw_mask(c, p);
}

void score_problem_draw(check *c, score_problem *p, const int64_t shape[4], int kinds) {
    score_problem_draw_mask(c, p, shape, kinds);
    int64_t rows = score_problem_rows(p), n = p->keys;
    float offset = random_below(&c->random, 3) == 0 ? 1e6f : 0;
    for (int64_t row = 0; row < rows; row++) draw_scores(c, p->x + row * n, n);
    for (int64_t i = 0; i < rows * n; i++) p->dy[i] = random_normal(&c->random) + offset;
    type_store(p->type, p->stored_x, p->x, rows * n);
    type_store(p->type, p->stored_dy, p->dy, rows * n);
    for (int64_t row = 0; row < rows; row++) {
        contract_score_row r = score_problem_row(p, row);
        float *y = p->y + row * n;
        p->log_sum_exp[row] = contract_score_softmax(&r, y);
        type_store(p->type, (char *)p->stored_y + row * n * type_size(p->type), y, n);
        contract_score_sums sums =
            contract_score_backward(&r, p->dy + row * n, y, p->log_sum_exp[row], p->ds + row * n, p->dx + row * n);
        p->row_slopes[row] = sums.slope;
        p->row_sinks[row] = sums.sink;
    }
    type_store(p->type, p->stored_dx, p->dx, rows * n);
}

void score_problem_bias_gradient(const score_problem *p, int apart, float *dbias) {
    int64_t extents[3] = {p->batch, p->heads, p->queries}, outer[3], inner[3], n = p->keys;
    for (int axis = 0; axis < 3; axis++) {
        outer[axis] = apart >> axis & 1 ? extents[axis] : 1;
        inner[axis] = extents[axis] / outer[axis];
    }
    int64_t count = inner[0] * inner[1] * inner[2], share = (count + 63) / 64;
    int64_t per_block = share <= 16 ? 16 : (share + 3) / 4 * 4;
    float *block = room(4 * n);
    for (int64_t o = 0; o < outer[0] * outer[1] * outer[2]; o++)
        for (int64_t i = 0; i < count; i++) {
            int64_t b = o / outer[2] / outer[1] + i / inner[2] / inner[1];
            int64_t h = o / outer[2] % outer[1] + i / inner[2] % inner[1], q = o % outer[2] + i % inner[2];
            const float *ds = p->ds + ((b * p->heads + h) * p->queries + q) * n;
            float *sum = dbias + o * n;
            for (int64_t j = 0; j < n; j++) block[j] = (i % per_block == 0 ? 0 : block[j]) + ds[j];
            if ((i + 1) % per_block != 0 && i + 1 != count) continue;
            for (int64_t j = 0; j < n; j++) sum[j] = i < per_block ? block[j] : sum[j] + block[j];
        }
    free(block);
}

void score_problem_head_gradient(const score_problem *p, const float *of_rows, float *gradient) {
    for (int64_t h = 0; h < p->heads; h++) {
        contract_sum sum = {0};
        for (int64_t b = 0; b < p->batch; b++)
            for (int64_t q = 0; q < p->queries; q++) contract_add(&sum, of_rows[(b * p->heads + h) * p->queries + q]);
        gradient[h] = contract_total(&sum);
    }
}
