// convert.c: ck_convert: check, pick the table, cut the rows into blocks of columns, run.

#include "ck_convert.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

enum { COLUMNS_PER_BLOCK = 4096 };

typedef struct convert_call {
    ck_convert_args args;
    const ck_kernel_table *table;
    int64_t blocks_in_row;
    int streaming;
} convert_call;

/// Columns first ..< last of one row.
static void run_columns(const convert_call *call, int64_t row, int64_t first, int64_t last) {
    const ck_convert_args *a = &call->args;
    const char *x = (const char *)a->x + (row * a->x_stride + first) * ck_size_of(a->x_type);
    char *y = (char *)a->y + (row * a->y_stride + first) * ck_size_of(a->y_type);
    call->table->convert(x, a->x_type, y, a->y_type, last - first, call->streaming);
}

static void run_blocks(const void *context, int64_t begin, int64_t end) {
    const convert_call *call = context;
    while (begin < end) {
        int64_t row = begin / call->blocks_in_row, block = begin % call->blocks_in_row;
        int64_t blocks = call->blocks_in_row - block;
        if (blocks > end - begin) blocks = end - begin;
        int64_t last = (block + blocks) * COLUMNS_PER_BLOCK;
        if (last > call->args.cols) last = call->args.cols;
        run_columns(call, row, block * COLUMNS_PER_BLOCK, last);
        begin += blocks;
    }
}

/// Rows without gaps are one long row, whose strides do not matter.
static ck_convert_args join_rows(ck_convert_args a) {
    if (a.rows > 1 && (a.x_stride != a.cols || a.y_stride != a.cols)) return a;
    a.cols *= a.rows;
    a.rows = 1;
    a.x_stride = a.y_stride = 0;
    return a;
}

static ck_status check(const ck_convert_args *a) {
    CK_CHECK(ck_check_type(a->x_type));
    CK_CHECK(ck_check_type(a->y_type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    if (a->rows == 0) return CK_OK;

    ck_area x = ck_matrix_area(a->x, a->x_type, a->rows, a->cols, a->x_stride);
    ck_area y = ck_matrix_area(a->y, a->y_type, a->rows, a->cols, a->y_stride);
    CK_CHECK(ck_check_pointer(x));
    CK_CHECK(ck_check_pointer(y));
    return ck_check_output(y, &x, 1, 0);
}

ck_status ck_convert(const ck_convert_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check(args));
    convert_call call = {.args = join_rows(*args)};
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));

    const ck_convert_args *a = &call.args;
    call.blocks_in_row = a->cols / COLUMNS_PER_BLOCK + (a->cols % COLUMNS_PER_BLOCK != 0);
    int64_t blocks = a->rows * call.blocks_in_row;
    int64_t bytes = a->rows * a->cols * (ck_size_of(a->x_type) + ck_size_of(a->y_type));
    call.streaming = bytes > ck_cached_bytes() && a->x != a->y &&
                     ck_is_line_aligned(ck_matrix_area(a->y, a->y_type, a->rows, a->cols, a->y_stride));
    ck_run_blocks(blocks, bytes, run.threads, run_blocks, &call);
    return CK_OK;
}
