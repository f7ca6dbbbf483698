// attention.c: the family attention: against the contract's words, by bits, over types, sizes of heads, groups of
// heads, numbers of queries and keys, layouts, packed and paged keys, masks and thread counts; one query of many by
// itself; keys outside a range behind guard pages.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attention_entry.h"
#include "attention_problem.h"
#include "families.h"
#include "mask_memory.h"

enum { QUERY, KEY, VALUE, OUTPUT, SUMS, TABLE, QUERY_OFFSETS, KEY_OFFSETS, WORKSPACE, HOMES };

typedef struct attention_memory {
    guarded home[HOMES];
    mask_memory mask;
    void *scratch;
} attention_memory;

/// Packed rows [batch][heads][most][size] and where they lie. `only`: this row of every entry alone; -1: all.
typedef struct rows_of_tensor {
    const attention_axis *axis;
    int64_t heads, size;
    ck_type type;
    const void *packed;
    ck_strides layout;  // in rows
    int64_t only;
} rows_of_tensor;

/// The rows in the order of their layout; where there is none, canaries.
static void *arranged(const rows_of_tensor *t, void *to) {
    int64_t element = type_size(t->type), bytes = t->size * element;
    int64_t all = axis_outer(t->axis) * t->heads * axis_rows(t->axis) * t->size;
    for (int64_t i = 0; i < all; i++) type_set_bits(t->type, to, i, type_canary(t->type));
    for (int64_t b = 0; b < t->axis->batch; b++)
        for (int64_t h = 0; h < t->heads; h++)
            for (int64_t r = 0; r < axis_count(t->axis, b); r++)
                if (t->only < 0 || t->only == r)
                    memcpy((char *)to + axis_place(t->axis, t->layout, b, h, r) * bytes,
                           (const char *)t->packed + ((b * t->heads + h) * t->axis->most + r) * bytes, (size_t)bytes);
    return to;
}

static matrix place_tensor(check *c, const attention_memory *m, int home, const rows_of_tensor *t, int is_input) {
    matrix placed = place(c, &m->home[home], t->type, axis_outer(t->axis) * t->heads * axis_rows(t->axis), t->size);
    if (is_input) matrix_fill(placed, arranged(t, m->scratch));
    return placed;
}

static rows_of_tensor tensor_of(check *c, const attention_axis *axis, int64_t heads, int64_t size, ck_type type,
                                const void *packed) {
    ck_strides layout = draw_layout(c, axis_outer(axis), heads, axis_rows(axis));
    return (rows_of_tensor){axis, heads, size, type, packed, layout, -1};
}

static const int32_t *place_table(const guarded *home, const attention_axis *keys) {
    int64_t count = keys->batch * keys->table_stride;
    if (!keys->is_paged) return NULL;
    matrix m = matrix_place(home, CK_F32, 1, count, count, FLUSH_END);
    matrix_fill(m, keys->table);
    return m.base;
}

/// Workspace of the size that the library asks for, flush with the end of its memory. Returns its canaries.
static matrix give_workspace(check *c, const guarded *home, ck_attention_args *args, ck_run run) {
    args->workspace_size = ck_attention_workspace(args, run);
    int64_t floats = (int64_t)(args->workspace_size / sizeof(float));
    check_that(c, floats > 0 && args->workspace_size <= (size_t)home->bytes, "a workspace of some megabytes");
    matrix workspace = matrix_place(home, CK_F32, 1, floats, floats, FLUSH_END);
    args->workspace = workspace.base;
    return workspace;
}

/// Query i of every head by itself: a step of decoding.
static ck_attention_args one_query(const ck_attention_args *all, int64_t i, int64_t *offsets) {
    ck_attention_args a = *all;
    int64_t size = type_size(a.type);
    a.queries = 1;
    a.query = (const char *)a.query + i * a.query_strides.row * size;
    a.output = (char *)a.output + i * a.output_strides.row * size;
    if (a.log_sum_exp) a.log_sum_exp += i * a.log_sum_exp_strides.row;
    if (a.mask.bias)
        a.mask.bias = (const char *)a.mask.bias + i * a.mask.bias_strides.row * type_size(a.mask.bias_type);
    if (a.mask.boolean) a.mask.boolean += i * a.mask.boolean_strides.row;
    if (a.mask.lengths) a.mask.lengths += i * a.mask.length_strides.row;
    a.mask.offset += i;
    for (int64_t b = 0; a.mask.offsets && b < a.batch; b++) offsets[b] = a.mask.offsets[b] + i;
    if (a.mask.offsets) a.mask.offsets = offsets;
    return a;
}

