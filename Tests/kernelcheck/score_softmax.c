// score_softmax.c: the family score_softmax: masked scores, forward and backward, against the contract's words, by
// bits, over types, shapes, layouts, every combination of masks, and thread counts; keys outside a range behind guard
// pages.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "mask_memory.h"
#include "score_entry.h"

enum { X, Y, DY, DX, SAVED, DBIAS, DSLOPES, DSINKS, WORKSPACE, HOMES };

typedef struct score_memory {
    guarded home[HOMES];
    mask_memory mask;
    void *scratch;
    float *gradient;
} score_memory;

static ck_strides score_layout(check *c, const score_problem *p) {
    return draw_layout(c, p->batch, p->heads, p->queries);
}

/// The packed rows of `from` in the order of a layout.
static void *arranged(const score_problem *p, ck_type type, const void *from, ck_strides layout, void *to) {
    int64_t bytes = p->keys * type_size(type), row = 0;
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t h = 0; h < p->heads; h++)
            for (int64_t q = 0; q < p->queries; q++, row++)
                memcpy((char *)to + (b * layout.batch + h * layout.head + q * layout.row) * bytes,
                       (const char *)from + row * bytes, (size_t)bytes);
    return to;
}

/// Rows of the problem in a layout; `packed` NULL: canaries.
static matrix place_rows(check *c, const score_memory *m, int home, const score_problem *p, const void *packed,
                         ck_strides layout) {
    matrix placed = place(c, &m->home[home], p->type, score_problem_rows(p), p->keys);
    if (packed) matrix_fill(placed, arranged(p, p->type, packed, layout, m->scratch));
    return placed;
}

static void expect_rows(check *c, const char *name, const score_memory *m, const score_problem *p, matrix placed,
                        const void *packed, ck_strides layout) {
    matrix_expect(c, name, placed, arranged(p, p->type, packed, layout, m->scratch));
}

static void compare_forward(check *c, const score_problem *p, const score_memory *m, ck_run run) {
    int wants = (int)random_below(&c->random, 4);  // 0: log_sum_exp alone; 1: y alone; else both
    int in_place = wants != 0 && random_below(&c->random, 3) == 0;
    ck_strides x_layout = score_layout(c, p), y_layout = in_place ? x_layout : score_layout(c, p);
    matrix x = place_rows(c, m, X, p, p->stored_x, x_layout), y = {0}, saved = {0};
    if (wants != 0) y = in_place ? x : place_rows(c, m, Y, p, NULL, y_layout);
    if (wants != 1) saved = place(c, &m->home[SAVED], CK_F32, 1, score_problem_rows(p));
    ck_score_softmax_args args = {
        .batch = p->batch,
        .heads = p->heads,
        .queries = p->queries,
        .keys = p->keys,
        .type = p->type,
        .scale = p->scale,
        .x = x.base,
        .x_strides = times(x_layout, x.stride),
        .y = y.base,
        .y_strides = times(y_layout, y.stride),
        .log_sum_exp = saved.base,
        .mask = place_mask(c, &m->mask, p),
    };
    if (!check_call(c, enter_score_softmax, &args, run, CK_OK)) return;
    if (y.base) expect_rows(c, "y", m, p, y, p->stored_y, y_layout);
    matrix_expect(c, "log_sum_exp", saved, p->log_sum_exp);
    if (!in_place) expect_rows(c, "x", m, p, x, p->stored_x, x_layout);
}

/// The scores without the softmax. `m->gradient` holds them meanwhile.
static void compare_scores(check *c, const score_problem *p, const score_memory *m, ck_run run) {
    int in_place = random_below(&c->random, 3) == 0;
    ck_strides x_layout = score_layout(c, p), y_layout = in_place ? x_layout : score_layout(c, p);
    matrix x = place_rows(c, m, X, p, p->stored_x, x_layout);
    matrix y = in_place ? x : place_rows(c, m, Y, p, NULL, y_layout);
    ck_score_softmax_args args = {p->batch, p->heads, p->queries, p->keys, p->type, p->scale, .x = x.base, .y = y.base};
    args.x_strides = times(x_layout, x.stride);
    args.y_strides = times(y_layout, y.stride);
    args.mask = place_mask(c, &m->mask, p);
    if (!check_call(c, enter_masked_scores, &args, run, CK_OK)) return;
    for (int64_t row = 0; row < score_problem_rows(p); row++) {
        contract_score_row r = score_problem_row(p, row);
        for (int64_t j = 0; j < p->keys; j++)
            type_set_bits(p->type, m->gradient, row * p->keys + j, type_round(p->type, contract_score(&r, j)));
    }
    expect_rows(c, "scores", m, p, y, m->gradient, y_layout);
}

