// arguments_norm.c: what ck_layer_norm refuses, and calls near a refusal that it must accept.

#include <math.h>
#include <stddef.h>

#include "arguments.h"
#include "norm_problem.h"

enum { ROWS = 6, COLS = 7, STRIDE = 9 };

/// A call that is right in every argument; each check changes one thing.
static ck_norm_args right_args(const board *b) {
    float *f = b->floats;
    return (ck_norm_args){
        .rows = ROWS,
        .cols = COLS,
        .x = f,
        .x_stride = STRIDE,
        .weight = f + 1 * PLACE,
        .bias = f + 2 * PLACE,
        .epsilon = 1e-5f,
        .y = f + 3 * PLACE,
        .y_stride = STRIDE,
        .mean = f + 4 * PLACE,
        .mean_low = f + 5 * PLACE,
        .rstd = f + 6 * PLACE,
    };
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_norm_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_layer_norm, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_layer_norm, &a, run), __VA_ARGS__)

static void check_pointers_and_shapes(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL);
    ACCEPTS(a.weight = NULL);
    ACCEPTS(a.bias = NULL);
    ACCEPTS(a.mean = NULL);
    ACCEPTS(a.mean_low = NULL);
    ACCEPTS(a.rstd = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.weight = MISALIGNED(a.weight));
    REFUSES(CK_MISALIGNED_POINTER, a.bias = MISALIGNED(a.bias));
    REFUSES(CK_MISALIGNED_POINTER, a.mean = MISALIGNED(a.mean));
    REFUSES(CK_MISALIGNED_POINTER, a.mean_low = MISALIGNED(a.mean_low));
    REFUSES(CK_MISALIGNED_POINTER, a.rstd = MISALIGNED(a.rstd));

    REFUSES(CK_BAD_SHAPE, a.rows = -1);
    REFUSES(CK_BAD_SHAPE, a.rows = INT64_MIN);
    REFUSES(CK_BAD_SHAPE, a.cols = 0);
    REFUSES(CK_BAD_SHAPE, a.cols = -1);
    REFUSES(CK_BAD_SHAPE, a.rows = 0; a.cols = 0);
    REFUSES(CK_BAD_STRIDE, a.x_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.y_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.x_stride = -STRIDE);
    REFUSES(CK_BAD_STRIDE, a.y_stride = 0);
    REFUSES(CK_BAD_STRIDE, a.rows = 1; a.y_stride = COLS - 1);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.x_stride = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, a.y_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.x_stride = INT64_MAX / 16);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = 1; a.cols = a.x_stride = a.y_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.x = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.y = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.weight = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.mean = AT_THE_END);

    // No rows: nothing is read or written, and no pointer is looked at.
    REFUSES(CK_OK, a.rows = 0);
    REFUSES(CK_OK, a.rows = 0; a.x = NULL; a.y = NULL; a.mean = MISALIGNED(a.mean));
}

static void check_numbers(check *c, board *b) {
    REFUSES(CK_BAD_EPSILON, a.epsilon = NAN);
    REFUSES(CK_BAD_EPSILON, a.epsilon = -1e-5f);
    REFUSES(CK_BAD_EPSILON, a.epsilon = -1e-45f);
    REFUSES(CK_BAD_EPSILON, a.epsilon = INFINITY);
    REFUSES(CK_BAD_EPSILON, a.epsilon = -INFINITY);
    REFUSES(CK_BAD_EPSILON, a.rows = 0; a.epsilon = NAN);
    ACCEPTS(a.epsilon = 0);
    ACCEPTS(a.epsilon = -0.0f);
    ACCEPTS(a.epsilon = 0x1.fffffep127f);

    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_BAD_THREADS, run.threads = INT32_MIN);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)(CK_ISA_NEON + 1));
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)64);
    ACCEPTS(run.isa = CK_ISA_AUTO; run.threads = 0);
    for (ck_isa isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++)
        if (!(ck_inspect().available >> isa & 1)) REFUSES(CK_ISA_UNAVAILABLE, run.isa = isa);
}

