// arguments_norm_backward.c: what ck_layer_norm_backward refuses, and calls near a refusal that
// it must accept.

#include <stddef.h>
#include <string.h>

#include "arguments.h"
#include "norm_problem.h"

enum { ROWS = 18, COLS = 7, STRIDE = 9, SPAN = (ROWS - 1) * STRIDE + COLS };

/// A call that is right in every argument; each check changes one thing.
static ck_norm_backward_args right_args(const board *b) {
    float *f = b->floats;
    return (ck_norm_backward_args){
        .rows = ROWS,
        .cols = COLS,
        .dy = f,
        .dy_stride = STRIDE,
        .x = f + 1 * PLACE,
        .x_stride = STRIDE,
        .weight = f + 2 * PLACE,
        .mean = f + 3 * PLACE,
        .mean_low = f + 4 * PLACE,
        .rstd = f + 5 * PLACE,
        .dx = f + 6 * PLACE,
        .dx_stride = STRIDE,
        .dweight = f + 7 * PLACE,
        .dbias = f + 8 * PLACE,
        .workspace = f + 9 * PLACE,
        .workspace_size = ck_norm_backward_workspace(ROWS, COLS, 0),
    };
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_norm_backward_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_layer_norm_backward, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_layer_norm_backward, &a, run), __VA_ARGS__)

static void check_pointers(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.dy = NULL);
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.mean = NULL);
    REFUSES(CK_NULL_POINTER, a.rstd = NULL);
    REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    ACCEPTS(a.weight = NULL);
    ACCEPTS(a.mean_low = NULL);
    ACCEPTS(a.dx = NULL);
    ACCEPTS(a.dx = NULL; a.dx_stride = 0);
    ACCEPTS(a.dweight = NULL);
    ACCEPTS(a.dbias = NULL);
    ACCEPTS(a.dweight = NULL; a.dbias = NULL; a.workspace = NULL; a.workspace_size = 0);
    REFUSES(CK_OK, a.dx = NULL; a.dweight = NULL; a.dbias = NULL; a.workspace = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.dy = MISALIGNED(a.dy));
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.weight = MISALIGNED(a.weight));
    REFUSES(CK_MISALIGNED_POINTER, a.mean = MISALIGNED(a.mean));
    REFUSES(CK_MISALIGNED_POINTER, a.mean_low = MISALIGNED(a.mean_low));
    REFUSES(CK_MISALIGNED_POINTER, a.rstd = MISALIGNED(a.rstd));
    REFUSES(CK_MISALIGNED_POINTER, a.dx = MISALIGNED(a.dx));
    REFUSES(CK_MISALIGNED_POINTER, a.dweight = MISALIGNED(a.dweight));
    REFUSES(CK_MISALIGNED_POINTER, a.dbias = MISALIGNED(a.dbias));
    REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 1);
    REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 8);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size -= 1);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size = 0);
    ACCEPTS(a.workspace_size += 1);
    REFUSES(CK_SIZE_OVERFLOW, a.dy = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.x = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.rstd = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.dx = AT_THE_END);
}

static void check_shapes(check *c, board *b) {
    REFUSES(CK_BAD_SHAPE, a.rows = -1);
    REFUSES(CK_BAD_SHAPE, a.cols = 0);
    REFUSES(CK_BAD_SHAPE, a.cols = -1);
    REFUSES(CK_BAD_SHAPE, a.rows = 0; a.cols = 0);
    REFUSES(CK_BAD_STRIDE, a.dy_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.x_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.dx_stride = COLS - 1);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.dy_stride = INT64_MAX / 16);
    REFUSES(CK_SIZE_OVERFLOW, a.x_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.dx_stride = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = 1; a.cols = a.dy_stride = a.x_stride = a.dx_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = 0; a.cols = a.dy_stride = a.x_stride = a.dx_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = 0; a.cols = a.dy_stride = a.x_stride = a.dx_stride = INT64_MAX / 2 + 1);

    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)(CK_ISA_NEON + 1));
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    ACCEPTS(run.isa = CK_ISA_AUTO; run.threads = 0);
    for (ck_isa isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++)
        if (!(ck_inspect().available >> isa & 1)) REFUSES(CK_ISA_UNAVAILABLE, run.isa = isa);
}

/// Sums over no rows are zeros; accumulated, they are what they were.
static void check_no_rows(check *c, board *b) {
    static const float zeros[COLS];
    REFUSES(CK_OK, a.rows = 0; a.accumulate = 1);
    REFUSES(CK_OK, a.rows = 0; a.dweight = NULL; a.dbias = NULL);
    REFUSES(CK_OVERLAP, a.rows = 0; a.dbias = a.dweight + 1);
    ACCEPTS(a.rows = 0; a.dy = NULL; a.x = NULL; a.mean = NULL; a.rstd = NULL; a.dx = NULL; a.workspace = NULL);
    ck_norm_backward_args a = right_args(b);
    check_row(c, "dweight", CK_F32, 0, a.dweight, zeros, COLS);
    check_row(c, "dbias", CK_F32, 0, a.dbias, zeros, COLS);
    memcpy(a.dweight, b->before + (a.dweight - b->floats), sizeof zeros);
    memcpy(a.dbias, b->before + (a.dbias - b->floats), sizeof zeros);
    check_row(c, "the whole board", CK_F32, 0, b->floats, b->before, PLACE * BOARD_PLACES);
    board_restore(b);
}

