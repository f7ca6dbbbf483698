// attention.c: ck_attention: check, cut the rows (and, where they are few, the keys) into items, run.

#include "ck_attention.h"

#include <stdatomic.h>

#include "dispatch/select.h"
#include "entry/attention_arguments.h"
#include "entry/offsets.h"
#include "entry/row_blocks.h"
#include "parallel/blocks.h"

typedef struct attention_call {
    const ck_attention_args *args;
    const ck_kernel_table *table;
    ck_attention_plan plan;
    int64_t floats;  // of workspace for a thread
    float *spaces;   // one a thread
    int64_t count;   // of units of work
    int folded;
    atomic_int *next_space;
} attention_call;

typedef void (*attention_kernel)(const ck_attention_args *args, const ck_attention_plan *plan, int64_t begin,
                                 int64_t end, float *space);

ck_score_shape ck_attention_shape(const ck_attention_args *a) {
    return (ck_score_shape){a->batch, a->query_heads, a->queries, a->keys};
}

ck_mask ck_attention_mask(const ck_attention_args *a) {
    ck_mask m = a->mask;
    if (a->keys == 0 || a->queries == 0) {
        m.bias = NULL;
        m.boolean = NULL;
    }
    if (a->queries == 0) m.lengths = NULL;
    return m;
}

int64_t ck_attention_rows(const ck_attention_args *a) {
    return a->query_offsets ? a->query_offsets[a->batch] : a->queries;
}

ck_grid ck_query_grid(const ck_attention_args *a, const void *base, int64_t size, int64_t cols, ck_strides strides) {
    int64_t batch = a->query_offsets ? 1 : a->batch;
    return (ck_grid){base, size, batch, a->query_heads, ck_attention_rows(a), cols, strides};
}
ck_grid ck_key_grid(const ck_attention_args *a, const void *base, int64_t cols, ck_strides strides) {
    int64_t batch = a->pages.table ? a->pages.count : a->key_offsets ? 1 : a->batch;
    int64_t rows = a->pages.table ? a->pages.page_size : a->key_offsets ? a->key_offsets[a->batch] : a->keys;
    return (ck_grid){base, ck_size_of(a->key_type), batch, a->key_heads, rows, cols, strides};
}

ck_status ck_check_attention_numbers(const ck_attention_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_type(a->key_type));
    if (a->batch < 0 || a->queries < 0 || a->keys < 0 || a->query_heads < 0 || a->key_heads < 0) return CK_BAD_SHAPE;
    if (a->query_heads > 0 && (a->key_heads == 0 || a->query_heads % a->key_heads != 0)) return CK_BAD_SHAPE;
    if (a->head_size < 1 || a->head_size > 512 || a->value_size < 1 || a->value_size > 512) return CK_BAD_SHAPE;
    ck_score_shape scores = ck_attention_shape(a);
    scores.keys = a->keys > 0 ? a->keys : 1;
    CK_CHECK(ck_check_grid(ck_score_grid(NULL, sizeof(float), scores, (ck_strides){0})));
    if (a->first_query < 0 || a->first_query > (int64_t)1 << 32 || a->queries > ((int64_t)1 << 32) - a->first_query)
        return CK_BAD_SHAPE;
    return ck_is_finite(a->scale) && a->dropout >= 0.0f && a->dropout < 1.0f ? CK_OK : CK_BAD_PARAMETER;
}

/// Offsets from 0 on, each entry of at most `most` rows.
static ck_status check_packing(const int64_t *offsets, int64_t batch, int64_t most) {
    if (!offsets) return CK_OK;
    CK_CHECK(ck_check_pointer(ck_offsets_area(offsets, batch)));
    CK_CHECK(ck_check_offsets(offsets, batch, offsets[batch]));
    for (int64_t b = 0; b < batch; b++)
        if (offsets[b + 1] - offsets[b] > most) return CK_BAD_OFFSETS;
    return CK_OK;
}

/// The pages of all batch entries.
static ck_grid table_grid(const ck_attention_args *a) {
    const ck_pages *p = &a->pages;
    int64_t pages = a->keys / p->page_size + (a->keys % p->page_size != 0);
    return (ck_grid){p->table, sizeof(int32_t), 1, 1, a->batch, pages, {0, 0, p->table_stride}};
}

static ck_status check_pages(const ck_attention_args *a) {
    const ck_pages *p = &a->pages;
    if (!p->table) return CK_OK;
    if (a->key_offsets || p->page_size < 1 || p->count < 0) return CK_BAD_SHAPE;
    if (a->keys == 0 || a->batch == 0) return CK_OK;
    ck_grid table = table_grid(a);
    CK_CHECK(ck_check_grid(table));
    CK_CHECK(ck_check_pointer(ck_grid_area(table)));
    for (int64_t b = 0; b < (p->table_stride ? a->batch : 1); b++)
        for (int64_t k = 0; k < table.cols; k++) {
            int32_t page = p->table[b * p->table_stride + k];
            if (page < 0 || page >= p->count) return CK_BAD_OFFSETS;
        }
    return CK_OK;
}

