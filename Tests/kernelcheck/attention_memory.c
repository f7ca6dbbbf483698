// attention_memory.c: tensors of attention in guarded memory.

#include "attention_memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

attention_memory attention_memory_make(void) {
    attention_memory m = {.mask = mask_memory_make(), .scratch = malloc(4 * ATTENTION_ELEMENTS)};
    if (!m.scratch) exit(2);
    for (int i = 0; i < HOMES; i++) m.home[i] = guarded_make(4 * ATTENTION_ELEMENTS * (i == WORKSPACE ? 4 : 1));
    return m;
}

void attention_memory_free(attention_memory *m) {
    for (int i = 0; i < HOMES; i++) guarded_free(&m->home[i]);
    mask_memory_free(&m->mask);
    free(m->scratch);
}

void *arranged(const rows_of_tensor *t, void *to) {
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

static rows_of_tensor rows_of(check *c, const attention_axis *axis, int home, int64_t heads, int64_t size, ck_type type,
                              const void *packed) {
    ck_strides layout = draw_layout(c, axis_outer(axis), heads, axis_rows(axis));
    return (rows_of_tensor){axis, heads, size, type, packed, layout, -1, home};
}

rows_of_tensor rows_of_queries(check *c, const attention_problem *p, int home, int64_t size, ck_type type,
                               const void *packed) {
    return rows_of(c, &p->queries, home, p->shape.query_heads, size, type, packed);
}
rows_of_tensor rows_of_keys(check *c, const attention_problem *p, int home, int64_t size, const void *packed) {
    return rows_of(c, &p->keys, home, p->shape.key_heads, size, p->key_type, packed);
}

matrix place_tensor(check *c, const attention_memory *m, const rows_of_tensor *t, int is_input) {
    int64_t rows = axis_outer(t->axis) * t->heads * axis_rows(t->axis);
    matrix placed = place(c, &m->home[t->home], t->type, rows, t->size);
    if (is_input) matrix_fill(placed, arranged(t, m->scratch));
    return placed;
}

void expect_tensor(check *c, const attention_memory *m, const rows_of_tensor *t, const char *name, matrix placed) {
    matrix_expect(c, name, placed, arranged(t, m->scratch));
}

static const int32_t *place_table(const guarded *home, const attention_axis *keys) {
    int64_t count = keys->batch * keys->table_stride;
    if (!keys->is_paged) return NULL;
    matrix m = matrix_place(home, CK_F32, 1, count, count, FLUSH_END);
    matrix_fill(m, keys->table);
    return m.base;
}

ck_attention_args place_inputs(check *c, const attention_problem *p, const attention_memory *m, attention_inputs *in) {
    attention_shape s = p->shape;
    const attention_axis *queries = &p->queries, *keys = &p->keys;
    in->query = rows_of_queries(c, p, QUERY, s.head_size, p->type, p->stored_query);
    in->key = rows_of_keys(c, p, KEY, s.head_size, p->stored_key);
    in->value = rows_of_keys(c, p, VALUE, s.value_size, p->stored_value);
    in->q = place_tensor(c, m, &in->query, 1);
    in->k = place_tensor(c, m, &in->key, 1);
    in->v = place_tensor(c, m, &in->value, 1);
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
        .query = in->q.base,
        .query_strides = times(in->query.layout, in->q.stride),
        .key = in->k.base,
        .key_strides = times(in->key.layout, in->k.stride),
        .value = in->v.base,
        .value_strides = times(in->value.layout, in->v.stride),
        .scale = p->scores.scale,
        .pages = {place_table(&m->home[TABLE], keys), keys->table_stride, keys->page_size, keys->pages},
        .dropout = p->dropout,
        .seed = p->seed,
        .first_query = p->first_query,
    };
    args.mask = place_mask(c, &m->mask, &p->scores);
    args.query_offsets = place_integers(c, &m->home[QUERY_OFFSETS], query_offsets, s.batch + 1);
    args.key_offsets = place_integers(c, &m->home[KEY_OFFSETS], key_offsets, s.batch + 1);
    return args;
}

void expect_inputs(check *c, const attention_memory *m, const attention_inputs *in) {
    expect_tensor(c, m, &in->query, "query", in->q);
    expect_tensor(c, m, &in->key, "key", in->k);
    expect_tensor(c, m, &in->value, "value", in->v);
}

matrix place_workspace(check *c, const guarded *home, size_t bytes) {
    int64_t floats = (int64_t)(bytes / sizeof(float));
    check_that(c, floats > 0 && bytes <= (size_t)home->bytes, "a workspace of some megabytes");
    return matrix_place(home, CK_F32, 1, floats, floats, FLUSH_END);
}

void describe_attention(check *c, const attention_problem *p, ck_run run) {
    attention_shape s = p->shape;
    const ck_mask *mask = &p->scores.mask;
    check_describe(c,
                   "%s, keys %s%s%s, batch %" PRId64 ", heads %" PRId64 " for %" PRId64 ", queries %" PRId64
                   ", keys %" PRId64 ", sizes %" PRId64 " and %" PRId64 ", masks %d, offset %" PRId64
                   ", window %" PRId64 " %" PRId64 ", dropout %g, threads %d",
                   type_name(p->type), type_name(p->key_type),
                   p->keys.is_paged    ? " in pages"
                   : p->keys.is_packed ? " packed"
                                       : "",
                   p->queries.is_packed ? ", queries packed" : "", s.batch, s.key_heads, s.query_heads, s.queries,
                   s.keys, s.head_size, s.value_size, s.kinds, mask->offset, mask->window_left, mask->window_right,
                   (double)p->dropout, run.threads);
}
