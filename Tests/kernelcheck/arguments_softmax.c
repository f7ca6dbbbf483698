// arguments_softmax.c: what ck_softmax and ck_softmax_backward refuse, and calls near a refusal that they must accept.

#include <stddef.h>

#include "arguments.h"
#include "softmax_entry.h"

enum { ROWS = 6, COLS = 7, STRIDE = 9 };

static ck_softmax_args right_forward(const board *b) {
    float *f = b->floats;
    return (ck_softmax_args){
        .rows = ROWS,
        .cols = COLS,
        .type = CK_F32,
        .x = f,
        .x_stride = STRIDE,
        .y = f + PLACE,
        .y_stride = STRIDE,
        .log_sum_exp = f + 2 * PLACE,
        .states = (ck_softmax_state *)(void *)(f + 3 * PLACE),
    };
}

#define FORWARD(verdict, ...) CHANGED_CALL(ck_softmax_args, right_forward(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) FORWARD(board_refuses(c, b, enter_softmax, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) FORWARD(board_accepts(c, b, enter_softmax, &a, run), __VA_ARGS__)

static void check_forward(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL; a.log_sum_exp = NULL; a.states = NULL);
    ACCEPTS(a.y = NULL; a.log_sum_exp = NULL);
    ACCEPTS(a.y = NULL; a.states = NULL);
    ACCEPTS(a.states = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.states = MISALIGNED(a.states));
    REFUSES(CK_OVERLAP, a.states = (void *)a.x);
    REFUSES(CK_OVERLAP, a.states = (void *)a.y);
    REFUSES(CK_OVERLAP, a.states = (void *)a.log_sum_exp);
    ACCEPTS(a.y = NULL);
    ACCEPTS(a.y = NULL; a.y_stride = 0);
    ACCEPTS(a.log_sum_exp = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.type = CK_BF16; a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.log_sum_exp = MISALIGNED(a.log_sum_exp));
    REFUSES(CK_BAD_SHAPE, a.rows = -1);
    REFUSES(CK_BAD_SHAPE, a.cols = 0);
    REFUSES(CK_BAD_STRIDE, a.x_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.y_stride = COLS - 1);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.x_stride = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.y = AT_THE_END);
    REFUSES(CK_OVERLAP, a.y = (float *)a.x + 1);
    REFUSES(CK_OVERLAP, a.y = (void *)a.x; a.y_stride = STRIDE + 1);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.x);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.y + COLS - 1);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)-1);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_OK, a.rows = 0);
    REFUSES(CK_OK, a.rows = 0; a.x = NULL; a.y = NULL; a.log_sum_exp = NULL);
    ACCEPTS(a.y = (void *)a.x);
    ACCEPTS(a.rows = 1; a.x_stride = a.y_stride = INT64_MAX);
    ACCEPTS(a.y = (float *)a.x + COLS; a.x_stride = a.y_stride = 2 * COLS);
    ACCEPTS(a.logarithmic = 1);
    ACCEPTS(a.type = CK_F16);
    board_refuses(c, b, enter_softmax, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

static ck_softmax_backward_args right_backward(const board *b) {
    float *f = b->floats;
    return (ck_softmax_backward_args){
        .rows = ROWS,
        .cols = COLS,
        .type = CK_F32,
        .dy = f,
        .dy_stride = STRIDE,
        .y = f + PLACE,
        .y_stride = STRIDE,
        .dx = f + 2 * PLACE,
        .dx_stride = STRIDE,
    };
}

#define BACKWARD(verdict, ...) CHANGED_CALL(ck_softmax_backward_args, right_backward(b), verdict, __VA_ARGS__)
#define GRADIENT_REFUSES(status, ...) \
    BACKWARD(board_refuses(c, b, enter_softmax_backward, &a, run, status), __VA_ARGS__)
#define GRADIENT_ACCEPTS(...) BACKWARD(board_accepts(c, b, enter_softmax_backward, &a, run), __VA_ARGS__)

static void check_backward(check *c, board *b) {
    GRADIENT_REFUSES(CK_NULL_POINTER, a.dy = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.y = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.dx = NULL);
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dy = MISALIGNED(a.dy));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dx = MISALIGNED(a.dx));
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.rows = -1);
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.cols = 0);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dy_stride = COLS - 1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.y_stride = COLS - 1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dx_stride = COLS - 1);
    GRADIENT_REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 8);
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (float *)a.dy + 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (float *)a.y + 1);
    GRADIENT_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    GRADIENT_REFUSES(CK_BAD_THREADS, run.threads = -1);
    GRADIENT_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    GRADIENT_REFUSES(CK_OK, a.rows = 0);
    GRADIENT_ACCEPTS(a.dx = (void *)a.dy);
    GRADIENT_ACCEPTS(a.dx = (void *)a.y);
    GRADIENT_ACCEPTS(a.dy = a.y);
    GRADIENT_ACCEPTS(a.logarithmic = 1);
    board_refuses(c, b, enter_softmax_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

void check_softmax_arguments(check *c, board *b) {
    check_forward(c, b);
    check_backward(c, b);
}
