// attention_backward.c: ck_attention_backward: check, cut keys and rows into units, run, sum what rows give to slopes
// and sinks.

#include <stdatomic.h>
#include <string.h>

#include "dispatch/select.h"
#include "entry/attention_arguments.h"
#include "entry/bias_sums.h"
#include "entry/offsets.h"
#include "parallel/blocks.h"

typedef ck_attention_backward_args gradient_args;

typedef struct gradient_call {
    const gradient_args *args;
    const ck_kernel_table *table;
    ck_attention_gradient_plan plan;
    int64_t floats;  // of workspace for a thread
    atomic_int *next_space;
} gradient_call;

static ck_grid bias_grid_of(const gradient_args *b) {
    return ck_bias_grid(ck_attention_shape(&b->forward), b->dbias, b->dbias_strides);
}
static int has_bias(const gradient_args *b) { return b->dbias && bias_grid_of(b).rows > 0 && b->forward.keys > 0; }

static int has_work(const gradient_args *a) {
    return a->forward.batch > 0 && a->forward.query_heads > 0 &&
           (a->dquery || a->dkey || a->dvalue || has_bias(a) || a->dslopes || a->dsinks);
}

enum { QUERY, KEY, VALUE, OUTPUT, DOUTPUT, SAVED, SAVED_LOW, DQUERY, DKEY, DVALUE, TENSORS };

static void tensors_of(const gradient_args *b, ck_grid grids[TENSORS]) {
    const ck_attention_args *a = &b->forward;
    int64_t size = ck_size_of(a->type);
    grids[QUERY] = ck_query_grid(a, a->query, size, a->head_size, a->query_strides);
    grids[KEY] = ck_key_grid(a, a->key, a->head_size, a->key_strides);
    grids[VALUE] = ck_key_grid(a, a->value, a->value_size, a->value_strides);
    grids[OUTPUT] = ck_query_grid(a, a->output, size, a->value_size, a->output_strides);
    grids[DOUTPUT] = ck_query_grid(a, b->doutput, size, a->value_size, b->doutput_strides);
    grids[SAVED] = ck_query_grid(a, a->log_sum_exp, sizeof(float), 1, a->log_sum_exp_strides);
    grids[SAVED_LOW] = ck_query_grid(a, a->log_sum_exp_low, sizeof(float), 1, a->log_sum_exp_strides);
    grids[DQUERY] = ck_query_grid(a, b->dquery, size, a->head_size, b->dquery_strides);
    grids[DKEY] = ck_key_grid(a, b->dkey, a->head_size, b->dkey_strides);
    grids[DVALUE] = ck_key_grid(a, b->dvalue, a->value_size, b->dvalue_strides);
}

/// Whether a tensor may be NULL.
static int is_optional(int tensor) { return tensor == SAVED_LOW || tensor >= DQUERY; }

static ck_status check_grids(const ck_grid grids[TENSORS]) {
    for (int i = 0; i < TENSORS; i++) {
        if (is_optional(i) && !grids[i].base) continue;
        CK_CHECK(ck_check_grid(grids[i]));
        if (i >= DQUERY) CK_CHECK(ck_check_rows_apart(grids[i]));
    }
    return CK_OK;
}

