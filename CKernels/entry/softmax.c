// softmax.c: ck_softmax and ck_softmax_backward: check, pick the table, cut the rows into blocks, run.

#include "ck_softmax.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

/// Rows that stay on one thread: a group of the kernel for short rows.
static int64_t rows_per_block(int64_t cols) { return cols <= 128 ? 16 : cols <= 1024 ? 4 : 1; }

/// Rows of one call and how they run; the blocks of `run_rows` are `size` rows.
typedef struct softmax_call {
    const ck_softmax_args *forward;
    const ck_softmax_backward_args *backward;
    const ck_kernel_table *table;
    int64_t rows, size;
    int streaming;
} softmax_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const softmax_call *call = context;
    int64_t first = begin * call->size, last = end * call->size;
    if (last > call->rows) last = call->rows;
    if (call->forward)
        call->table->softmax(call->forward, first, last, call->streaming);
    else
        call->table->softmax_backward(call->backward, first, last, call->streaming);
}

/// `tensors` of the size of `output` are read and written.
static void run(softmax_call call, int64_t cols, int tensors, ck_area output, int in_place, ck_run run) {
    int64_t bytes = tensors * call.rows * cols * output.size;
    call.size = rows_per_block(cols);
    int64_t blocks = (call.rows + call.size - 1) / call.size;
    call.streaming = output.base && !in_place && bytes > ck_cached_bytes() &&
                     (ck_is_line_aligned(output) || (call.forward && cols > 1024));
    ck_run_blocks(blocks, bytes, run.threads, run_rows, &call);
}

static ck_status check_forward(const ck_softmax_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (a->y) CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    if (a->rows == 0) return CK_OK;

    ck_area x = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride);
    ck_area y = ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride);
    ck_area log_sum_exp = ck_vector_area(a->log_sum_exp, CK_F32, a->rows);
    ck_area states = {a->states, 1, 2 * a->rows, 2 * a->rows, 8};
    CK_CHECK(ck_check_pointer(x));
    if (!a->log_sum_exp && !a->states) CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_optional(y));
    CK_CHECK(ck_check_optional(log_sum_exp));
    CK_CHECK(ck_check_optional(states));
    CK_CHECK(ck_check_output(y, &x, 1, 0));
    ck_area others[] = {x, y, log_sum_exp};
    CK_CHECK(ck_check_output(log_sum_exp, others, 2, -1));
    return ck_check_output(states, others, 3, -1);
}

ck_status ck_softmax(const ck_softmax_args *args, ck_run how) {
    if (!args) return CK_NULL_POINTER;
    softmax_call call = {.forward = args, .rows = args->rows};
    CK_CHECK(check_forward(args));
    CK_CHECK(ck_check_threads(how));
    CK_CHECK(ck_select(how.isa, &call.table));
    ck_area y = ck_matrix_area(args->y, args->type, args->rows, args->cols, args->y_stride);
    run(call, args->cols, args->y ? 2 : 1, y, args->x == args->y, how);
    return CK_OK;
}

static ck_status check_backward(const ck_softmax_backward_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_stride));
    if (a->rows == 0) return CK_OK;

    ck_area dy = ck_matrix_area(a->dy, a->type, a->rows, a->cols, a->dy_stride);
    ck_area y = ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride);
    ck_area dx = ck_matrix_area(a->dx, a->type, a->rows, a->cols, a->dx_stride);
    CK_CHECK(ck_check_pointer(dy));
    CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_pointer(dx));
    CK_CHECK(ck_check_output(dx, &dy, 1, 0));
    return ck_check_output(dx, &y, 1, 0);
}

ck_status ck_softmax_backward(const ck_softmax_backward_args *args, ck_run how) {
    if (!args) return CK_NULL_POINTER;
    softmax_call call = {.backward = args, .rows = args->rows};
    CK_CHECK(check_backward(args));
    CK_CHECK(ck_check_threads(how));
    CK_CHECK(ck_select(how.isa, &call.table));
    ck_area dx = ck_matrix_area(args->dx, args->type, args->rows, args->cols, args->dx_stride);
    run(call, args->cols, 3, dx, args->dx == args->dy || args->dx == args->y, how);
    return CK_OK;
}
