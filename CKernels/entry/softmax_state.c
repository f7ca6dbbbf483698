// softmax_state.c: ck_softmax_states_merge and ck_softmax_with_states: check, pick the table, cut the rows into blocks,
// run.

#include "ck_softmax_state.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

static ck_area states_area(const ck_softmax_state *states, int64_t count) {
    return (ck_area){states, 1, 2 * count, 2 * count, 8};
}

static ck_status check_states(const ck_softmax_state *states, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (states[i].max != states[i].max || states[i].sum < 0.0 || states[i].sum > 0x1.fffffffffffffp1023)
            return CK_BAD_PARAMETER;
    return CK_OK;
}

ck_status ck_softmax_states_merge(const ck_softmax_state *parts, int64_t count, ck_softmax_state *result) {
    if (count < 0) return CK_BAD_SHAPE;
    if (count > INT64_MAX / (int64_t)sizeof(ck_softmax_state)) return CK_SIZE_OVERFLOW;
    CK_CHECK(ck_check_pointer(states_area(result, 1)));
    if (count > 0) CK_CHECK(ck_check_pointer(states_area(parts, count)));
    CK_CHECK(check_states(parts, count));
    ck_merges()->merge_softmax_states(parts, count, result);
    return CK_OK;
}

/// Rows that stay on one thread: some KiB.
static int64_t rows_per_block(int64_t cols) { return 1 + 4096 / cols; }

typedef struct states_call {
    const ck_softmax_with_states_args *args;
    const ck_kernel_table *table;
    int streaming;
} states_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const states_call *call = context;
    int64_t size = rows_per_block(call->args->cols), last = end * size;
    call->table->softmax_with_states(call->args, begin * size, last < call->args->rows ? last : call->args->rows,
                                     call->streaming);
}

static ck_status check_arguments(const ck_softmax_with_states_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    if (a->rows == 0) return CK_OK;
    ck_area x = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride);
    ck_area y = ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride);
    ck_area areas[] = {x, states_area(a->states, a->rows)};
    CK_CHECK(ck_check_pointer(x));
    CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_pointer(areas[1]));
    CK_CHECK(check_states(a->states, a->rows));
    return ck_check_output(y, areas, 2, 0);
}

ck_status ck_softmax_with_states(const ck_softmax_with_states_args *args, ck_run run) {
    states_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_arguments(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->rows == 0) return CK_OK;
    int64_t size = rows_per_block(args->cols), blocks = args->rows / size + (args->rows % size != 0);
    int64_t bytes = 2 * args->rows * args->cols * ck_size_of(args->type);
    call.streaming = bytes > ck_cached_bytes() && args->x != args->y &&
                     ck_is_line_aligned(ck_matrix_area(args->y, args->type, args->rows, args->cols, args->y_stride));
    ck_run_blocks(blocks, bytes, run.threads, run_rows, &call);
    return CK_OK;
}
