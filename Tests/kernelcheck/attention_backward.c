// attention_backward.c: the family attention_backward: gradients of attention against the contract's words, by bits,
// over types, sizes of heads, groups of heads, layouts, packed batches, masks, gradients of their parameters, dropout
// and thread counts; between guard pages.

#include "attention_entry.h"
#include "attention_shapes.h"
#include "families.h"

/// Where the gradients of a call lie; NULL: not wanted.
typedef struct attention_gradients {
    rows_of_tensor query, key, value;
    matrix dquery, dkey, dvalue, dbias, dslopes, dsinks;
    int apart;  // axes that tell rows of the bias apart, as bits
} attention_gradients;

static matrix give_gradient(check *c, const attention_memory *m, const rows_of_tensor *t) {
    return random_below(&c->random, 6) == 0 ? (matrix){0} : place_tensor(c, m, t, 0);
}

/// The gradients of the mask's parameters, where they are wanted.
static void give_parameters(check *c, const attention_problem *p, const attention_memory *m, attention_gradients *g,
                            ck_attention_backward_args *args) {
    attention_shape s = p->shape;
    int apart = random_below(&c->random, 3) == 0 ? 7 : (int)random_below(&c->random, 8),
        wants = random_below(&c->random, 2);
    int64_t b = apart & 1 ? s.batch : 1, h = apart & 2 ? s.query_heads : 1, q = apart & 4 ? s.queries : 1;
    ck_strides layout = {apart & 1 ? h * q : 0, apart & 2 ? q : 0, apart & 4 ? 1 : 0};
    g->apart = apart;
    if (s.keys > 0 && wants) g->dbias = place(c, &m->home[DBIAS], CK_F32, b * h * q, s.keys);
    if (random_below(&c->random, 2)) g->dslopes = place(c, &m->home[DSLOPES], CK_F32, 1, s.query_heads);
    if (p->scores.mask.sinks) g->dsinks = place(c, &m->home[DSINKS], CK_F32, 1, s.query_heads);
    args->dbias = g->dbias.base;
    args->dbias_strides = times(layout, g->dbias.stride);
    args->dslopes = g->dslopes.base;
    args->dsinks = g->dsinks.base;
}

static attention_gradients give_gradients(check *c, const attention_problem *p, const attention_memory *m,
                                          ck_attention_backward_args *args) {
    attention_shape s = p->shape;
    attention_gradients g = {
        .query = rows_of_queries(c, p, DQUERY, s.head_size, p->type, p->stored_dquery),
        .key = rows_of_keys(c, p, DKEY, s.head_size, p->stored_dkey),
        .value = rows_of_keys(c, p, DVALUE, s.value_size, p->stored_dvalue),
    };
    g.dquery = give_gradient(c, m, &g.query);
    g.dkey = give_gradient(c, m, &g.key);
    g.dvalue = give_gradient(c, m, &g.value);
    args->dquery = g.dquery.base;
    args->dquery_strides = times(g.query.layout, g.dquery.stride);
    args->dkey = g.dkey.base;
    args->dkey_strides = times(g.key.layout, g.dkey.stride);
    args->dvalue = g.dvalue.base;
    args->dvalue_strides = times(g.value.layout, g.dvalue.stride);
    give_parameters(c, p, m, &g, args);
    return g;
}

static void expect_gradients(check *c, const attention_problem *p, const attention_memory *m,
                             const attention_gradients *g) {
    float *expected = m->scratch;
    if (g->dquery.base) expect_tensor(c, m, &g->query, "dquery", g->dquery);
    if (g->dkey.base) expect_tensor(c, m, &g->key, "dkey", g->dkey);
    if (g->dvalue.base) expect_tensor(c, m, &g->value, "dvalue", g->dvalue);
    if (g->dbias.base) score_problem_bias_gradient(&p->scores, g->apart, expected);
    matrix_expect(c, "dbias", g->dbias, expected);
    score_problem_head_gradient(&p->scores, p->scores.row_slopes, expected);
    matrix_expect(c, "dslopes", g->dslopes, expected);
    score_problem_head_gradient(&p->scores, p->scores.row_sinks, expected);
    matrix_expect(c, "dsinks", g->dsinks, expected);
}

