// orthogonal_add.c: ck_orthogonal_add and its gradients: check, pick the table, cut the rows into blocks, run.

#include "ck_orthogonal_add.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

/// Rows that stay on one thread: some KiB.
static int64_t rows_per_block(int64_t cols) { return cols <= 128 ? 16 : cols <= 1024 ? 4 : 1; }

/// One of the calls, the other is NULL.
typedef struct orthogonal_call {
    const ck_orthogonal_add_args *forward;
    const ck_orthogonal_add_backward_args *backward;
    const ck_kernel_table *table;
    int64_t rows, cols;
    int streaming;
} orthogonal_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const orthogonal_call *call = context;
    int64_t size = rows_per_block(call->cols), last = end * size;
    if (last > call->rows) last = call->rows;
    if (call->forward)
        call->table->orthogonal_add(call->forward, begin * size, last, call->streaming);
    else
        call->table->orthogonal_add_backward(call->backward, begin * size, last, call->streaming);
}

static void run_call(const orthogonal_call *call, int64_t bytes, ck_run run) {
    int64_t size = rows_per_block(call->cols);
    ck_run_blocks((call->rows + size - 1) / size, bytes, run.threads, run_rows, call);
}

static ck_status check_forward(const ck_orthogonal_add_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->update_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->h_stride));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    if (a->rows == 0) return CK_OK;
    enum { ROW_X, UPDATE, INPUTS };
    ck_area h = ck_matrix_area(a->h, a->type, a->rows, a->cols, a->h_stride);
    ck_area inputs[INPUTS] = {
        [ROW_X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [UPDATE] = ck_matrix_area(a->update, a->type, a->rows, a->cols, a->update_stride),
    };
    for (int i = 0; i < INPUTS; i++) CK_CHECK(ck_check_pointer(inputs[i]));
    CK_CHECK(ck_check_pointer(h));
    return ck_check_output(h, inputs, INPUTS, ROW_X);
}

ck_status ck_orthogonal_add(const ck_orthogonal_add_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    orthogonal_call call = {.forward = args, .rows = args->rows, .cols = args->cols};
    CK_CHECK(check_forward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int64_t bytes = 3 * args->rows * args->cols * ck_size_of(args->type);
    call.streaming = bytes > ck_cached_bytes() && args->h != args->x &&
                     ck_is_line_aligned(ck_matrix_area(args->h, args->type, args->rows, args->cols, args->h_stride));
    run_call(&call, bytes, run);
    return CK_OK;
}

static ck_status check_backward(const ck_orthogonal_add_backward_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dh_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->update_stride));
    if (a->dx) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_stride));
    if (a->dupdate) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dupdate_stride));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    if (a->rows == 0) return CK_OK;
    enum { DH, ROW_X, UPDATE, DX, AREAS };
    ck_area dupdate = ck_matrix_area(a->dupdate, a->type, a->rows, a->cols, a->dupdate_stride);
    ck_area areas[AREAS] = {
        [DH] = ck_matrix_area(a->dh, a->type, a->rows, a->cols, a->dh_stride),
        [ROW_X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [UPDATE] = ck_matrix_area(a->update, a->type, a->rows, a->cols, a->update_stride),
        [DX] = ck_matrix_area(a->dx, a->type, a->rows, a->cols, a->dx_stride),
    };
    for (int i = 0; i < DX; i++) CK_CHECK(ck_check_pointer(areas[i]));
    CK_CHECK(ck_check_optional(areas[DX]));
    CK_CHECK(ck_check_optional(dupdate));
    CK_CHECK(ck_check_output(areas[DX], areas, DX, DH));
    return ck_check_output(dupdate, areas, AREAS, -1);
}

ck_status ck_orthogonal_add_backward(const ck_orthogonal_add_backward_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    orthogonal_call call = {.backward = args, .rows = args->rows, .cols = args->cols};
    CK_CHECK(check_backward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int64_t bytes = 5 * args->rows * args->cols * ck_size_of(args->type);
    ck_area dx = ck_matrix_area(args->dx, args->type, args->rows, args->cols, args->dx_stride);
    ck_area dupdate = ck_matrix_area(args->dupdate, args->type, args->rows, args->cols, args->dupdate_stride);
    call.streaming = bytes > ck_cached_bytes() && args->dx != args->dh && (!args->dx || ck_is_line_aligned(dx)) &&
                     (!args->dupdate || ck_is_line_aligned(dupdate));
    run_call(&call, bytes, run);
    return CK_OK;
}
