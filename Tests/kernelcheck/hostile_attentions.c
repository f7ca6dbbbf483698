// hostile_attentions.c: hostile calls of attention, forward and backward, packed and in pages, and of products of
// matrices.

#include <string.h>

#include "hostile.h"

typedef struct tensors {
    int64_t queries[4], keys[4], values[4], outputs[4], sums[4];
} tensors;

/// Rows of a packed axis, and offsets of the entries; each has `most` rows at most.
static int64_t draw_packing(hostile_call *h, const char *name, const int64_t **offsets, int64_t batch, int64_t most) {
    if (batch < 0 || batch > 64 || most < 0 || most > 4096) return -1;
    const hostile_area *a = draw_vector(h, name, offsets, TYPE_WORD, batch + 1, READ);
    if (!is_to_fill(a)) return -1;
    int64_t at = 0, *offset = (int64_t *)(void *)a->base;
    for (int64_t b = 0; b <= batch; b++) {
        offset[b] = at;
        if (b < batch) at += draw_below(h, most + 1);
    }
    if (draw_hostile(h)) offset[draw_below(h, batch + 1)] = draw_count(h, -1, most);
    return offset[batch];
}

static void draw_pages(hostile_call *h, ck_pages *p, int64_t batch, int64_t keys) {
    p->page_size = draw_count(h, 1, 20);
    p->count = draw_count(h, 1, 9);
    int64_t pages = p->page_size > 0 && keys > 0 ? keys / p->page_size + (keys % p->page_size != 0) : 0;
    fill_within(h, draw_matrix(h, "table", &p->table, &p->table_stride, TYPE_INDEX, batch, pages, READ, NULL), 0,
                p->count > 0 ? p->count - 1 : 0);
}

static void set(int64_t extents[4], int64_t batch, int64_t heads, int64_t rows, int64_t cols) {
    const int64_t all[4] = {batch, heads, rows, cols};
    memcpy(extents, all, sizeof all);
}

/// Everything that is read; answers the extents of what is written.
static tensors draw_inputs(hostile_call *h, ck_attention_args *a, int is_backward) {
    tensors t;
    a->batch = draw_count(h, 0, 3);
    a->key_heads = draw_count(h, 1, 3);
    a->query_heads = draw_hostile(h) ? draw_count(h, -1, 4) : product(a->key_heads, draw_below(h, 3));
    a->queries = draw_count(h, 0, draw_below(h, 4) ? 7 : 30);
    a->keys = draw_count(h, 0, draw_below(h, 4) ? 20 : 140);
    a->head_size = draw_count(h, 1, 24);
    a->value_size = draw_hostile(h) ? draw_count(h, 0, 513) : 1 + draw_below(h, 40);
    a->type = draw_type(h);
    a->key_type = draw_below(h, 2) ? a->type : draw_type(h);

    int64_t queries = a->queries, keys = a->keys, batch = a->batch, entries = a->batch;
    if (draw_below(h, 4) == 0) {
        int64_t rows = draw_packing(h, "query_offsets", &a->query_offsets, batch, queries);
        if (rows >= 0) queries = rows, batch = 1;
    }
    int layout = (int)draw_below(h, 4);
    if (layout == 0) {
        int64_t rows = draw_packing(h, "key_offsets", &a->key_offsets, entries, keys);
        if (rows >= 0) keys = rows, entries = 1;
    } else if (layout == 1 && !is_backward) {
        draw_pages(h, &a->pages, a->batch, keys);
        if (a->pages.table) keys = a->pages.page_size, entries = a->pages.count;
    }
    set(t.queries, batch, a->query_heads, queries, a->head_size);
    set(t.keys, entries, a->key_heads, keys, a->head_size);
    set(t.values, entries, a->key_heads, keys, a->value_size);
    set(t.outputs, batch, a->query_heads, queries, a->value_size);
    set(t.sums, batch, a->query_heads, queries, 1);
    draw_grid(h, "query", &a->query, &a->query_strides, a->type, t.queries, READ, NULL);
    draw_grid(h, "key", &a->key, &a->key_strides, a->key_type, t.keys, READ, NULL);
    draw_grid(h, "value", &a->value, &a->value_strides, a->key_type, t.values, READ, NULL);
    a->scale = draw_parameter(h, 0.25f);
    const int64_t scores[4] = {a->batch, a->query_heads, a->queries, a->keys};
    draw_mask(h, &a->mask, scores);
    a->dropout = draw_dropout(h);
    a->seed = (uint64_t)draw_below(h, 65536);
    a->first_query = draw_hostile(h) ? ((int64_t)1 << 32) - 3 : draw_below(h, 1000);
    return t;
}