static int has_work(const ck_attention_args *a) { return a->batch > 0 && a->query_heads > 0 && a->queries > 0; }

static ck_status check_grids(const ck_attention_args *a) {
    ck_grid output = ck_query_grid(a, a->output, ck_size_of(a->type), a->value_size, a->output_strides);
    ck_grid sums = ck_query_grid(a, a->log_sum_exp, sizeof(float), 1, a->log_sum_exp_strides);
    CK_CHECK(ck_check_grid(ck_query_grid(a, a->query, ck_size_of(a->type), a->head_size, a->query_strides)));
    CK_CHECK(ck_check_grid(ck_key_grid(a, a->key, a->head_size, a->key_strides)));
    CK_CHECK(ck_check_grid(ck_key_grid(a, a->value, a->value_size, a->value_strides)));
    CK_CHECK(ck_check_grid(output));
    CK_CHECK(ck_check_rows_apart(output));
    if (!a->log_sum_exp && !a->log_sum_exp_low) return CK_OK;
    CK_CHECK(ck_check_grid(sums));
    return ck_check_rows_apart(sums);
}

/// Memory of a call that has work; its grids have been checked.
enum { QUERY = CK_MASK_AREAS, KEY, VALUE, QUERY_OFFSETS, KEY_OFFSETS, TABLE, OUTPUT, SUMS, SUMS_LOW, WORKSPACE, AREAS };