/// Memory of a call that has work; its grids have been checked.
static ck_status check_memory(const gradient_args *b, const ck_grid grids[TENSORS], size_t workspace_bytes) {
    const ck_attention_args *a = &b->forward;
    ck_mask mask = ck_attention_mask(a);
    enum {
        DBIAS = TENSORS,
        DSLOPES,
        DSINKS,
        WORKSPACE,
        QUERY_OFFSETS,
        KEY_OFFSETS,
        MASK,
        AREAS = MASK + CK_MASK_AREAS
    };
    ck_area areas[AREAS] = {
        [DSLOPES] = ck_vector_area(b->dslopes, CK_F32, a->query_heads),
        [DSINKS] = ck_vector_area(b->dsinks, CK_F32, a->query_heads),
        [WORKSPACE] = ck_vector_area(b->workspace, CK_F32, (int64_t)(workspace_bytes / sizeof(float))),
    };
    CK_CHECK(ck_check_mask(&mask, ck_attention_shape(a)));
    ck_mask_areas(&mask, ck_attention_shape(a), areas + MASK);
    for (int i = 0; i < TENSORS; i++) {
        if (grids[i].batch * grids[i].heads * grids[i].rows == 0 || (is_optional(i) && !grids[i].base)) continue;
        areas[i] = ck_grid_area(grids[i]);
        CK_CHECK(ck_check_pointer(areas[i]));
    }
    if (a->query_offsets) areas[QUERY_OFFSETS] = ck_offsets_area(a->query_offsets, a->batch);
    if (a->key_offsets) areas[KEY_OFFSETS] = ck_offsets_area(a->key_offsets, a->batch);
    if (has_bias(b)) areas[DBIAS] = ck_grid_area(bias_grid_of(b));
    for (int i = DBIAS; i < WORKSPACE; i++) CK_CHECK(ck_check_optional(areas[i]));
    if (b->dsinks && !a->mask.sinks) return CK_NULL_POINTER;
    CK_CHECK(ck_check_workspace(b->workspace, b->workspace_size, workspace_bytes));
    CK_CHECK(ck_check_pointer(areas[WORKSPACE]));
    for (int i = DQUERY; i <= WORKSPACE; i++) {
        CK_CHECK(ck_check_output(areas[i], areas, i, -1));
        CK_CHECK(ck_check_output(areas[i], areas + QUERY_OFFSETS, AREAS - QUERY_OFFSETS, -1));
    }
    return CK_OK;
}