/// Two vectors of the same strides.
static void draw_sums(hostile_call *h, ck_attention_args *a, const int64_t extents[4], int use) {
    ck_strides low;
    draw_grid(h, "log_sum_exp", &a->log_sum_exp, &a->log_sum_exp_strides, CK_F32, extents, use, NULL);
    hostile_area *second =
        draw_grid(h, "log_sum_exp_low", &a->log_sum_exp_low, &low, CK_F32, extents, use | OPTIONAL, NULL);
    if (memcmp(&low, &a->log_sum_exp_strides, sizeof low) == 0 || !a->log_sum_exp_low) return;
    if (!a->log_sum_exp && (use & OPTIONAL)) {
        a->log_sum_exp_strides = low;
        return;
    }
    a->log_sum_exp_low = NULL;
    second->base = NULL;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void draw_attention(hostile_call *h) {
    ck_attention_args *a = (ck_attention_args *)h->args;
    tensors t = draw_inputs(h, a, 0);
    draw_grid(h, "output", &a->output, &a->output_strides, a->type, t.outputs, WRITTEN, NULL);
    draw_sums(h, a, t.sums, WRITTEN | OPTIONAL);
    draw_workspace(h, &a->workspace, &a->workspace_size,
                   larger(ck_attention_workspace(a, h->run), ck_attention_workspace(a, h->reference)));
}

static void draw_backward(hostile_call *h) {
    ck_attention_backward_args *b = (ck_attention_backward_args *)h->args;
    ck_attention_args *a = &b->forward;
    tensors t = draw_inputs(h, a, 1);
    draw_grid(h, "output", &a->output, &a->output_strides, a->type, t.outputs, APART, NULL);
    draw_sums(h, a, t.sums, APART);
    draw_grid(h, "doutput", &b->doutput, &b->doutput_strides, a->type, t.outputs, READ, NULL);
    draw_grid(h, "dquery", &b->dquery, &b->dquery_strides, a->type, t.queries, WRITTEN | OPTIONAL, NULL);
    draw_grid(h, "dkey", &b->dkey, &b->dkey_strides, a->key_type, t.keys, WRITTEN | OPTIONAL, NULL);
    draw_grid(h, "dvalue", &b->dvalue, &b->dvalue_strides, a->key_type, t.values, WRITTEN | OPTIONAL, NULL);
    const int64_t scores[4] = {a->batch, a->query_heads, a->queries, a->keys};
    draw_dbias(h, &b->dbias, &b->dbias_strides, scores);
    draw_vector(h, "dslopes", &b->dslopes, CK_F32, a->query_heads, WRITTEN | OPTIONAL);
    if (a->mask.sinks || draw_hostile(h))
        draw_vector(h, "dsinks", &b->dsinks, CK_F32, a->query_heads, WRITTEN | OPTIONAL);
    draw_workspace(
        h, &b->workspace, &b->workspace_size,
        larger(ck_attention_backward_workspace(b, h->run), ck_attention_backward_workspace(b, h->reference)));
}

static void draw_product(hostile_call *h, int of_floats) {
    ck_matmul_args *m = (ck_matmul_args *)h->args;
    m->batch = draw_count(h, 0, 3);
    m->b_heads = draw_count(h, 1, 3);
    m->heads = draw_hostile(h) ? draw_count(h, -1, 4) : product(m->b_heads, draw_below(h, 3));
    m->rows = draw_count(h, 0, 30);
    m->columns = draw_count(h, 0, draw_below(h, 4) ? 20 : 300);
    m->depth = draw_below(h, 8) ? draw_count(h, 0, 20) : draw_count(h, 0, 530);
    m->scale = draw_parameter(h, 0.5f);
    m->a_transposed = draw_flag(h);
    m->b_transposed = draw_flag(h);
    int64_t a[2][4] = {{m->batch, m->heads, m->rows, m->depth}, {m->batch, m->heads, m->depth, m->rows}};
    int64_t b[2][4] = {{m->batch, m->b_heads, m->depth, m->columns}, {m->batch, m->b_heads, m->columns, m->depth}};
    int64_t c[4] = {m->batch, m->heads, m->rows, m->columns};
    m->a_type = of_floats ? CK_F32 : draw_type(h);
    m->b_type = of_floats ? CK_F32 : draw_type(h);
    m->c_type = of_floats ? CK_F32 : draw_type(h);
    draw_grid(h, "a", &m->a, &m->a_strides, m->a_type, a[m->a_transposed != 0], READ, NULL);
    draw_grid(h, "b", &m->b, &m->b_strides, m->b_type, b[m->b_transposed != 0], READ, NULL);
    draw_grid(h, "c", &m->c, &m->c_strides, m->c_type, c, WRITTEN, NULL);
    draw_workspace(h, &m->workspace, &m->workspace_size,
                   larger(ck_matmul_workspace(m, h->run), ck_matmul_workspace(m, h->reference)));
}

static void draw_matmul(hostile_call *h) { draw_product(h, 0); }

/// BLAS refuses rows that meet.
static void draw_blas(hostile_call *h) {
    draw_product(h, 1);
    h->hostile++;
}

HOSTILE_ENTRY(ck_attention)
HOSTILE_ENTRY(ck_attention_backward)
HOSTILE_ENTRY(ck_matmul)
HOSTILE_ENTRY(ck_matmul_blas)

const hostile_operator hostile_attentions[] = {
    HOSTILE_OPERATOR(ck_attention, draw_attention),
    HOSTILE_OPERATOR(ck_attention_backward, draw_backward),
    HOSTILE_OPERATOR(ck_matmul, draw_matmul),
    {"ck_matmul_blas", enter_ck_matmul_blas, draw_blas, 1},
    HOSTILE_END,
};