static ck_status check_memory(const ck_attention_args *a, int64_t workspace_floats) {
    ck_mask mask = ck_attention_mask(a);
    ck_grid key = ck_key_grid(a, a->key, a->head_size, a->key_strides);
    CK_CHECK(ck_check_mask(&mask, ck_attention_shape(a)));

    ck_area areas[AREAS] = {
        [QUERY] = ck_grid_area(ck_query_grid(a, a->query, ck_size_of(a->type), a->head_size, a->query_strides)),
        [OUTPUT] = ck_grid_area(ck_query_grid(a, a->output, ck_size_of(a->type), a->value_size, a->output_strides)),
        [WORKSPACE] = ck_vector_area(a->workspace, CK_F32, workspace_floats),
    };
    ck_mask_areas(&mask, ck_attention_shape(a), areas);
    CK_CHECK(ck_check_pointer(areas[QUERY]));
    CK_CHECK(ck_check_pointer(areas[OUTPUT]));
    if (a->keys > 0 && key.batch * key.rows > 0) {
        areas[KEY] = ck_grid_area(key);
        areas[VALUE] = ck_grid_area(ck_key_grid(a, a->value, a->value_size, a->value_strides));
        CK_CHECK(ck_check_pointer(areas[KEY]));
        CK_CHECK(ck_check_pointer(areas[VALUE]));
    }
    const float *sums[] = {a->log_sum_exp, a->log_sum_exp_low};
    for (int i = 0; i < 2; i++) {
        if (!sums[i]) continue;
        areas[SUMS + i] = ck_grid_area(ck_query_grid(a, sums[i], sizeof(float), 1, a->log_sum_exp_strides));
        CK_CHECK(ck_check_pointer(areas[SUMS + i]));
    }
    if (a->query_offsets) areas[QUERY_OFFSETS] = ck_offsets_area(a->query_offsets, a->batch);
    if (a->key_offsets) areas[KEY_OFFSETS] = ck_offsets_area(a->key_offsets, a->batch);
    if (a->pages.table && a->keys > 0) areas[TABLE] = ck_grid_area(table_grid(a));
    CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, (size_t)workspace_floats * sizeof(float)));
    CK_CHECK(ck_check_pointer(areas[WORKSPACE]));
    for (int i = OUTPUT; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

ck_status ck_check_attention_shapes(const ck_attention_args *a) {
    CK_CHECK(ck_check_attention_numbers(a));
    CK_CHECK(check_packing(a->query_offsets, a->batch, a->queries));
    CK_CHECK(check_packing(a->key_offsets, a->batch, a->keys));
    CK_CHECK(check_pages(a));
    return check_grids(a);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/// Items for about four turns of each thread, but of no fewer rows than two tiles; and whether chunks are shared, too.
static ck_attention_plan plan_of(const ck_attention_args *a, int64_t threads, int *shares_chunks) {
    int64_t rows = a->query_heads / a->key_heads * a->queries, planes = a->batch * a->key_heads;
    int64_t size = threads == 1 ? CK_ITEM_ROWS : rows * planes / (4 * threads) / 12 * 12;
    if (size < 12) size = 12;
    ck_attention_plan p = {
        .rows_per_item = least(rows, least(size, CK_ITEM_ROWS)),
        .planes = planes,
        .chunks = (a->keys + CK_KEY_CHUNK - 1) / CK_KEY_CHUNK,
        .pitch = ck_whole_vectors(a->value_size),
        .rounds = a->type == CK_BF16 && a->key_type == CK_BF16,
    };
    p.items = (rows + p.rows_per_item - 1) / p.rows_per_item;
    *shares_chunks = p.chunks > 1 && p.items * planes < 2 * threads;
    return p;
}

/// Floats of workspace, or -1 if they do not fit the address space.
static int64_t workspace_floats(const ck_attention_args *a, const ck_attention_plan *p, int64_t threads,
                                int shares_chunks) {
    int64_t units = p->items * p->planes * (shares_chunks ? p->chunks : 1), parts = 0, spaces;
    if (shares_chunks && __builtin_mul_overflow(units, ck_state_floats(p), &parts)) return -1;
    if (__builtin_mul_overflow(least(threads, units), ck_attention_floats(p, a->head_size), &spaces)) return -1;
    return __builtin_add_overflow(parts, spaces, &parts) || parts > INT64_MAX / 8 ? -1 : parts;
}

/// A fused multiply-add takes as long as half a byte of traffic: 58 and 25 a nanosecond (Zen 4, 2026-11-25).
int64_t ck_attention_worth(const ck_attention_args *a) {
    double pairs = (double)a->batch * (double)a->query_heads * (double)a->queries * (double)a->keys;
    double bytes = pairs * (double)(a->head_size + a->value_size) * (a->mask.causal ? 0.25 : 0.5);
    return bytes < 0x1p60 ? (int64_t)bytes : (int64_t)1 << 60;
}

int64_t ck_attention_threads(int64_t worth, ck_run run) {
    int64_t threads = run.threads > 0 ? run.threads : ck_max_threads();
    return ck_is_shared(INT64_MAX, worth, run.threads) ? threads : 1;
}

size_t ck_attention_workspace(const ck_attention_args *args, ck_run run) {
    int shares_chunks;
    if (!args || ck_check_attention_numbers(args) != CK_OK || run.threads < 0 || !has_work(args)) return 0;
    int64_t threads = ck_attention_threads(ck_attention_worth(args), run);
    ck_attention_plan plan = plan_of(args, threads, &shares_chunks);
    int64_t floats = workspace_floats(args, &plan, threads, shares_chunks);
    return floats < 0 ? 0 : (size_t)floats * sizeof(float);
}

/// A thread's part of the units of work, in a space of its own.
static void run_kernel(const attention_call *call, attention_kernel kernel, int64_t begin, int64_t end) {
    float *space = call->spaces + atomic_fetch_add(call->next_space, 1) * call->floats;
    if (!call->folded) {
        kernel(call->args, &call->plan, begin, end, space);
        return;
    }
    for (int64_t i = begin; i < end; i++) {  // the first beside the last: under a causal mask they are worth as much
        int64_t unit = i % 2 == 0 ? i / 2 : call->count - 1 - i / 2;
        kernel(call->args, &call->plan, unit, unit + 1, space);
    }
}
static void run_items(const void *context, int64_t begin, int64_t end) {
    run_kernel(context, ((const attention_call *)context)->table->attention, begin, end);
}
static void run_parts(const void *context, int64_t begin, int64_t end) {
    run_kernel(context, ((const attention_call *)context)->table->attention_parts, begin, end);
}
static void run_merge(const void *context, int64_t begin, int64_t end) {
    run_kernel(context, ((const attention_call *)context)->table->attention_merge, begin, end);
}

ck_status ck_attention(const ck_attention_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(ck_check_attention_shapes(args));
    CK_CHECK(ck_check_threads(run));
    attention_call call = {.args = args};
    CK_CHECK(ck_select(run.isa, &call.table));
    if (!has_work(args) || ck_attention_rows(args) == 0) return CK_OK;

    int shares_chunks;
    int64_t threads = ck_attention_threads(ck_attention_worth(args), run);
    call.plan = plan_of(args, threads, &shares_chunks);
    int64_t floats = workspace_floats(args, &call.plan, threads, shares_chunks);
    if (floats < 0) return CK_SIZE_OVERFLOW;
    CK_CHECK(check_memory(args, floats));

    atomic_int next_space = 0;
    int64_t items = call.plan.items * call.plan.planes, worth = ck_attention_worth(args);
    call.count = items * (shares_chunks ? call.plan.chunks : 1);
    call.floats = ck_attention_floats(&call.plan, args->head_size);
    call.spaces = args->workspace;
    call.plan.parts = call.spaces + least(threads, call.count) * call.floats;
    call.folded = args->mask.causal && !shares_chunks && threads > 1;
    call.next_space = &next_space;
    if (!shares_chunks) {
        ck_run_blocks(items, worth, run.threads, run_items, &call);
        return CK_OK;
    }
    ck_run_blocks(call.count, worth, run.threads, run_parts, &call);
    atomic_store(&next_space, 0);
    ck_run_blocks(items, worth / CK_KEY_CHUNK, run.threads, run_merge, &call);
    return CK_OK;
}