static void expect(check *c, const attention_memory *m, const rows_of_tensor *t, const char *name, matrix placed) {
    matrix_expect(c, name, placed, arranged(t, m->scratch));
}

static void compare_calls(check *c, const attention_problem *p, const attention_memory *m, ck_run run) {
    attention_shape s = p->shape;
    const attention_axis *queries = &p->queries, *keys = &p->keys;
    rows_of_tensor query = tensor_of(c, queries, s.query_heads, s.head_size, p->type, p->stored_query);
    rows_of_tensor key = tensor_of(c, keys, s.key_heads, s.head_size, p->key_type, p->stored_key);
    rows_of_tensor value = tensor_of(c, keys, s.key_heads, s.value_size, p->key_type, p->stored_value);
    rows_of_tensor output = tensor_of(c, queries, s.query_heads, s.value_size, p->type, p->stored_output);
    rows_of_tensor sums = tensor_of(c, queries, s.query_heads, 1, CK_F32, p->log_sum_exp);
    matrix q = place_tensor(c, m, QUERY, &query, 1), k = place_tensor(c, m, KEY, &key, 1);
    matrix v = place_tensor(c, m, VALUE, &value, 1), o = place_tensor(c, m, OUTPUT, &output, 0), l = {0};
    if (random_below(&c->random, 3) != 0) l = place_tensor(c, m, SUMS, &sums, 0);
    const int64_t *query_offsets = queries->is_packed ? queries->offsets : NULL;
    const int64_t *key_offsets = keys->is_packed ? keys->offsets : NULL;
    ck_attention_args args = {
        .batch = s.batch,
        .query_heads = s.query_heads,
        .key_heads = s.key_heads,
        .queries = s.queries,
        .keys = s.keys,
        .head_size = s.head_size,
        .value_size = s.value_size,
        .type = p->type,
        .key_type = p->key_type,
        .query = q.base,
        .query_strides = times(query.layout, q.stride),
        .key = k.base,
        .key_strides = times(key.layout, k.stride),
        .value = v.base,
        .value_strides = times(value.layout, v.stride),
        .scale = p->scores.scale,
        .output = o.base,
        .output_strides = times(output.layout, o.stride),
        .log_sum_exp = l.base,
        .log_sum_exp_strides = times(sums.layout, l.stride),
        .pages = {place_table(&m->home[TABLE], keys), keys->table_stride, keys->page_size, keys->pages},
    };
    args.mask = place_mask(c, &m->mask, &p->scores);
    args.query_offsets = place_integers(c, &m->home[QUERY_OFFSETS], query_offsets, s.batch + 1);
    args.key_offsets = place_integers(c, &m->home[KEY_OFFSETS], key_offsets, s.batch + 1);
    matrix workspace = give_workspace(c, &m->home[WORKSPACE], &args, run);
    if (!check_call(c, enter_attention, &args, run, CK_OK)) return;
    expect(c, m, &output, "output", o);
    if (l.base) expect(c, m, &sums, "log_sum_exp", l);
    expect(c, m, &query, "query", q);
    expect(c, m, &key, "key", k);
    matrix_expect_around(c, "workspace", workspace);
    if (queries->is_packed) return;

    int64_t offsets[ATTENTION_BATCH];
    output.only = sums.only = random_below(&c->random, s.queries);
    o = place_tensor(c, m, OUTPUT, &output, 0);
    args.output = o.base;
    args.output_strides = times(output.layout, o.stride);
    if (l.base) l = place_tensor(c, m, SUMS, &sums, 0);
    args.log_sum_exp = l.base;
    args.log_sum_exp_strides = times(sums.layout, l.stride);
    args = one_query(&args, output.only, offsets);
    (void)give_workspace(c, &m->home[WORKSPACE], &args, run);
    if (!check_call(c, enter_attention, &args, run, CK_OK)) return;
    expect(c, m, &output, "output of one query", o);
    if (l.base) expect(c, m, &sums, "log_sum_exp of one query", l);
}