static void compare_backward(check *c, const score_problem *p, const score_memory *m, ck_run run) {
    int in_place = (int)random_below(&c->random, 4);                                  // 0: dx is dy; 1: dx is y
    int apart = (int)random_below(&c->random, 9), rows = (int)score_problem_rows(p);  // 8: no dbias
    ck_strides dy_layout = score_layout(c, p), y_layout = score_layout(c, p), x_layout = score_layout(c, p);
    ck_strides dx_layout = in_place == 0 ? dy_layout : in_place == 1 ? y_layout : score_layout(c, p);
    matrix dy = place_rows(c, m, DY, p, p->stored_dy, dy_layout), y = place_rows(c, m, Y, p, p->stored_y, y_layout);
    matrix x = place_rows(c, m, X, p, p->stored_x, x_layout), dbias = {0}, dslopes = {0}, dsinks = {0};
    matrix dx = in_place == 0 ? dy : in_place == 1 ? y : place_rows(c, m, DX, p, NULL, dx_layout);
    int64_t b = apart & 1 ? p->batch : 1, h = apart & 2 ? p->heads : 1, q = apart & 4 ? p->queries : 1;
    ck_strides bias_layout = {apart & 1 ? h * q : 0, apart & 2 ? q : 0, apart & 4 ? 1 : 0};
    if (apart < 8) dbias = place(c, &m->home[DBIAS], CK_F32, b * h * q, p->keys);
    if (random_below(&c->random, 2)) dslopes = place(c, &m->home[DSLOPES], CK_F32, 1, p->heads);
    if (p->mask.sinks) dsinks = place(c, &m->home[DSINKS], CK_F32, 1, p->heads);
    ck_score_softmax_backward_args args = {
        .batch = p->batch,
        .heads = p->heads,
        .queries = p->queries,
        .keys = p->keys,
        .type = p->type,
        .scale = p->scale,
        .dy = dy.base,
        .y = y.base,
        .x = p->mask.softcap != 0 ? x.base : NULL,
        .log_sum_exp = place_floats(c, &m->home[SAVED], p->mask.sinks ? p->log_sum_exp : NULL, rows),
        .dx = dx.base,
        .dy_strides = times(dy_layout, dy.stride),
        .y_strides = times(y_layout, y.stride),
        .x_strides = times(x_layout, x.stride),
        .dx_strides = times(dx_layout, dx.stride),
        .dbias = dbias.base,
        .dbias_strides = times(bias_layout, dbias.stride),
        .dslopes = dslopes.base,
        .dsinks = dsinks.base,
        .mask = place_mask(c, &m->mask, p),
    };
    args.workspace_size = ck_score_softmax_backward_workspace(&args);
    int64_t floats = (int64_t)(args.workspace_size / sizeof(float));
    matrix workspace = matrix_place(&m->home[WORKSPACE], CK_F32, 1, floats + 1, floats + 1, 0);
    args.workspace = floats > 0 ? workspace.base : NULL;
    if (!check_call(c, enter_score_softmax_backward, &args, run, CK_OK)) return;
    expect_rows(c, "dx", m, p, dx, p->stored_dx, dx_layout);
    if (in_place != 0) expect_rows(c, "dy", m, p, dy, p->stored_dy, dy_layout);
    if (in_place != 1) expect_rows(c, "y", m, p, y, p->stored_y, y_layout);
    if (dbias.base) score_problem_bias_gradient(p, apart, m->gradient);
    matrix_expect(c, "dbias", dbias, m->gradient);
    score_problem_head_gradient(p, p->row_slopes, m->gradient);
    matrix_expect(c, "dslopes", dslopes, m->gradient);
    score_problem_head_gradient(p, p->row_sinks, m->gradient);
    matrix_expect(c, "dsinks", dsinks, m->gradient);
    matrix_expect_around(c, "workspace", workspace);
}

static void compare(check *c, score_problem *p, const score_memory *m, const int64_t shape[4], int kinds) {
    static const int64_t threads[] = {1, 1, 2, 3, 8};
    check_begin(c);
    score_problem_draw(c, p, shape, kinds);
    ck_run run = {c->isa, (int32_t)random_choice(&c->random, threads, 5)};
    check_describe(c,
                   "%s, batch %" PRId64 ", heads %" PRId64 ", queries %" PRId64 ", keys %" PRId64
                   ", masks %d, offset %" PRId64 ", window %" PRId64 " %" PRId64 ", threads %d",
                   type_name(p->type), p->batch, p->heads, p->queries, p->keys, kinds, p->mask.offset,
                   p->mask.window_left, p->mask.window_right, run.threads);
    compare_forward(c, p, m, run);
    compare_scores(c, p, m, run);
    compare_backward(c, p, m, run);
}

/// Memory that begins with key `from` of a row and ends before key `to`: what is outside must not be touched.
static void *only_keys(const guarded *home, const void *row, int64_t size, int64_t from, int64_t to, int at_end) {
    char *first = (char *)home->first + (at_end ? home->bytes - (to - from) * size : 0);
    memcpy(first, (const char *)row + from * size, (size_t)((to - from) * size));
    return (void *)((uintptr_t)first - (uintptr_t)(from * size));
}

