// arguments_csr_softmax.c: what ck_csr_softmax and ck_csr_softmax_backward refuse, hostile offsets among it, and calls
// near a refusal that they must accept.

#include <stddef.h>

#include "arguments.h"
#include "csr_softmax_entry.h"

enum { EDGES = 9, HEADS = 4, NODES = 3, STRIDE = 6 };

static const int64_t right[] = {0, 3, 3, EDGES}, none[] = {0, 0, 0, 0};
static const int64_t wrong[][NODES + 1] = {{1, 3, 5, 9},  {0, 5, 3, 9},  {0, 3, 5, 8},  {0, 3, 5, 10},
                                           {-1, 3, 5, 9}, {0, 10, 5, 9}, {0, -1, 5, 9}, {0, INT64_MIN, INT64_MAX, 9}};

static ck_csr_softmax_args right_forward(const board *b) {
    return (ck_csr_softmax_args){
        .edges = EDGES,
        .heads = HEADS,
        .nodes = NODES,
        .offsets = right,
        .type = CK_F32,
        .x = b->floats,
        .x_stride = STRIDE,
        .y = b->floats + PLACE,
        .y_stride = STRIDE,
    };
}

#define FORWARD(verdict, ...) CHANGED_CALL(ck_csr_softmax_args, right_forward(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) FORWARD(board_refuses(c, b, enter_csr_softmax, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) FORWARD(board_accepts(c, b, enter_csr_softmax, &a, run), __VA_ARGS__)

static void check_forward(check *c, board *b) {
    for (int i = 0; i < 8; i++) REFUSES(CK_BAD_OFFSETS, a.offsets = wrong[i]);
    REFUSES(CK_NULL_POINTER, a.offsets = NULL);
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.offsets = MISALIGNED(right));
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.type = CK_BF16; a.y = MISALIGNED(a.y));
    REFUSES(CK_BAD_SHAPE, a.edges = -1);
    REFUSES(CK_BAD_SHAPE, a.heads = 0);
    REFUSES(CK_BAD_SHAPE, a.nodes = 0);
    REFUSES(CK_BAD_SHAPE, a.nodes = -1);
    REFUSES(CK_SIZE_OVERFLOW, a.nodes = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.edges = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.y = AT_THE_END);
    REFUSES(CK_BAD_STRIDE, a.x_stride = HEADS - 1);
    REFUSES(CK_BAD_STRIDE, a.y_stride = HEADS - 1);
    REFUSES(CK_OVERLAP, a.y = (float *)a.x + 1);
    REFUSES(CK_OVERLAP, a.y = (void *)a.x; a.y_stride = STRIDE + 1);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_BAD_OFFSETS, a.edges = 0);
    REFUSES(CK_OK, a.edges = 0; a.offsets = none);
    REFUSES(CK_OK, a.edges = 0; a.offsets = none; a.x = NULL; a.y = NULL);
    ACCEPTS(a.y = (void *)a.x);
    ACCEPTS(a.x_stride = a.y_stride = HEADS);
    ACCEPTS(a.heads = 1; a.x_stride = 1);
    board_refuses(c, b, enter_csr_softmax, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

/// Offsets that are also the output.
static void check_offsets_overlap(check *c, board *b) {
    int64_t *on_board = (int64_t *)(void *)(b->floats + PLACE);
    check_begin(c);
    check_describe(c, "ck_csr_softmax, y is where the offsets are");
    ck_csr_softmax_args a = right_forward(b);
    for (int i = 0; i <= NODES; i++) on_board[i] = right[i];
    a.offsets = on_board;
    check_call(c, enter_csr_softmax, &a, (ck_run){c->isa, 1}, CK_OVERLAP);
    int untouched = 1;
    for (int i = 0; i <= NODES; i++) untouched = untouched && on_board[i] == right[i];
    check_that(c, untouched, "a refused call wrote something");
}

static ck_csr_softmax_backward_args right_backward(const board *b) {
    return (ck_csr_softmax_backward_args){
        .edges = EDGES,
        .heads = HEADS,
        .nodes = NODES,
        .offsets = right,
        .type = CK_F32,
        .dy = b->floats,
        .dy_stride = STRIDE,
        .y = b->floats + PLACE,
        .y_stride = STRIDE,
        .dx = b->floats + 2 * PLACE,
        .dx_stride = STRIDE,
    };
}

#define BACKWARD(verdict, ...) CHANGED_CALL(ck_csr_softmax_backward_args, right_backward(b), verdict, __VA_ARGS__)
#define GRADIENT_REFUSES(status, ...) \
    BACKWARD(board_refuses(c, b, enter_csr_softmax_backward, &a, run, status), __VA_ARGS__)
#define GRADIENT_ACCEPTS(...) BACKWARD(board_accepts(c, b, enter_csr_softmax_backward, &a, run), __VA_ARGS__)

static void check_backward(check *c, board *b) {
    for (int i = 0; i < 8; i++) GRADIENT_REFUSES(CK_BAD_OFFSETS, a.offsets = wrong[i]);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.offsets = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.dy = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.y = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.dx = NULL);
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dy = MISALIGNED(a.dy));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dx = MISALIGNED(a.dx));
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.edges = -1);
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.heads = 0);
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.nodes = 0);
    GRADIENT_REFUSES(CK_SIZE_OVERFLOW, a.edges = INT64_MAX / 8);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dy_stride = HEADS - 1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.y_stride = HEADS - 1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dx_stride = HEADS - 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (float *)a.dy + 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (float *)a.y + 1);
    GRADIENT_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    GRADIENT_REFUSES(CK_BAD_THREADS, run.threads = -1);
    GRADIENT_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    GRADIENT_REFUSES(CK_OK, a.edges = 0; a.offsets = none);
    GRADIENT_ACCEPTS(a.dx = (void *)a.dy);
    GRADIENT_ACCEPTS(a.dx = (void *)a.y);
    GRADIENT_ACCEPTS(a.dy = a.y);
    board_refuses(c, b, enter_csr_softmax_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

void check_csr_softmax_arguments(check *c, board *b) {
    check_forward(c, b);
    check_offsets_overlap(c, b);
    check_backward(c, b);
}