static void compare(check *c, attention_problem *p, const attention_memory *m, attention_shape shape) {
    static const int64_t threads[] = {1, 1, 2, 3, 8};
    check_begin(c);
    attention_problem_draw(c, p, shape);
    ck_run run = {c->isa, (int32_t)random_choice(&c->random, threads, 5)};
    check_describe(c,
                   "%s, keys %s%s%s, batch %" PRId64 ", heads %" PRId64 " for %" PRId64 ", queries %" PRId64
                   ", keys %" PRId64 ", sizes %" PRId64 " and %" PRId64 ", masks %d, offset %" PRId64
                   ", window %" PRId64 " %" PRId64 ", threads %d",
                   type_name(p->type), type_name(p->key_type),
                   p->keys.is_paged    ? " in pages"
                   : p->keys.is_packed ? " packed"
                                       : "",
                   p->queries.is_packed ? ", queries packed" : "", shape.batch, shape.key_heads, shape.query_heads,
                   shape.queries, shape.keys, shape.head_size, shape.value_size, shape.kinds, p->scores.mask.offset,
                   p->scores.mask.window_left, p->scores.mask.window_right, run.threads);
    compare_calls(c, p, m, run);
}

/// Memory that begins with row `from` and ends before row `to`; answers where row 0 would be.
static void *only_rows(const guarded *home, const void *rows, int64_t bytes, int64_t from, int64_t to, int at_end) {
    char *first = (char *)home->first + (at_end ? home->bytes - (to - from) * bytes : 0);
    memcpy(first, (const char *)rows + from * bytes, (size_t)((to - from) * bytes));
    return (void *)((uintptr_t)first - (uintptr_t)(from * bytes));
}

/// A quarter in the middle of a home, far from where keys that are not there seem to be.
static guarded middle_of(const guarded *home) {
    guarded g = *home;
    g.first = (char *)home->first + home->bytes / 2 / 64 * 64;
    g.bytes = home->bytes / 4 / 64 * 64;
    return g;
}

/// One query: no key behind its range is read, nor one before the block of 64 in which it begins; nor the pages before
/// and after the only one that the table names.
static void compare_range(check *c, attention_problem *p, const attention_memory *m, attention_shape s, int at_end) {
    check_begin(c);
    attention_problem_draw(c, p, s);
    contract_attention_row r = attention_problem_row(p, 0, 0, 0);
    int64_t from = r.scores.from < 0 ? 0 : r.scores.from / 64 * 64, to = r.scores.to, size = type_size(p->key_type);
    int64_t page = random_below(&c->random, 3), key_page = s.keys * s.head_size, value_page = s.keys * s.value_size;
    int in_pages = (int)random_below(&c->random, 2), is_packed = p->keys.is_packed || p->queries.is_packed;
    if (is_packed) return;
    if (to <= 0 || r.scores.from >= to) from = to = 0;
    if (!in_pages) page = 0;
    check_describe(
        c, "%s, keys %" PRId64 " of %" PRId64 " ... %" PRId64 " alone, sizes %" PRId64 " and %" PRId64 ", masks %d",
        type_name(p->key_type), s.keys, from, to, s.head_size, s.value_size, s.kinds);
    guarded output_home = middle_of(&m->home[OUTPUT]), workspace_home = middle_of(&m->home[WORKSPACE]);
    matrix q = place(c, &m->home[QUERY], p->type, 1, s.head_size), o = place(c, &output_home, p->type, 1, s.value_size);
    matrix_fill(q, p->stored_query);
    char *key = only_rows(&m->home[KEY], p->stored_key, s.head_size * size, from, to, at_end);
    char *value = only_rows(&m->home[VALUE], p->stored_value, s.value_size * size, from, to, at_end);
    int32_t table = (int32_t)page;
    ck_attention_args args = {
        .batch = 1,
        .query_heads = 1,
        .key_heads = 1,
        .queries = 1,
        .keys = s.keys,
        .head_size = s.head_size,
        .value_size = s.value_size,
        .type = p->type,
        .key_type = p->key_type,
        .query = q.base,
        .key = (void *)((uintptr_t)key - (uintptr_t)(page * key_page * size)),
        .key_strides = {key_page, 0, s.head_size},
        .value = (void *)((uintptr_t)value - (uintptr_t)(page * value_page * size)),
        .value_strides = {value_page, 0, s.value_size},
        .scale = p->scores.scale,
        .mask = place_mask(c, &m->mask, &p->scores),
        .output = o.base,
        .pages = {in_pages ? &table : NULL, 1, s.keys, 3},
    };
    (void)give_workspace(c, &workspace_home, &args, (ck_run){c->isa, 1});
    if (check_call(c, enter_attention, &args, (ck_run){c->isa, 1}, CK_OK))
        matrix_expect(c, "output", o, p->stored_output);
}