/// One row: neither direction reads a key outside its range.
static void compare_range(check *c, score_problem *p, const score_memory *m, int64_t keys, int at_end) {
    const int64_t shape[4] = {1, 1, 1, keys};
    check_begin(c);
    int kinds = MASK_WINDOW | MASK_LENGTHS | (int)random_below(&c->random, ALL_KINDS + 1);
    score_problem_draw(c, p, shape, kinds);
    contract_score_row r = score_problem_row(p, 0);
    int64_t from = r.from < 0 ? 0 : r.from, to = r.to, size = type_size(p->type);
    if (from >= to) from = to = 0;
    check_describe(c, "%s, keys %" PRId64 " of %" PRId64 " ... %" PRId64 " alone, masks %d", type_name(p->type), keys,
                   from, to, kinds);
    ck_mask mask = p->mask;
    if (mask.bias) mask.bias = only_keys(&m->mask.bias, p->stored_bias, type_size(mask.bias_type), from, to, at_end);
    if (mask.boolean) mask.boolean = only_keys(&m->mask.boolean, p->boolean, 1, from, to, at_end);
    matrix y = place(c, &m->home[Y], p->type, 1, keys);
    ck_score_softmax_args args = {1, 1, 1, keys, p->type, p->scale, .y = y.base, .mask = mask};
    args.x = only_keys(&m->home[X], p->stored_x, size, from, to, at_end);
    if (check_call(c, enter_score_softmax, &args, (ck_run){c->isa, 1}, CK_OK)) matrix_expect(c, "y", y, p->stored_y);
    check_call(c, enter_masked_scores, &args, (ck_run){c->isa, 1}, CK_OK);
    matrix dx = place(c, &m->home[DX], p->type, 1, keys);
    ck_score_softmax_backward_args back = {1, 1, 1, keys, p->type, p->scale, .x = args.x, .dx = dx.base, .mask = mask};
    back.dy = only_keys(&m->home[DY], p->stored_dy, size, from, to, at_end);
    back.y = only_keys(&m->home[DBIAS], p->stored_y, size, from, to, at_end);
    back.log_sum_exp = p->log_sum_exp;
    if (check_call(c, enter_score_softmax_backward, &back, (ck_run){c->isa, 1}, CK_OK))
        matrix_expect(c, "dx", dx, p->stored_dx);
}

void check_score_softmax(check *c) {
    static const int64_t wide[] = {511, 1000, 1024, 1025, 2047, 4097, 16384, 16385, 33000, 65536, 65537, 70000};
    score_problem p = score_problem_make();
    score_memory m = {.scratch = malloc(4 * SCORE_ELEMENTS), .gradient = malloc(4 * SCORE_ELEMENTS)};
    m.mask = mask_memory_make();
    if (!m.scratch || !m.gradient) exit(2);
    for (int i = 0; i < HOMES; i++)
        m.home[i] = guarded_make(matrix_needs(CK_F32, 1, 4 * SCORE_ELEMENTS + SCORE_ROWS * MAX_GAP));
    for (int64_t keys = 1; keys <= 300; keys++)
        for (int repeat = 0; repeat < (c->quick ? 1 : 6); repeat++) {
            const int64_t shape[4] = {1 + keys % 3, 1 + (keys / 3 + repeat) % 4, 1 + (keys + 3 * repeat) % 11, keys};
            compare(c, &p, &m, shape, (int)((keys * 37 + repeat * 101) & ALL_KINDS));
        }
    for (int kinds = 0; kinds <= ALL_KINDS; kinds++)
        for (int repeat = 0; repeat < (c->quick ? 1 : 4); repeat++) {
            const int64_t shape[4] = {2, 3, 7, 40 + kinds % 61};
            compare(c, &p, &m, shape, kinds);
        }
    for (int w = 0; w < 12; w++)
        for (int repeat = 0; repeat < (c->quick ? 2 : 10); repeat++) {
            const int64_t shape[4] = {1, 1, SCORE_ELEMENTS / wide[w] < 5 ? SCORE_ELEMENTS / wide[w] : 5, wide[w]};
            compare(c, &p, &m, shape, (int)random_below(&c->random, ALL_KINDS + 1));
        }
    for (int repeat = 0; repeat < (c->quick ? 4 : 24); repeat++) {  // enough rows for several blocks in a sum
        const int64_t shape[4] = {1 + repeat % 3, 1 + repeat % 5, 160, 1 + 5 * (repeat % 7)};
        compare(c, &p, &m, shape, (int)random_below(&c->random, ALL_KINDS + 1));
    }
    for (int64_t keys = 1; keys <= 1000; keys += keys < 130 ? 1 : 97)
        for (int at_end = 0; at_end < 2; at_end++) compare_range(c, &p, &m, keys, at_end);
    for (int i = 0; i < HOMES; i++) guarded_free(&m.home[i]);
    mask_memory_free(&m.mask);
    free(m.scratch);
    free(m.gradient);
    score_problem_free(&p);
}