static void check_overlaps(check *c, board *b) {
    ACCEPTS(a.dx = (float *)a.dy);
    ACCEPTS(a.dx = (float *)a.dy; a.rows = 1; a.dx_stride = STRIDE + 5);
    ACCEPTS(a.dy = (float *)a.dx - SPAN);
    ACCEPTS(a.dy = (float *)a.dx + SPAN; a.dweight = NULL);
    ACCEPTS(a.x = a.dy);
    ACCEPTS(a.dy_stride = a.x_stride = a.dx_stride = 2 * COLS; a.rows = 16; a.dx = (float *)a.dy + COLS);
    ACCEPTS(a.dy_stride = a.x_stride = a.dx_stride = 2 * COLS; a.rows = 16; a.dx = (float *)a.x + COLS);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.dy + 1);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.dy + SPAN - 1);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.dy; a.dx_stride = STRIDE + 1);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.x);
    REFUSES(CK_OVERLAP, a.x = a.dy; a.dx = (float *)a.dy);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.x + STRIDE);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.weight);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.mean);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.mean_low + ROWS - 1);
    REFUSES(CK_OVERLAP, a.dx = (float *)a.rstd);
    REFUSES(CK_OVERLAP, a.dx = a.dweight);
    REFUSES(CK_OVERLAP, a.dx = a.dbias + COLS - 1);
    REFUSES(CK_OVERLAP, a.dx = a.workspace);

    REFUSES(CK_OVERLAP, a.dweight = (float *)a.dy);
    REFUSES(CK_OVERLAP, a.dweight = (float *)a.x + SPAN - 1);
    REFUSES(CK_OVERLAP, a.dweight = (float *)a.weight);
    REFUSES(CK_OVERLAP, a.dbias = (float *)a.weight + COLS - 1);
    REFUSES(CK_OVERLAP, a.dbias = (float *)a.mean);
    REFUSES(CK_OVERLAP, a.dweight = (float *)a.mean_low);
    REFUSES(CK_OVERLAP, a.dbias = (float *)a.rstd + ROWS - 1);
    REFUSES(CK_OVERLAP, a.dbias = a.dweight);
    REFUSES(CK_OVERLAP, a.dbias = a.dweight + COLS - 1);
    ACCEPTS(a.dbias = a.dweight + COLS);

    REFUSES(CK_OVERLAP, a.workspace = (float *)a.dy);
    REFUSES(CK_OVERLAP, a.workspace = (float *)a.x);
    REFUSES(CK_OVERLAP, a.workspace = (float *)a.weight);
    REFUSES(CK_OVERLAP, a.workspace = (float *)a.mean);
    REFUSES(CK_OVERLAP, a.workspace = (float *)a.rstd);
    REFUSES(CK_OVERLAP, a.workspace = (float *)a.dx + 128);
    REFUSES(CK_OVERLAP, a.dweight = (float *)a.workspace);
    REFUSES(CK_OVERLAP, a.dbias = (float *)((char *)a.workspace + a.workspace_size) - 1);
    ACCEPTS(a.dbias = (float *)((char *)a.workspace + a.workspace_size));
}

static void check_workspace_query(check *c) {
    check_begin(c);
    check_describe(c, "ck_norm_backward_workspace");
    check_that(c, ck_norm_backward_workspace(0, COLS, 0) == 0, "memory for no rows");
    check_that(c, ck_norm_backward_workspace(-1, COLS, 0) == 0, "memory for -1 rows");
    check_that(c, ck_norm_backward_workspace(ROWS, 0, 0) == 0, "memory for no columns");
    check_that(c, ck_norm_backward_workspace(INT64_MAX, INT64_MAX, 0) == 0, "memory for a size that is refused");
    check_that(c, ck_norm_backward_workspace(INT64_MAX / 2, 1, 0) == 0, "memory for a size that is refused");
    for (int64_t rows = 1; rows < 5000; rows = rows * 2 + 1)
        check_that(c, ck_norm_backward_workspace(rows, COLS, 0) % 64 == 0, "a size that aligned_alloc does not take");
}

void check_norm_backward_arguments(check *c, board *b) {
    check_begin(c);
    check_describe(c, "ck_layer_norm_backward, no arguments");
    board_refuses(c, b, enter_layer_norm_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_pointers(c, b);
    check_shapes(c, b);
    check_no_rows(c, b);
    check_overlaps(c, b);
    check_workspace_query(c);
}
