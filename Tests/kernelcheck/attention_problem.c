// attention_problem.c: drawing attentions and solving them in the contract's words.

#include "attention_problem.h"

#include <stdlib.h>
#include <string.h>

static void *room(int64_t bytes) {
    void *p = malloc((size_t)bytes);
    if (!p) exit(2);
    return p;
}

attention_problem attention_problem_make(void) {
    attention_problem p = {.scores = score_problem_make()};
    float **floats[] = {&p.query, &p.key, &p.value, &p.output, &p.doutput, &p.dquery, &p.dkey, &p.dvalue};
    void **stored[] = {&p.stored_query,   &p.stored_key,    &p.stored_value, &p.stored_output,
                       &p.stored_doutput, &p.stored_dquery, &p.stored_dkey,  &p.stored_dvalue};
    for (int i = 0; i < 8; i++) *floats[i] = room(4 * ATTENTION_ELEMENTS);
    for (int i = 0; i < 8; i++) *stored[i] = room(4 * ATTENTION_ELEMENTS);
    p.log_sum_exp = room(4 * SCORE_ROWS);
    p.log_sum_exp_low = room(4 * SCORE_ROWS);
    return p;
}

void attention_problem_free(attention_problem *p) {
    void *all[] = {p->query,         p->key,         p->value,        p->output,        p->log_sum_exp,
                   p->doutput,       p->dquery,      p->dkey,         p->dvalue,        p->log_sum_exp_low,
                   p->stored_query,  p->stored_key,  p->stored_value, p->stored_output, p->stored_doutput,
                   p->stored_dquery, p->stored_dkey, p->stored_dvalue};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    score_problem_free(&p->scores);
}

int64_t axis_count(const attention_axis *a, int64_t b) {
    return a->is_packed ? a->offsets[b + 1] - a->offsets[b] : a->most;
}

int64_t axis_outer(const attention_axis *a) { return a->is_paged ? a->pages : a->is_packed ? 1 : a->batch; }

int64_t axis_rows(const attention_axis *a) {
    return a->is_paged ? a->page_size : a->is_packed ? a->offsets[a->batch] : a->most;
}

int64_t axis_place(const attention_axis *a, ck_strides layout, int64_t b, int64_t head, int64_t r) {
    int64_t outer = b, row = r;
    if (a->is_paged) {
        outer = a->table[b * a->table_stride + r / a->page_size];
        row = r % a->page_size;
    } else if (a->is_packed) {
        outer = 0;
        row = a->offsets[b] + r;
    }
    return outer * layout.batch + head * layout.head + row * layout.row;
}

static int64_t draw_size(check *c) {
    static const int64_t sizes[] = {1, 2, 5, 8, 15, 16, 17, 24, 32, 33, 48, 64, 64, 65, 80, 96};
    return random_choice(&c->random, sizes, 16);
}

attention_shape attention_shape_draw(check *c, int64_t batch, int64_t queries, int64_t keys, int kinds) {
    static const int64_t groups[] = {1, 1, 2, 3, 4, 7};
    int64_t key_heads = 1 + random_below(&c->random, 2), group = random_choice(&c->random, groups, 6);
    int64_t head_size = draw_size(c), value_size = draw_size(c);
    return (attention_shape){batch, key_heads * group, key_heads, queries, keys, head_size, value_size, kinds, 0};
}

/// At least one row, if an entry may have one.
static void draw_packing(check *c, attention_axis *a) {
    a->is_packed = 1;
    for (int64_t b = 0; b < a->batch; b++) a->offsets[b + 1] = a->offsets[b] + random_below(&c->random, a->most + 1);
    if (a->offsets[a->batch] == 0 && a->most > 0) a->offsets[a->batch] = 1;
}

/// Each entry's pages anywhere among all; some belong to nobody.
static void draw_pages(check *c, attention_axis *a) {
    static const int64_t sizes[] = {1, 2, 16, 16, 64, 100, 128};
    int32_t order[ATTENTION_PAGES];
    a->is_paged = 1;
    a->page_size = random_choice(&c->random, sizes, 7);
    int64_t each = (a->most + a->page_size - 1) / a->page_size;
    a->table_stride = each + random_below(&c->random, 3);
    a->pages = a->batch * each + 1 + random_below(&c->random, 3);
    for (int32_t i = 0; i < a->pages; i++) order[i] = i;
    for (int64_t i = 0; i < a->batch * a->table_stride; i++) a->table[i] = -1;  // behind the keys: no pages
    for (int64_t i = 0; i < a->batch * each; i++) {
        int64_t other = i + random_below(&c->random, a->pages - i);
        int32_t page = order[other];
        order[other] = order[i];
        a->table[i / each * a->table_stride + i % each] = page;
    }
}