static int64_t draw_size(check *c) {
    static const int64_t sizes[] = {1, 2, 5, 8, 15, 16, 17, 24, 32, 33, 48, 64, 64, 65, 80, 96};
    return random_choice(&c->random, sizes, 16);
}

/// Heads for key heads: each its own, groups, one for all.
static attention_shape shape_of(check *c, int64_t batch, int64_t queries, int64_t keys, int kinds) {
    static const int64_t groups[] = {1, 1, 2, 3, 4, 7};
    int64_t key_heads = 1 + random_below(&c->random, 2), group = random_choice(&c->random, groups, 6);
    int64_t head_size = draw_size(c), value_size = draw_size(c);
    return (attention_shape){batch, key_heads * group, key_heads, queries, keys, head_size, value_size, kinds};
}

static void compare_all(check *c, attention_problem *p, const attention_memory *m) {
    static const int64_t sizes[] = {64, 65, 80, 112, 128, 129, 192, 256, 320, 511, 512};
    static const int64_t many[] = {127, 128, 511, 512, 513, 575, 577, 1024, 1025, 1100, 1600};
    int repeats = c->quick ? 1 : 6;
    for (int64_t n = 0; n <= 70 * repeats; n++) {  // as many queries as keys, fewer, more
        int64_t keys = n % 71, queries[] = {keys > 0 ? keys : 1, 1 + keys / 3, 1 + random_below(&c->random, 70)};
        int kinds = (int)random_below(&c->random, ALL_KINDS + 1);
        attention_shape s = shape_of(c, 1 + n % 2, queries[n % 3], keys, kinds);
        if (n % 3 == 2 || c->quick) s.query_heads = s.key_heads;
        compare(c, p, m, s);
    }
    for (int n = 0; n < (ALL_KINDS + 1) * repeats; n++)
        compare(c, p, m, shape_of(c, 1 + n % 3, 1 + random_below(&c->random, 5), 10 + n * 7 % 131, n & ALL_KINDS));
    for (int n = 0; n < 11 * repeats; n++) {
        attention_shape s = shape_of(c, 1, 1 + n * 5 % 14, 1 + random_below(&c->random, 80), 0);
        s.head_size = sizes[n % 11];
        s.value_size = sizes[(n * 3 + n / 11) % 11];
        compare(c, p, m, s);
    }
    for (int n = 0; n < 55 * repeats; n++) {  // few queries, so that threads share their chunks
        int kinds = (int)random_below(&c->random, ALL_KINDS + 1);
        if (n % 3 > 0) kinds &= MASK_BIAS | MASK_SLOPES | MASK_SINKS;  // all keys take part
        compare(c, p, m, shape_of(c, 1, 1 + random_below(&c->random, n % 4 == 0 ? 9 : 2), many[n % 11], kinds));
    }
    for (int n = 0; n < 80 * repeats; n++) {
        attention_shape s = shape_of(c, 1, 1, 1 + random_below(&c->random, n % 4 == 0 ? 700 : 150), 0);
        s.query_heads = s.key_heads = 1;
        s.kinds = MASK_WINDOW | MASK_LENGTHS | (int)random_below(&c->random, ALL_KINDS + 1);
        compare_range(c, p, m, s, n % 2);
    }
}

void check_attention(check *c) {
    attention_problem p = attention_problem_make();
    attention_memory m = {.mask = mask_memory_make(), .scratch = malloc(4 * ATTENTION_ELEMENTS)};
    if (!m.scratch) exit(2);
    for (int i = 0; i < HOMES; i++) m.home[i] = guarded_make(4 * ATTENTION_ELEMENTS * (i == WORKSPACE ? 4 : 1));
    compare_all(c, &p, &m);
    for (int i = 0; i < HOMES; i++) guarded_free(&m.home[i]);
    mask_memory_free(&m.mask);
    free(m.scratch);
    attention_problem_free(&p);
}
