// attention_backward.c: ck_attention_backward: check, cut keys and rows into units, run.

#include <stdatomic.h>

#include "dispatch/select.h"
#include "entry/attention_arguments.h"
#include "entry/row_blocks.h"
#include "parallel/blocks.h"

typedef ck_attention_backward_args gradient_args;

typedef struct gradient_call {
    const gradient_args *args;
    const ck_kernel_table *table;
    ck_attention_gradient_plan plan;
    int64_t floats;  // of workspace for a thread
    atomic_int *next_space;
} gradient_call;

static int has_outputs(const gradient_args *a) { return a->dquery || a->dkey || a->dvalue; }
static int has_work(const gradient_args *a) {
    return a->forward.batch > 0 && a->forward.query_heads > 0 && (a->forward.queries > 0 || a->forward.keys > 0) &&
           has_outputs(a);
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
    enum { MASK = TENSORS, WORKSPACE = MASK + CK_MASK_AREAS, AREAS };
    ck_area areas[AREAS] = {[WORKSPACE] =
                                ck_vector_area(b->workspace, CK_F32, (int64_t)(workspace_bytes / sizeof(float)))};
    CK_CHECK(ck_check_mask(&mask, ck_attention_shape(a)));
    ck_mask_areas(&mask, ck_attention_shape(a), areas + MASK);
    for (int i = 0; i < TENSORS; i++) {
        if (grids[i].batch * grids[i].heads * grids[i].rows == 0 || (is_optional(i) && !grids[i].base)) continue;
        areas[i] = ck_grid_area(grids[i]);
        CK_CHECK(ck_check_pointer(areas[i]));
    }
    CK_CHECK(ck_check_workspace(b->workspace, b->workspace_size, workspace_bytes));
    CK_CHECK(ck_check_pointer(areas[WORKSPACE]));
    for (int i = DQUERY; i <= DVALUE; i++) {
        CK_CHECK(ck_check_output(areas[i], areas, i, -1));
        CK_CHECK(ck_check_output(areas[i], areas + MASK, CK_MASK_AREAS, -1));
    }
    return ck_check_output(areas[WORKSPACE], areas, WORKSPACE, -1);
}

static int64_t whole_blocks(int64_t count) { return (count + CK_KEY_BLOCK - 1) / CK_KEY_BLOCK * CK_KEY_BLOCK; }

/// Planes, if there are two for each thread; else units of which each thread has about four.
static ck_attention_gradient_plan plan_of(const gradient_args *b, int64_t threads) {
    const ck_attention_args *a = &b->forward;
    ck_attention_gradient_plan p = {
        .planes = a->batch * a->key_heads,
        .rows = a->query_heads / a->key_heads * a->queries,
        .keys = a->keys,
        .wants_keys = b->dkey || b->dvalue,
        .wants_queries = b->dquery != 0,
    };
    if (threads == 1 || p.planes >= 2 * threads || p.rows == 0 || p.keys == 0) return p;
    int64_t cuts = (4 * threads + p.planes - 1) / p.planes;
    p.keys_per_unit = whole_blocks((p.keys + cuts - 1) / cuts);
    p.rows_per_unit = whole_blocks((p.rows + cuts - 1) / cuts);
    p.key_units = p.wants_keys ? (p.keys + p.keys_per_unit - 1) / p.keys_per_unit : 0;
    p.row_units = p.wants_queries ? (p.rows + p.rows_per_unit - 1) / p.rows_per_unit : 0;
    return p;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/// Bytes, or 0 if they do not fit the address space.
static size_t workspace_bytes(const gradient_args *b, const ck_attention_gradient_plan *p, int64_t threads) {
    int64_t floats = ck_attention_gradient_floats(p, b->forward.head_size, b->forward.value_size);
    if (__builtin_mul_overflow(least(threads, ck_attention_units(p)), floats, &floats) || floats > INT64_MAX / 8)
        return 0;
    return (size_t)floats * sizeof(float);
}

size_t ck_attention_backward_workspace(const gradient_args *args, ck_run run) {
    if (!args || ck_check_attention_numbers(&args->forward) != CK_OK || run.threads < 0 || !has_work(args)) return 0;
    int64_t threads = ck_attention_threads(&args->forward, run);
    ck_attention_gradient_plan plan = plan_of(args, threads);
    return workspace_bytes(args, &plan, threads);
}

static void run_units(const void *context, int64_t begin, int64_t end) {
    const gradient_call *call = context;
    float *space = (float *)call->args->workspace + atomic_fetch_add(call->next_space, 1) * call->floats;
    call->table->attention_backward(call->args, &call->plan, begin, end, space);
}

ck_status ck_attention_backward(const gradient_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    if (args->forward.pages.table) return CK_BAD_PARAMETER;
    ck_grid grids[TENSORS];
    CK_CHECK(ck_check_attention_shapes(&args->forward));
    tensors_of(args, grids);
    CK_CHECK(check_grids(grids));
    CK_CHECK(ck_check_threads(run));
    gradient_call call = {.args = args};
    CK_CHECK(ck_select(run.isa, &call.table));
    if (!has_work(args)) return CK_OK;

    int64_t threads = ck_attention_threads(&args->forward, run);
    call.plan = plan_of(args, threads);
    CK_CHECK(check_memory(args, grids, workspace_bytes(args, &call.plan, threads)));
    atomic_int next_space = 0;
    call.floats = ck_attention_gradient_floats(&call.plan, args->forward.head_size, args->forward.value_size);
    call.next_space = &next_space;
    ck_run_blocks(ck_attention_units(&call.plan), 2 * ck_attention_worth(&args->forward), run.threads, run_units,
                  &call);
    return CK_OK;
}