static void draw_axes(check *c, attention_problem *p) {
    attention_shape s = p->shape;
    p->queries = (attention_axis){.batch = s.batch, .most = s.queries};
    p->keys = (attention_axis){.batch = s.batch, .most = s.keys};
    if (random_below(&c->random, 4) == 0) draw_packing(c, &p->queries);
    int kind = (int)random_below(&c->random, 4);
    if (kind == 0) draw_packing(c, &p->keys);
    if (kind == 1 && !s.has_no_pages) draw_pages(c, &p->keys);
}

/// Often none.
static void draw_dropout(check *c, attention_problem *p) {
    static const float probabilities[] = {0, 0, 0, 0, 0, 0.1f, 0.5f, 0.99f, 0x1p-40f, 0x1.fffffep-1f};
    p->dropout = probabilities[random_below(&c->random, 10)];
    p->seed = (uint64_t)random_below(&c->random, INT64_MAX) * 3;
    p->first_query = random_below(&c->random, 2) ? random_below(&c->random, ((int64_t)1 << 32) - p->shape.queries) : 0;
}

/// Rows of `size` numbers of about `scale`; `growing`: later rows are larger. Sometimes a number that is none.
static void draw_rows(check *c, const attention_axis *a, int64_t heads, int64_t size, ck_type type, float scale,
                      int growing, float *numbers, void *stored) {
    static const float special[] = {NAN, INFINITY, -INFINITY, NAN, 3e38f, 0x1p-140f, -0.0f};
    for (int64_t row = 0; row < a->batch * heads * a->most; row++) {
        float factor = growing ? scale * (float)(1 + row % a->most) / (float)a->most : scale;
        for (int64_t i = row * size; i < (row + 1) * size; i++) numbers[i] = 2 * factor * random_uniform(&c->random);
    }
    if (a->batch * heads * a->most > 0 && random_below(&c->random, 3) == 0)
        for (int64_t n = 1 + random_below(&c->random, 4); n > 0; n--) {
            int64_t at = random_below(&c->random, a->batch * heads * a->most * size);
            numbers[at] = special[random_below(&c->random, 7)];
        }
    type_store(type, stored, numbers, a->batch * heads * a->most * size);
}

contract_attention_row attention_problem_row(const attention_problem *p, int64_t b, int64_t head, int64_t query) {
    attention_shape s = p->shape;
    int64_t row = (b * s.query_heads + head) * s.queries + query;
    int64_t first_key = (b * s.key_heads + head / (s.query_heads / s.key_heads)) * s.keys;
    contract_attention_row r = {
        .scores = score_problem_row(&p->scores, row),
        .query = p->query + row * s.head_size,
        .key = p->key + first_key * s.head_size,
        .value = p->value + first_key * s.value_size,
        .head_size = s.head_size,
        .value_size = s.value_size,
        .dropout = p->dropout,
        .seed = p->seed,
        .number = (uint64_t)(b * s.query_heads + head) << 32 | (uint64_t)(p->first_query + query),
    };
    if (r.scores.to > axis_count(&p->keys, b)) r.scores.to = axis_count(&p->keys, b);
    return r;
}

static void solve(attention_problem *p) {
    attention_shape s = p->shape;
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t h = 0; h < s.query_heads; h++)
            for (int64_t i = 0; i < axis_count(&p->queries, b); i++) {
                int64_t row = (b * s.query_heads + h) * s.queries + i;
                contract_attention_row r = attention_problem_row(p, b, h, i);
                contract_logarithm log = contract_attention(&r, p->output + row * s.value_size);
                p->log_sum_exp[row] = log.high;
                p->log_sum_exp_low[row] = log.low;
                type_store(p->type, (char *)p->stored_output + row * s.value_size * type_size(p->type),
                           p->output + row * s.value_size, s.value_size);
            }
}

/// Scores near what the contract treats apart: 86 below the largest one, where weights end, with values that show them;
/// or around 65536 in magnitude, where scores are taken from an anchor.
static void draw_edges(check *c, attention_problem *p) {
    static const float bases[] = {0, 3, 65536, -65536, 65530, 1e5f};
    attention_shape s = p->shape;
    float base = bases[random_below(&c->random, 6)];
    int is_steep = (int)random_below(&c->random, 2);
    p->scores.scale = 1;
    p->key_type = CK_F32;
    for (int64_t i = 0; i < s.batch * s.query_heads * s.queries * s.head_size; i++) p->query[i] = i % s.head_size == 0;
    for (int64_t row = 0; row < s.batch * s.key_heads * s.keys; row++) {
        float *key = p->key + row * s.head_size, *value = p->value + row * s.value_size;
        int is_low = random_below(&c->random, 3) != 0;
        for (int64_t d = 0; d < s.head_size; d++) key[d] = 0;
        float step = random_uniform(&c->random);
        key[0] = base + (is_steep ? is_low ? -86 + 2e-5f * step : 0 : 8 * step);
        for (int64_t d = 0; d < s.value_size; d++)
            value[d] = (is_steep ? is_low ? 2e38f : 0 : 1) * random_uniform(&c->random);
    }
    type_store(p->type, p->stored_query, p->query, s.batch * s.query_heads * s.queries * s.head_size);
    type_store(CK_F32, p->stored_key, p->key, s.batch * s.key_heads * s.keys * s.head_size);
    type_store(CK_F32, p->stored_value, p->value, s.batch * s.key_heads * s.keys * s.value_size);
}