static void check_overlaps(check *c, board *b) {
    enum { SPAN = (ROWS - 1) * STRIDE + COLS };
    float *x = b->floats;
    ACCEPTS(a.y = x);
    ACCEPTS(a.y = x; a.rows = 1; a.y_stride = STRIDE + 5);
    ACCEPTS(a.y = x + SPAN);
    ACCEPTS(a.x = b->floats + PLACE - SPAN; a.weight = NULL; a.y = b->floats + PLACE);
    REFUSES(CK_OVERLAP, a.y = x + 1);
    REFUSES(CK_OVERLAP, a.y = x + COLS - 1);
    REFUSES(CK_OVERLAP, a.y = x + STRIDE);
    REFUSES(CK_OVERLAP, a.y = x + SPAN - 1);
    REFUSES(CK_OVERLAP, a.x = x + 1; a.y = x);
    REFUSES(CK_OVERLAP, a.x = x + SPAN - 1; a.y = x);
    REFUSES(CK_OVERLAP, a.y = x; a.y_stride = STRIDE + 1);
    REFUSES(CK_OVERLAP, a.y = x; a.y_stride = COLS);
    REFUSES(CK_OVERLAP, a.y = (float *)a.weight);
    REFUSES(CK_OVERLAP, a.y = (float *)a.weight + COLS - 1);
    REFUSES(CK_OVERLAP, a.y = (float *)a.bias);
    REFUSES(CK_OVERLAP, a.bias = (float *)a.y + SPAN - 1);

    // The saved moments may lie on nothing else.
    REFUSES(CK_OVERLAP, a.mean = a.y);
    REFUSES(CK_OVERLAP, a.mean_low = (float *)a.y + SPAN - 1);
    REFUSES(CK_OVERLAP, a.rstd = (float *)a.y - ROWS + 1);
    REFUSES(CK_OVERLAP, a.mean = x);
    REFUSES(CK_OVERLAP, a.mean_low = (float *)a.weight);
    REFUSES(CK_OVERLAP, a.rstd = (float *)a.bias + COLS - 1);
    REFUSES(CK_OVERLAP, a.mean_low = a.mean);
    REFUSES(CK_OVERLAP, a.rstd = a.mean + ROWS - 1);
    REFUSES(CK_OVERLAP, a.rstd = a.mean_low);
    ACCEPTS(a.mean_low = a.mean + ROWS; a.rstd = a.mean + 2 * ROWS);
    ACCEPTS(a.bias = a.weight);
}

/// Input and output as columns side by side in one matrix, in either order: accepted, and right.
static void check_columns_side_by_side(check *c, board *b) {
    enum { WIDE = 2 * COLS };
    for (int order = 0; order < 2; order++) {
        float *x = b->floats + order * COLS, *y = b->floats + (1 - order) * COLS;
        static float alone[ROWS * COLS];
        board_restore(b);
        CHANGED(board_accepts(c, b, enter_layer_norm, &a, run), run = norm_portable; a.x = x; a.y = alone;
                a.x_stride = WIDE; a.y_stride = COLS; a.weight = NULL; a.bias = NULL);
        ACCEPTS(a.x = x; a.y = y; a.x_stride = a.y_stride = WIDE; a.weight = NULL; a.bias = NULL);
        for (int row = 0; row < ROWS; row++) {
            const float *before = b->before + (x - b->floats);
            check_row(c, "y", CK_F32, row, y + row * WIDE, alone + row * COLS, COLS);
            check_row(c, "x", CK_F32, row, x + row * WIDE, before + row * WIDE, COLS);
        }
    }
    REFUSES(CK_OVERLAP, a.y = b->floats + COLS - 1; a.x_stride = a.y_stride = WIDE);
    REFUSES(CK_OVERLAP, a.y = b->floats + COLS + 1; a.x_stride = a.y_stride = WIDE);
}

void check_norm_arguments(check *c, board *b) {
    check_begin(c);
    check_describe(c, "ck_layer_norm, no arguments");
    board_refuses(c, b, enter_layer_norm, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_pointers_and_shapes(c, b);
    check_numbers(c, b);
    check_overlaps(c, b);
    check_columns_side_by_side(c, b);
}
