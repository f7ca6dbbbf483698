// score_softmax.c: ck_score_softmax, ck_masked_scores: check, pick the table, cut the rows into blocks, run.

#include "ck_score_softmax.h"

#include "dispatch/select.h"
#include "entry/mask_arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

/// Rows that stay on one thread: a group of the kernel.
static int64_t rows_per_block(int64_t keys) { return keys <= 128 ? 16 : keys <= 1024 ? 4 : 1; }

typedef struct score_call {
    const ck_score_softmax_args *args;
    const ck_kernel_table *table;
    int64_t rows, size, blocks;
    int streaming, folded;
} score_call;

static void run_blocks_in_order(const score_call *call, int64_t begin, int64_t end) {
    if (begin >= end) return;
    int64_t last = end * call->size < call->rows ? end * call->size : call->rows;
    call->table->score_softmax(call->args, begin * call->size, last, call->streaming);
}

/// Folded, the first and the last block are one, the second and the last but one, and so on: under a causal mask every
/// thread's part, a piece from the front and one from the back, then has as many keys.
static void run_rows(const void *context, int64_t begin, int64_t end) {
    const score_call *call = context;
    if (!call->folded) {
        run_blocks_in_order(call, begin, end);
        return;
    }
    run_blocks_in_order(call, (begin + 1) / 2, (end + 1) / 2);
    run_blocks_in_order(call, call->blocks - end / 2, call->blocks - begin / 2);
}

static ck_score_shape shape_of(const ck_score_softmax_args *a) {
    return (ck_score_shape){a->batch, a->heads, a->queries, a->keys};
}
static ck_grid output_of(const ck_score_softmax_args *a) {
    return ck_score_grid(a->y, ck_size_of(a->type), shape_of(a), a->y_strides);
}
static ck_grid input_of(const ck_score_softmax_args *a) {
    return ck_score_grid(a->x, ck_size_of(a->type), shape_of(a), a->x_strides);
}

/// The rows of the call go to `rows`.
static ck_status check(const ck_score_softmax_args *a, int64_t *rows) {
    ck_grid x = input_of(a), y = output_of(a);
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_grid(x));
    if (a->y) CK_CHECK(ck_check_grid(y));
    if (a->y) CK_CHECK(ck_check_rows_apart(y));
    if (!ck_is_finite(a->scale)) return CK_BAD_PARAMETER;
    *rows = a->batch * a->heads * a->queries;
    if (*rows == 0) return CK_OK;
    CK_CHECK(ck_check_mask(&a->mask, shape_of(a)));

    enum { X = CK_MASK_AREAS, Y, AREAS };
    ck_area areas[AREAS], log_sum_exp = ck_vector_area(a->log_sum_exp, CK_F32, *rows);
    ck_mask_areas(&a->mask, shape_of(a), areas);
    areas[X] = ck_grid_area(x);
    areas[Y] = a->y ? ck_grid_area(y) : (ck_area){0};
    CK_CHECK(ck_check_pointer(areas[X]));
    if (!a->y && !a->log_sum_exp) return CK_NULL_POINTER;
    if (a->y) CK_CHECK(ck_check_pointer(areas[Y]));
    CK_CHECK(ck_check_optional(log_sum_exp));
    CK_CHECK(ck_check_output(areas[Y], areas, CK_MASK_AREAS, -1));
    if (a->y) CK_CHECK(ck_check_replacing(y, x));
    return ck_check_output(log_sum_exp, areas, AREAS, -1);
}

ck_status ck_score_softmax(const ck_score_softmax_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    score_call call = {.args = args, .size = rows_per_block(args->keys)};
    CK_CHECK(check(args, &call.rows));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (call.rows == 0) return CK_OK;
    int64_t bytes = (args->y ? 2 : 1) * call.rows * args->keys * ck_size_of(args->type);
    call.blocks = (call.rows + call.size - 1) / call.size;
    call.folded = args->mask.causal && ck_is_shared(call.blocks, bytes, run.threads);
    call.streaming =
        args->y && args->y != args->x && bytes > ck_cached_bytes() && ck_is_grid_line_aligned(output_of(args));
    ck_run_blocks(call.blocks, bytes, run.threads, run_rows, &call);
    return CK_OK;
}

static void run_scores(const void *context, int64_t begin, int64_t end) {
    const score_call *call = context;
    call->table->masked_scores(call->args, begin, end);
}

ck_status ck_masked_scores(const ck_score_softmax_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    ck_score_softmax_args scores = *args;
    scores.log_sum_exp = NULL;
    scores.mask.sinks = NULL;
    score_call call = {.args = &scores};
    CK_CHECK(check(&scores, &call.rows));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    ck_run_blocks(call.rows, 2 * call.rows * args->keys * ck_size_of(args->type), run.threads, run_scores, &call);
    return CK_OK;
}
