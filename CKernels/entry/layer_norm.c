// layer_norm.c: ck_layer_norm: check, pick the table, cut the rows into blocks, run.

#include "ck_layer_norm.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "parallel/blocks.h"

/// Rows that stay on one thread: a group of the kernel for short rows, or some KiB.
static int64_t rows_per_block(int64_t cols) { return cols <= 128 ? 16 : cols <= 1024 ? 4 : 1; }

typedef struct forward_call {
    const ck_layer_norm_args *args;
    const ck_kernel_table *table;
    int streaming;
} forward_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const forward_call *call = context;
    int64_t size = rows_per_block(call->args->cols), last = end * size;
    if (last > call->args->rows) last = call->args->rows;
    call->table->layer_norm(call->args, begin * size, last, call->streaming);
}

static ck_status check(const ck_layer_norm_args *a) {
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    if (a->rows == 0) return CK_OK;

    ck_area y = ck_matrix_area(a->y, CK_F32, a->rows, a->cols, a->y_stride);
    ck_area areas[] = {
        ck_matrix_area(a->x, CK_F32, a->rows, a->cols, a->x_stride), ck_vector_area(a->weight, CK_F32, a->cols), ck_vector_area(a->bias, CK_F32, a->cols),
        ck_vector_area(a->mean, CK_F32, a->rows),      ck_vector_area(a->mean_low, CK_F32, a->rows), ck_vector_area(a->rstd, CK_F32, a->rows),
    };
    enum { X, WEIGHT, BIAS, MEAN, MEAN_LOW, RSTD, AREAS };
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_pointer(y));
    for (int i = WEIGHT; i < AREAS; i++) CK_CHECK(ck_check_optional(areas[i]));
    CK_CHECK(ck_check_output(y, areas, AREAS, X));
    for (int i = MEAN; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

/// Traffic up to which the output stays in the caches. Memory serves one thread as fast as the last cache level does, if
/// it need not read what is overwritten; several threads fill a cache, but not the memory, faster than one.
static int64_t cached_bytes(int64_t blocks, int64_t bytes, int32_t threads) {
    return ck_is_shared(blocks, bytes, threads) ? ck_last_cache() / 8 * 7 : ck_last_cache() / 2;
}

ck_status ck_layer_norm(const ck_layer_norm_args *args, ck_run run) {
    forward_call call = {.args = args};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));

    int64_t bytes = 2 * args->rows * args->cols * (int64_t)sizeof(float);
    int64_t size = rows_per_block(args->cols), blocks = (args->rows + size - 1) / size;
    call.streaming = bytes > cached_bytes(blocks, bytes, run.threads) && args->x != args->y &&
                     ck_is_line_aligned(ck_matrix_area(args->y, CK_F32, args->rows, args->cols, args->y_stride));
    ck_run_blocks(blocks, bytes, run.threads, run_rows, &call);
    return CK_OK;
}