void attention_problem_draw(check *c, attention_problem *p, attention_shape s) {
    static const float factors[] = {0.1f, 1, 1, 1, 4, 30, 3e3f, 1e4f};
    p->shape = s;
    p->type = (ck_type)random_below(&c->random, 3);
    p->key_type = (ck_type)random_below(&c->random, 3);
    score_problem_draw_mask(c, &p->scores, (int64_t[]){s.batch, s.query_heads, s.queries, s.keys}, s.kinds);
    draw_axes(c, p);
    draw_dropout(c, p);
    int growing = (int)random_below(&c->random, 2);
    float factor = factors[random_below(&c->random, 8)];
    draw_rows(c, &p->queries, s.query_heads, s.head_size, p->type, factor, 0, p->query, p->stored_query);
    draw_rows(c, &p->keys, s.key_heads, s.head_size, p->key_type, 1, growing, p->key, p->stored_key);
    draw_rows(c, &p->keys, s.key_heads, s.value_size, p->key_type, 1, 0, p->value, p->stored_value);
    if (random_below(&c->random, 6) == 0) draw_edges(c, p);
    solve(p);
}

static void scale_and_store(ck_type type, float *numbers, int64_t count, float factor, void *stored) {
    for (int64_t i = 0; i < count; i++) numbers[i] = numbers[i] * factor + 0.0f;
    type_store(type, stored, numbers, count);
}

/// A row's numbers and gradients, those of keys and values added.
static void solve_row_backward(attention_problem *p, int64_t b, int64_t head, int64_t query, int has_low) {
    attention_shape s = p->shape;
    int64_t row = (b * s.query_heads + head) * s.queries + query;
    int64_t first_key = (b * s.key_heads + head / (s.query_heads / s.key_heads)) * s.keys;
    contract_attention_row r = attention_problem_row(p, b, head, query);
    contract_attention_gradient g = {
        .doutput = p->doutput + row * s.value_size,
        .output = p->output + row * s.value_size,
        .logarithm = {p->log_sum_exp[row], has_low ? p->log_sum_exp_low[row] : 0},
        .dquery = p->dquery + row * s.head_size,
        .dkey = p->dkey + first_key * s.head_size,
        .dvalue = p->dvalue + first_key * s.value_size,
        .dscores = p->scores.ds + row * s.keys,
    };
    contract_attention_backward(&r, &g);
    p->scores.row_slopes[row] = g.slope;
    p->scores.row_sinks[row] = g.sink;
}

void attention_problem_draw_backward(check *c, attention_problem *p, int has_low) {
    attention_shape s = p->shape;
    int64_t rows = s.batch * s.query_heads * s.queries, keys = s.batch * s.key_heads * s.keys;
    draw_rows(c, &p->queries, s.query_heads, s.value_size, p->type, 1, 0, p->doutput, p->stored_doutput);
    memset(p->scores.ds, 0, (size_t)(4 * rows * s.keys));
    memset(p->scores.row_slopes, 0, (size_t)(4 * rows));
    memset(p->scores.row_sinks, 0, (size_t)(4 * rows));
    memset(p->dquery, 0, (size_t)(4 * rows * s.head_size));
    memset(p->dkey, 0, (size_t)(4 * keys * s.head_size));
    memset(p->dvalue, 0, (size_t)(4 * keys * s.value_size));
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t i = 0; i < axis_count(&p->queries, b); i++)
            for (int64_t h = 0; h < s.query_heads; h++) solve_row_backward(p, b, h, i, has_low);
    scale_and_store(p->type, p->dquery, rows * s.head_size, p->scores.scale, p->stored_dquery);
    scale_and_store(p->key_type, p->dkey, keys * s.head_size, p->scores.scale, p->stored_dkey);
    scale_and_store(p->key_type, p->dvalue, keys * s.value_size, 1 / (1 - p->dropout), p->stored_dvalue);
}