/// What the forward pass wrote, and the gradient of its output: read alone.
static void give_outputs(check *c, const attention_problem *p, const attention_memory *m, int has_low,
                         ck_attention_backward_args *args) {
    int64_t size = p->shape.value_size;
    rows_of_tensor output = rows_of_queries(c, p, OUTPUT, size, p->type, p->stored_output);
    rows_of_tensor doutput = rows_of_queries(c, p, DOUTPUT, size, p->type, p->stored_doutput);
    rows_of_tensor sums = rows_of_queries(c, p, SUMS, 1, CK_F32, p->log_sum_exp), low = sums;
    matrix o = place_tensor(c, m, &output, 1), d = place_tensor(c, m, &doutput, 1), l = place_tensor(c, m, &sums, 1);
    args->forward.output = o.base;
    args->forward.output_strides = times(output.layout, o.stride);
    args->forward.log_sum_exp = l.base;
    args->forward.log_sum_exp_strides = times(sums.layout, l.stride);
    args->doutput = d.base;
    args->doutput_strides = times(doutput.layout, d.stride);
    if (!has_low) return;
    low.packed = p->log_sum_exp_low;
    matrix placed = matrix_place(&m->home[SUMS_LOW], CK_F32, l.rows, 1, l.stride, FLUSH_END);
    matrix_fill(placed, arranged(&low, m->scratch));
    args->forward.log_sum_exp_low = placed.base;
}

static void compare(check *c, attention_problem *p, const attention_memory *m, attention_shape shape) {
    int has_low = (int)random_below(&c->random, 4) != 0;
    attention_inputs in;
    check_begin(c);
    shape.has_no_pages = 1;
    attention_problem_draw(c, p, shape);
    attention_problem_draw_backward(c, p, has_low);
    ck_run run = {c->isa, (int32_t)random_below(&c->random, 6)};
    describe_attention(c, p, run);
    ck_attention_backward_args args = {.forward = place_inputs(c, p, m, &in)};
    give_outputs(c, p, m, has_low, &args);
    attention_gradients g = give_gradients(c, p, m, &args);
    args.workspace_size = ck_attention_backward_workspace(&args, run);
    if (args.workspace_size == 0) return;  // nothing is wanted
    matrix workspace = place_workspace(c, &m->home[WORKSPACE], args.workspace_size);
    args.workspace = workspace.base;
    if (!check_call(c, enter_attention_backward, &args, run, CK_OK)) return;
    expect_gradients(c, p, m, &g);
    expect_inputs(c, m, &in);
    matrix_expect_around(c, "workspace", workspace);
}

static void compare_all(check *c, attention_problem *p, const attention_memory *m) {
    int repeats = attention_repeats(c);
    attention_compare_shapes(c, p, m, compare);
    for (int n = 0; n < 11 * repeats; n++) {  // several chunks of keys
        int kinds = (int)random_below(&c->random, ALL_KINDS + 1);
        int64_t queries = 1 + random_below(&c->random, n % 4 == 0 ? 9 : 2);
        compare(c, p, m, attention_shape_draw(c, 1, queries, attention_many_keys[n % 11], kinds));
    }
    for (int n = 0; n < 12 * repeats; n++) {  // several blocks of rows in a sum, and of queries in a plane
        int kinds = (int)random_below(&c->random, ALL_KINDS + 1);
        attention_shape s =
            attention_shape_draw(c, 1 + n % 8, 1 + random_below(&c->random, n % 3 == 0 ? 160 : 20), 1 + n % 30, kinds);
        if (n % 3 == 0) s.query_heads = s.key_heads;
        if (n % 3 == 0 && s.batch > 2) s.batch = 2;
        compare(c, p, m, s);
    }
}

void check_attention_backward(check *c) {
    attention_problem p = attention_problem_make();
    attention_memory m = attention_memory_make();
    compare_all(c, &p, &m);
    attention_memory_free(&m);
    attention_problem_free(&p);
}
