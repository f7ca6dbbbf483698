// attention.c: the family attention: against the contract's words, by bits, over types, sizes of heads, groups of
// heads, numbers of queries and keys, layouts, packed and paged keys, masks and thread counts; one query of many by
// itself; keys outside a range behind guard pages.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_entry.h"
#include "attention_shapes.h"
#include "families.h"

static matrix give_workspace(check *c, const guarded *home, ck_attention_args *args, ck_run run) {
    args->workspace_size = ck_attention_workspace(args, run);
    matrix workspace = place_workspace(c, home, args->workspace_size);
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
    if (a.log_sum_exp_low) a.log_sum_exp_low += i * a.log_sum_exp_strides.row;
    if (a.mask.bias)
        a.mask.bias = (const char *)a.mask.bias + i * a.mask.bias_strides.row * type_size(a.mask.bias_type);
    if (a.mask.boolean) a.mask.boolean += i * a.mask.boolean_strides.row;
    if (a.mask.lengths) a.mask.lengths += i * a.mask.length_strides.row;
    a.mask.offset += i;
    a.first_query += i;
    for (int64_t b = 0; a.mask.offsets && b < a.batch; b++) offsets[b] = a.mask.offsets[b] + i;
    if (a.mask.offsets) a.mask.offsets = offsets;
    return a;
}

/// Where the outputs of a call lie, each in its home: the whole of them, or one query of every head.
typedef struct attention_outputs {
    rows_of_tensor output, sums, sums_low;
    matrix o, l, low;
} attention_outputs;

static void give_outputs(check *c, const attention_memory *m, attention_outputs *out, int wants_sums, int64_t only,
                         ck_attention_args *args) {
    out->output.only = out->sums.only = out->sums_low.only = only;
    out->o = place_tensor(c, m, &out->output, 0);
    args->output = out->o.base;
    args->output_strides = times(out->output.layout, out->o.stride);
    out->l = out->low = (matrix){0};
    if (wants_sums & 1) out->l = place_tensor(c, m, &out->sums, 0);
    if (wants_sums & 2) out->low = place_tensor(c, m, &out->sums_low, 0);
    if (wants_sums == 3)  // one layout for both
        out->low = matrix_place(&m->home[SUMS_LOW], CK_F32, out->l.rows, 1, out->l.stride, FLUSH_END);
    args->log_sum_exp = out->l.base;
    args->log_sum_exp_low = out->low.base;
    args->log_sum_exp_strides = times(out->sums.layout, out->l.base ? out->l.stride : out->low.stride);
}

static void expect_outputs(check *c, const attention_memory *m, const attention_outputs *out, const char *which) {
    char name[64];
    const rows_of_tensor *tensors[] = {&out->output, &out->sums, &out->sums_low};
    const matrix placed[] = {out->o, out->l, out->low};
    const char *names[] = {"output", "log_sum_exp", "log_sum_exp_low"};
    for (int i = 0; i < 3; i++) {
        if (!placed[i].base) continue;
        snprintf(name, sizeof name, "%s%s", names[i], which);
        expect_tensor(c, m, tensors[i], name, placed[i]);
    }
}

static void compare_calls(check *c, const attention_problem *p, const attention_memory *m, ck_run run) {
    attention_shape s = p->shape;
    attention_inputs in;
    int wants_sums = (int)random_below(&c->random, 4);
    ck_attention_args args = place_inputs(c, p, m, &in);
    attention_outputs out = {
        .output = rows_of_queries(c, p, OUTPUT, s.value_size, p->type, p->stored_output),
        .sums = rows_of_queries(c, p, SUMS, 1, CK_F32, p->log_sum_exp),
    };
    out.sums_low = out.sums;
    out.sums_low.home = SUMS_LOW;
    out.sums_low.packed = p->log_sum_exp_low;
    give_outputs(c, m, &out, wants_sums, -1, &args);
    matrix workspace = give_workspace(c, &m->home[WORKSPACE], &args, run);
    if (!check_call(c, enter_attention, &args, run, CK_OK)) return;
    expect_outputs(c, m, &out, "");
    expect_inputs(c, m, &in);
    matrix_expect_around(c, "workspace", workspace);
    if (p->queries.is_packed) return;

    int64_t offsets[ATTENTION_BATCH], only = random_below(&c->random, s.queries);
    give_outputs(c, m, &out, wants_sums, only, &args);
    args = one_query(&args, only, offsets);
    (void)give_workspace(c, &m->home[WORKSPACE], &args, run);
    if (check_call(c, enter_attention, &args, run, CK_OK)) expect_outputs(c, m, &out, " of one query");
}

static void compare(check *c, attention_problem *p, const attention_memory *m, attention_shape shape) {
    static const int64_t threads[] = {1, 1, 2, 3, 8};
    check_begin(c);
    attention_problem_draw(c, p, shape);
    ck_run run = {c->isa, (int32_t)random_choice(&c->random, threads, 5)};
    describe_attention(c, p, run);
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
        .dropout = p->dropout,
        .seed = p->seed,
        .first_query = p->first_query,
    };
    (void)give_workspace(c, &workspace_home, &args, (ck_run){c->isa, 1});
    if (check_call(c, enter_attention, &args, (ck_run){c->isa, 1}, CK_OK))
        matrix_expect(c, "output", o, p->stored_output);
}

static void compare_all(check *c, attention_problem *p, const attention_memory *m) {
    int repeats = attention_repeats(c);
    attention_compare_shapes(c, p, m, compare);
    for (int n = 0; n < 55 * repeats; n++) {  // few queries, so that threads share their chunks
        int kinds = (int)random_below(&c->random, ALL_KINDS + 1);
        if (n % 3 > 0) kinds &= MASK_BIAS | MASK_SLOPES | MASK_SINKS;  // all keys take part
        int64_t queries = 1 + random_below(&c->random, n % 4 == 0 ? 9 : 2);
        compare(c, p, m, attention_shape_draw(c, 1, queries, attention_many_keys[n % 11], kinds));
    }
    for (int n = 0; n < 80 * repeats; n++) {
        attention_shape s = attention_shape_draw(c, 1, 1, 1 + random_below(&c->random, n % 4 == 0 ? 700 : 150), 0);
        s.query_heads = s.key_heads = 1;
        s.kinds = MASK_WINDOW | MASK_LENGTHS | (int)random_below(&c->random, ALL_KINDS + 1);
        compare_range(c, p, m, s, n % 2);
    }
}

void check_attention(check *c) {
    attention_problem p = attention_problem_make();
    attention_memory m = attention_memory_make();
    compare_all(c, &p, &m);
    attention_memory_free(&m);
    attention_problem_free(&p);
}
