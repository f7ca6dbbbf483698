// arguments_matmul.c: what ck_matmul and ck_matmul_blas refuse, and calls near a refusal that they must accept.

#include <limits.h>
#include <math.h>
#include <string.h>

#include "arguments.h"
#include "matmul_entry.h"

enum { BATCH = 2, HEADS = 4, B_HEADS = 2, ROWS = 3, COLUMNS = 5, DEPTH = 2, ROW = 6 };

static ck_matmul_args right_args(const board *b) {
    float *f = b->floats;
    ck_matmul_args a = {
        .batch = BATCH,
        .heads = HEADS,
        .b_heads = B_HEADS,
        .rows = ROWS,
        .columns = COLUMNS,
        .depth = DEPTH,
        .scale = 0.5f,
        .a = f,
        .a_strides = {HEADS * ROWS * ROW, ROWS * ROW, ROW},
        .b = f + PLACE,
        .b_strides = {B_HEADS * DEPTH * ROW, DEPTH * ROW, ROW},
        .c = f + 2 * PLACE,
        .c_strides = {HEADS * ROWS * ROW, ROWS * ROW, ROW},
        .workspace = f + 3 * PLACE,
    };
    a.workspace_size = ck_matmul_workspace(&a, (ck_run){CK_ISA_AUTO, 1});
    return a;
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_matmul_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_matmul, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_matmul, &a, run), __VA_ARGS__)
#define BLAS_REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_matmul_blas, &a, run, status), __VA_ARGS__)

/// What both refuse.
#define BOTH_REFUSE(status, ...)           \
    do {                                   \
        REFUSES(status, __VA_ARGS__);      \
        BLAS_REFUSES(status, __VA_ARGS__); \
    } while (0)

static void check_shared(check *c, board *b) {
    BOTH_REFUSE(CK_BAD_SHAPE, a.batch = -1);
    BOTH_REFUSE(CK_BAD_SHAPE, a.heads = -1);
    BOTH_REFUSE(CK_BAD_SHAPE, a.heads = 3);
    BOTH_REFUSE(CK_BAD_SHAPE, a.b_heads = 0);
    BOTH_REFUSE(CK_BAD_SHAPE, a.b_heads = -2);
    BOTH_REFUSE(CK_BAD_SHAPE, a.rows = -1);
    BOTH_REFUSE(CK_BAD_SHAPE, a.columns = -1);
    BOTH_REFUSE(CK_BAD_SHAPE, a.depth = -1);
    BOTH_REFUSE(CK_UNKNOWN_TYPE, a.a_type = (ck_type)3);
    BOTH_REFUSE(CK_UNKNOWN_TYPE, a.b_type = (ck_type)-1);
    BOTH_REFUSE(CK_UNKNOWN_TYPE, a.c_type = (ck_type)3);
    BOTH_REFUSE(CK_BAD_PARAMETER, a.scale = NAN);
    BOTH_REFUSE(CK_BAD_PARAMETER, a.scale = INFINITY);
    BOTH_REFUSE(CK_BAD_STRIDE, a.a_strides.row = -1);
    BOTH_REFUSE(CK_BAD_STRIDE, a.b_strides.head = -1);
    BOTH_REFUSE(CK_BAD_STRIDE, a.c_strides.row = COLUMNS - 1);
    BOTH_REFUSE(CK_BAD_STRIDE, a.c_strides.head = 0);
    BOTH_REFUSE(CK_SIZE_OVERFLOW, a.a_strides.batch = INT64_MAX);
    BOTH_REFUSE(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 4);
    BOTH_REFUSE(CK_SIZE_OVERFLOW, a.b = AT_THE_END);
    BOTH_REFUSE(CK_NULL_POINTER, a.a = NULL);
    BOTH_REFUSE(CK_NULL_POINTER, a.b = NULL);
    BOTH_REFUSE(CK_NULL_POINTER, a.c = NULL);
    BOTH_REFUSE(CK_MISALIGNED_POINTER, a.a = MISALIGNED(a.a));
    BOTH_REFUSE(CK_MISALIGNED_POINTER, a.b = MISALIGNED(a.b));
    BOTH_REFUSE(CK_MISALIGNED_POINTER, a.c = MISALIGNED(a.c));
    BOTH_REFUSE(CK_OVERLAP, a.c = (void *)a.a);
    BOTH_REFUSE(CK_OVERLAP, a.c = (float *)a.b + 3);
    BOTH_REFUSE(CK_BAD_THREADS, run.threads = -1);
}

void check_matmul_arguments(check *c, board *b) {
    check_shared(c, b);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)99);
    REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 1);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size--);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.a);
    REFUSES(CK_OVERLAP, a.workspace = a.c);
    REFUSES(CK_OK, a.batch = 0; a.a = a.b = a.c = a.workspace = NULL);
    REFUSES(CK_OK, a.rows = 0);
    REFUSES(CK_OK, a.columns = 0);
    REFUSES(CK_OK, a.heads = a.b_heads = 0);
    ACCEPTS(a.depth = 0; a.a = a.b = NULL);
    ACCEPTS(a.depth = 0; a.a_strides.row = a.b_strides.row = -1; a.b_transposed = 1);
    ACCEPTS(a.a_strides = (ck_strides){0});
    ACCEPTS(a.b_strides = (ck_strides){0});
    ACCEPTS(a.b = a.a);
    ACCEPTS(a.a_transposed = 1; a.a_strides = (ck_strides){48, 12, 4});
    ACCEPTS(a.b_heads = HEADS; a.b_strides.head = 0);
    ACCEPTS(a.a_type = CK_BF16; a.b_type = CK_F16; a.c_type = CK_BF16);
    BLAS_REFUSES(CK_UNKNOWN_TYPE, a.a_type = CK_BF16);
    BLAS_REFUSES(CK_UNKNOWN_TYPE, a.b_type = CK_F16);
    BLAS_REFUSES(CK_UNKNOWN_TYPE, a.c_type = CK_F16);
    BLAS_REFUSES(CK_BAD_STRIDE, a.a_strides.row = 0);
    BLAS_REFUSES(CK_BAD_STRIDE, a.b_strides.row = COLUMNS - 1);
    BLAS_REFUSES(CK_SIZE_OVERFLOW, a.a_strides.row = (int64_t)INT_MAX + 1);
    if (strcmp(ck_inspect().blas, "none") == 0) BLAS_REFUSES(CK_BLAS_UNAVAILABLE, a.workspace = NULL);
    board_refuses(c, b, enter_matmul, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    board_refuses(c, b, enter_matmul_blas, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_that(c, ck_matmul_workspace(NULL, (ck_run){0}) == 0, "a workspace for nothing");
}
