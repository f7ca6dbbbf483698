// arguments_convert.c: what ck_convert refuses, and calls near a refusal that it must accept.

#include <stddef.h>

#include "arguments.h"
#include "convert_entry.h"

enum { ROWS = 6, COLS = 7, STRIDE = 9 };

/// A call that is right in every argument; each check changes one thing.
static ck_convert_args right_args(const board *b) {
    return (ck_convert_args){ROWS, COLS, b->floats, CK_F32, STRIDE, b->floats + PLACE, CK_BF16, STRIDE};
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_convert_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_convert, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_convert, &a, run), __VA_ARGS__)

static void check_types_and_shapes(check *c, board *b) {
    REFUSES(CK_UNKNOWN_TYPE, a.x_type = (ck_type)(CK_F16 + 1));
    REFUSES(CK_UNKNOWN_TYPE, a.y_type = (ck_type)-1);
    REFUSES(CK_UNKNOWN_TYPE, a.rows = 0; a.y_type = (ck_type)(CK_F16 + 1));
    REFUSES(CK_BAD_SHAPE, a.rows = -1);
    REFUSES(CK_BAD_SHAPE, a.cols = 0);
    REFUSES(CK_BAD_SHAPE, a.cols = INT64_MIN);
    REFUSES(CK_BAD_STRIDE, a.x_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.y_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.rows = 1; a.y_stride = 0);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, a.cols = a.x_stride = a.y_stride = INT64_MAX / 2);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_OK, a.rows = 0);
    REFUSES(CK_OK, a.rows = 0; a.x = NULL; a.y = NULL);
    ACCEPTS(a.x_stride = COLS; a.y_stride = COLS);
    ACCEPTS(a.rows = 1; a.x_stride = COLS; a.y_stride = 1000);
}

static void check_pointers(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.x = (char *)a.x + 2);
    ACCEPTS(a.y = (char *)a.y + 2);
    REFUSES(CK_SIZE_OVERFLOW, a.x = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.y = AT_THE_END);
}

/// Within one matrix only elements of one size can take each other's place.
static void check_overlaps(check *c, board *b) {
    REFUSES(CK_OVERLAP, a.y = b->floats);
    REFUSES(CK_OVERLAP, a.y = b->floats; a.x_type = CK_F16; a.y_type = CK_F32);
    REFUSES(CK_OVERLAP, a.y = b->floats; a.y_type = CK_F32; a.y_stride = STRIDE + 1);
    REFUSES(CK_OVERLAP, a.y = b->floats + 1; a.y_type = CK_F32);
    REFUSES(CK_OVERLAP, a.y = b->floats + (ROWS - 1) * STRIDE + COLS - 1);
    ACCEPTS(a.y = b->floats + (ROWS - 1) * STRIDE + COLS);
    ACCEPTS(a.y = b->floats; a.y_type = CK_F32);
    ACCEPTS(a.y = b->floats; a.x_type = CK_BF16; a.y_type = CK_F16);
    ACCEPTS(a.y = b->floats + COLS; a.y_type = CK_F32; a.x_stride = a.y_stride = 2 * COLS);
}

void check_convert_arguments(check *c, board *b) {
    check_begin(c);
    check_describe(c, "ck_convert without arguments");
    check_call(c, enter_convert, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_types_and_shapes(c, b);
    check_pointers(c, b);
    check_overlaps(c, b);
}