/// Planes, if there are two for each thread; else units of which each thread has about four.
static ck_attention_gradient_plan plan_of(const gradient_args *b, int64_t threads) {
    const ck_attention_args *a = &b->forward;
    ck_attention_gradient_plan p = {
        .planes = a->batch * a->key_heads,
        .rows = a->query_heads / a->key_heads * a->queries,
        .keys = a->keys,
        .wants_keys = b->dkey || b->dvalue,
        .wants_slopes = b->dslopes != 0,
        .sums = ck_plan_bias_sums(ck_attention_shape(a), b->dbias, b->dbias_strides),
    };
    p.writes_bias = b->dbias && p.sums.count == 1 && !a->query_offsets && !a->key_offsets;
    p.wants_rows = b->dquery || b->dslopes || b->dsinks || p.writes_bias;
    if (threads == 1 || p.planes >= 2 * threads || p.rows == 0 || p.keys == 0) return p;
    int64_t cuts = (4 * threads + p.planes - 1) / p.planes;
    p.keys_per_unit = ck_blocks_of((p.keys + cuts - 1) / cuts) * CK_KEY_BLOCK;
    p.rows_per_unit = ck_blocks_of((p.rows + cuts - 1) / cuts) * CK_KEY_BLOCK;
    p.key_units = p.wants_keys ? (p.keys + p.keys_per_unit - 1) / p.keys_per_unit : 0;
    p.row_units = p.wants_rows ? (p.rows + p.rows_per_unit - 1) / p.rows_per_unit : 0;
    return p;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/// Units that have a bias alone; the others come first.
static int64_t bias_units(const gradient_args *b, const ck_attention_gradient_plan *p) {
    return has_bias(b) && !p->writes_bias ? ck_attention_bias_units(p) : 0;
}

/// Floats of the numbers that rows give to the slopes of all heads, or to their sinks.
static int64_t row_numbers(const gradient_args *b, const ck_attention_gradient_plan *p) {
    return b->forward.query_heads * p->sums.head_pitch;
}

/// Bytes, or 0 if they do not fit the address space: first the threads' spaces, then the rows' numbers.
static size_t workspace_bytes(const gradient_args *b, const ck_attention_gradient_plan *p, int64_t threads) {
    int64_t floats = ck_attention_gradient_floats(p, b->forward.head_size, b->forward.value_size), numbers;
    int64_t units = ck_attention_units(p), others = bias_units(b, p);
    if (__builtin_mul_overflow(least(threads, units > others ? units : others), floats, &floats)) return 0;
    numbers = ((b->dslopes != 0) + (b->dsinks != 0)) * row_numbers(b, p);
    if (__builtin_add_overflow(floats, numbers, &floats) || floats > INT64_MAX / 8) return 0;
    return (size_t)floats * sizeof(float);
}

size_t ck_attention_backward_workspace(const gradient_args *args, ck_run run) {
    if (!args || ck_check_attention_numbers(&args->forward) != CK_OK || run.threads < 0 || !has_work(args)) return 0;
    int64_t threads = ck_attention_threads(2 * ck_attention_worth(&args->forward), run);
    ck_attention_gradient_plan plan = plan_of(args, threads);
    return workspace_bytes(args, &plan, threads);
}

typedef void (*gradient_kernel)(const gradient_args *args, const ck_attention_gradient_plan *plan, int64_t begin,
                                int64_t end, float *space);

/// A thread's part of the units, in a space of its own.
static void run_kernel(const gradient_call *call, gradient_kernel kernel, int64_t begin, int64_t end) {
    float *space = (float *)call->args->workspace + atomic_fetch_add(call->next_space, 1) * call->floats;
    kernel(call->args, &call->plan, begin, end, space);
}
static void run_units(const void *context, int64_t begin, int64_t end) {
    run_kernel(context, ((const gradient_call *)context)->table->attention_backward, begin, end);
}
static void run_bias_units(const void *context, int64_t begin, int64_t end) {
    run_kernel(context, ((const gradient_call *)context)->table->attention_bias_backward, begin, end);
}

/// Room for the rows' numbers at the end of the workspace, +0 at first: entries that are packed have fewer rows.
static void give_numbers(const gradient_args *b, ck_attention_gradient_plan *p, size_t workspace_bytes) {
    int64_t numbers = row_numbers(b, p);
    p->sums.sinks = (float *)b->workspace + workspace_bytes / sizeof(float) - numbers;
    p->sums.slopes = b->dsinks ? p->sums.sinks - numbers : p->sums.sinks;
    if (b->dslopes) memset(p->sums.slopes, 0, (size_t)numbers * sizeof(float));
    if (b->dsinks) memset(p->sums.sinks, 0, (size_t)numbers * sizeof(float));
}

/// What the rows of a head gave, summed.
static void sum_rows(const gradient_call *call, const float *numbers, float *sums) {
    const ck_attention_args *a = &call->args->forward;
    call->table->row_sums(numbers, a->batch * a->queries, call->plan.sums.head_pitch, sums, 0, a->query_heads, 0);
}

ck_status ck_attention_backward(const gradient_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    if (args->forward.pages.table) return CK_BAD_PARAMETER;
    ck_grid grids[TENSORS];
    CK_CHECK(ck_check_attention_shapes(&args->forward));
    tensors_of(args, grids);
    CK_CHECK(check_grids(grids));
    if (has_bias(args)) CK_CHECK(ck_check_bias_grid(bias_grid_of(args)));
    CK_CHECK(ck_check_threads(run));
    gradient_call call = {.args = args};
    CK_CHECK(ck_select(run.isa, &call.table));
    if (!has_work(args)) return CK_OK;

    int64_t worth = 2 * ck_attention_worth(&args->forward), threads = ck_attention_threads(worth, run);
    call.plan = plan_of(args, threads);
    size_t bytes = workspace_bytes(args, &call.plan, threads);
    CK_CHECK(check_memory(args, grids, bytes));
    atomic_int next_space = 0;
    call.floats = ck_attention_gradient_floats(&call.plan, args->forward.head_size, args->forward.value_size);
    call.next_space = &next_space;
    give_numbers(args, &call.plan, bytes);
    ck_run_blocks(ck_attention_units(&call.plan), worth, run.threads, run_units, &call);
    atomic_store(&next_space, 0);
    ck_run_blocks(bias_units(args, &call.plan), worth, run.threads, run_bias_units, &call);
    if (args->dslopes) sum_rows(&call, call.plan.sums.slopes, args->dslopes);
    if (args->dsinks) sum_rows(&call, call.plan.sums.sinks, args->dsinks);
    return CK_OK;
}
