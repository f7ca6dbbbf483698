// arguments_score_softmax.c: what ck_score_softmax and ck_score_softmax_backward refuse, the mask included, and calls near
// a refusal that they must accept.

#include <math.h>
#include <stddef.h>

#include "arguments.h"
#include "score_entry.h"

enum { BATCH = 2, HEADS = 3, QUERIES = 2, KEYS = 7, ROW = 8, ROWS = BATCH * HEADS * QUERIES };

static const ck_strides packed = {HEADS * QUERIES * ROW, QUERIES * ROW, ROW};

/// Lengths and offsets that are right, outside the board, where floats are.
static const int64_t lengths[ROWS] = {0, KEYS, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, offsets[BATCH] = {-5, 5};
static const int64_t too_long[BATCH] = {3, KEYS + 1}, negative[BATCH] = {3, -1}, far_away[BATCH] = {0, INT64_MAX / 2};

/// Every kind of mask.
static ck_mask right_mask(const board *b) {
    float *f = b->floats + 12 * PLACE;
    return (ck_mask){
        .softcap = 20,
        .bias = f,
        .bias_type = CK_F32,
        .bias_strides = packed,
        .slopes = f + PLACE,
        .boolean = (uint8_t *)(f + 2 * PLACE),
        .boolean_strides = packed,
        .causal = 1,
        .windowed = 1,
        .window_left = 3,
        .window_right = -1,
        .offsets = offsets,
        .lengths = lengths,
        .length_strides = {HEADS * QUERIES, QUERIES, 1},
        .sinks = f + 3 * PLACE,
    };
}

static ck_score_softmax_args right_forward(const board *b) {
    float *f = b->floats;
    return (ck_score_softmax_args){
        .batch = BATCH,
        .heads = HEADS,
        .queries = QUERIES,
        .keys = KEYS,
        .type = CK_F32,
        .scale = 0.5f,
        .x = f,
        .x_strides = packed,
        .y = f + PLACE,
        .y_strides = packed,
        .log_sum_exp = f + 2 * PLACE,
        .mask = right_mask(b),
    };
}

#define FORWARD(verdict, ...) CHANGED_CALL(ck_score_softmax_args, right_forward(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) FORWARD(board_refuses(c, b, enter_score_softmax, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) FORWARD(board_accepts(c, b, enter_score_softmax, &a, run), __VA_ARGS__)

static void check_mask(check *c, board *b) {
    REFUSES(CK_BAD_PARAMETER, a.mask.softcap = -1);
    REFUSES(CK_BAD_PARAMETER, a.mask.softcap = NAN);
    REFUSES(CK_BAD_PARAMETER, a.mask.softcap = INFINITY);
    REFUSES(CK_BAD_PARAMETER, a.mask.softcap = 0x1p-127f);
    ACCEPTS(a.mask.softcap = 0);
    REFUSES(CK_UNKNOWN_TYPE, a.mask.bias_type = (ck_type)3);
    ACCEPTS(a.mask.bias_type = (ck_type)3; a.mask.bias = NULL);
    ACCEPTS(a.mask.bias_type = CK_BF16);
    REFUSES(CK_MISALIGNED_POINTER, a.mask.bias = MISALIGNED(a.mask.bias));
    REFUSES(CK_BAD_STRIDE, a.mask.bias_strides.head = -1);
    REFUSES(CK_SIZE_OVERFLOW, a.mask.bias_strides.batch = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.mask.bias = AT_THE_END);
    ACCEPTS(a.mask.bias_strides = (ck_strides){0});
    ACCEPTS(a.mask.bias = a.x);
    REFUSES(CK_BAD_STRIDE, a.mask.boolean_strides.row = -1);
    REFUSES(CK_SIZE_OVERFLOW, a.mask.boolean = AT_THE_END);
    ACCEPTS(a.mask.boolean = MISALIGNED(a.mask.boolean));
    ACCEPTS(a.mask.boolean = NULL; a.mask.boolean_strides.row = -1);
    REFUSES(CK_MISALIGNED_POINTER, a.mask.slopes = MISALIGNED(a.mask.slopes));
    REFUSES(CK_MISALIGNED_POINTER, a.mask.sinks = MISALIGNED(a.mask.sinks));
    REFUSES(CK_MISALIGNED_POINTER, a.mask.lengths = MISALIGNED(a.mask.lengths));
    REFUSES(CK_MISALIGNED_POINTER, a.mask.offsets = MISALIGNED(a.mask.offsets));
    REFUSES(CK_BAD_STRIDE, a.mask.length_strides.batch = -1);
    REFUSES(CK_BAD_LENGTHS, a.mask.lengths = too_long; a.mask.length_strides = (ck_strides){1, 0, 0});
    REFUSES(CK_BAD_LENGTHS, a.mask.lengths = negative; a.mask.length_strides = (ck_strides){1, 0, 0});
    ACCEPTS(a.mask.lengths = negative; a.mask.length_strides = (ck_strides){0});
    REFUSES(CK_BAD_PARAMETER, a.mask.offsets = far_away);
    REFUSES(CK_BAD_PARAMETER, a.mask.offset = INT64_MIN);
    REFUSES(CK_BAD_PARAMETER, a.mask.window_left = -2);
    REFUSES(CK_BAD_PARAMETER, a.mask.window_right = -2);
    REFUSES(CK_BAD_PARAMETER, a.mask.window_left = INT64_MAX);
    REFUSES(CK_BAD_PARAMETER, a.mask.window_right = INT64_MAX);
    ACCEPTS(a.mask.window_left = -2; a.mask.windowed = 0);
    ACCEPTS(a.mask = (ck_mask){0});
}

static void check_forward(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL; a.log_sum_exp = NULL);
    ACCEPTS(a.y = NULL; a.y_strides = (ck_strides){0});
    ACCEPTS(a.log_sum_exp = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.type = CK_F16; a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.log_sum_exp = MISALIGNED(a.log_sum_exp));
    REFUSES(CK_BAD_SHAPE, a.batch = -1);
    REFUSES(CK_BAD_SHAPE, a.heads = -1);
    REFUSES(CK_BAD_SHAPE, a.queries = -1);
    REFUSES(CK_BAD_SHAPE, a.keys = 0);
    REFUSES(CK_BAD_STRIDE, a.x_strides.batch = -1);
    REFUSES(CK_BAD_STRIDE, a.y_strides.row = KEYS - 1);
    REFUSES(CK_BAD_STRIDE, a.y_strides.head = ROW);
    REFUSES(CK_BAD_STRIDE, a.y_strides.batch = 0);
    REFUSES(CK_SIZE_OVERFLOW, a.batch = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.x_strides.row = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.x_strides = (ck_strides){0}; a.batch = a.heads = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.y = AT_THE_END);
    REFUSES(CK_BAD_PARAMETER, a.scale = NAN);
    REFUSES(CK_BAD_PARAMETER, a.scale = -INFINITY);
    REFUSES(CK_OVERLAP, a.y = (float *)a.x + 1);
    REFUSES(CK_OVERLAP, a.y = (void *)a.x; a.y_strides.row = KEYS; a.y_strides.head = 2 * ROW);
    REFUSES(CK_OVERLAP, a.y = (float *)a.mask.bias + KEYS - 1);
    REFUSES(CK_OVERLAP, a.y = (void *)a.mask.boolean);
    REFUSES(CK_OVERLAP, a.y = (void *)a.mask.slopes);
    REFUSES(CK_OVERLAP, a.y = (void *)a.mask.sinks);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.x);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.y + KEYS - 1);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.mask.bias);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_OK, a.batch = 0);
    REFUSES(CK_OK, a.heads = 0; a.x = NULL; a.y = NULL; a.log_sum_exp = NULL);
    REFUSES(CK_OK, a.queries = 0);
    ACCEPTS(a.y = (void *)a.x);
    ACCEPTS(a.x_strides = (ck_strides){0});
    ACCEPTS(a.y_strides = (ck_strides){ROW, QUERIES * BATCH * ROW, BATCH * ROW});
    ACCEPTS(a.type = CK_BF16);
    board_refuses(c, b, enter_score_softmax, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

/// dbias is summed over batch entries and queries, in one block.
static ck_score_softmax_backward_args right_backward(const board *b) {
    float *f = b->floats;
    ck_score_softmax_backward_args a = {
        .batch = BATCH,
        .heads = HEADS,
        .queries = QUERIES,
        .keys = KEYS,
        .type = CK_F32,
        .scale = 0.5f,
        .dy = f,
        .y = f + PLACE,
        .x = f + 2 * PLACE,
        .log_sum_exp = f + 3 * PLACE,
        .dx = f + 4 * PLACE,
        .dy_strides = packed,
        .y_strides = packed,
        .x_strides = packed,
        .dx_strides = packed,
        .dbias = f + 5 * PLACE,
        .dbias_strides = {0, ROW, 0},
        .dslopes = f + 6 * PLACE,
        .dsinks = f + 7 * PLACE,
        .workspace = f + 8 * PLACE,
        .mask = right_mask(b),
    };
    a.workspace_size = ck_score_softmax_backward_workspace(&a);
    return a;
}

#define BACKWARD(verdict, ...) CHANGED_CALL(ck_score_softmax_backward_args, right_backward(b), verdict, __VA_ARGS__)
#define GRADIENT_REFUSES(status, ...) \
    BACKWARD(board_refuses(c, b, enter_score_softmax_backward, &a, run, status), __VA_ARGS__)
#define GRADIENT_ACCEPTS(...) BACKWARD(board_accepts(c, b, enter_score_softmax_backward, &a, run), __VA_ARGS__)

static void check_backward(check *c, board *b) {
    GRADIENT_REFUSES(CK_NULL_POINTER, a.dy = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.y = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.x = NULL);
    GRADIENT_ACCEPTS(a.x = NULL; a.mask.softcap = 0);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.log_sum_exp = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.mask.sinks = NULL);
    GRADIENT_ACCEPTS(a.log_sum_exp = NULL; a.mask.sinks = NULL; a.dsinks = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.dx = NULL);
    GRADIENT_REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    GRADIENT_ACCEPTS(a.workspace = NULL; a.dslopes = a.dsinks = NULL);
    GRADIENT_ACCEPTS(a.dbias = a.dslopes = a.dsinks = NULL);
    GRADIENT_ACCEPTS(a.dbias_strides = (ck_strides){0});
    GRADIENT_ACCEPTS(a.dbias_strides = packed);
    GRADIENT_REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size -= 1);
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 4);
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dy = MISALIGNED(a.dy));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.log_sum_exp = MISALIGNED(a.log_sum_exp));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dx = MISALIGNED(a.dx));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dbias = MISALIGNED(a.dbias));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dslopes = MISALIGNED(a.dslopes));
    GRADIENT_REFUSES(CK_MISALIGNED_POINTER, a.dsinks = MISALIGNED(a.dsinks));
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.batch = -1);
    GRADIENT_REFUSES(CK_BAD_SHAPE, a.keys = 0);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dy_strides.row = -1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.y_strides.head = -1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.x_strides.batch = -1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dx_strides.row = KEYS - 1);
    GRADIENT_REFUSES(CK_BAD_STRIDE, a.dbias_strides.head = KEYS - 1);
    GRADIENT_REFUSES(CK_SIZE_OVERFLOW, a.queries = INT64_MAX / 8);
    GRADIENT_REFUSES(CK_BAD_PARAMETER, a.scale = INFINITY);
    GRADIENT_REFUSES(CK_BAD_PARAMETER, a.mask.softcap = -1);
    GRADIENT_REFUSES(CK_BAD_LENGTHS, a.mask.lengths = too_long; a.mask.length_strides = (ck_strides){1, 0, 0});
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (float *)a.dy + 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (float *)a.y + 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dx = (void *)a.x);
    GRADIENT_REFUSES(CK_OVERLAP, a.dbias = (float *)a.dy);
    GRADIENT_REFUSES(CK_OVERLAP, a.dbias = (float *)a.dx + KEYS - 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dslopes = (float *)a.y);
    GRADIENT_REFUSES(CK_OVERLAP, a.dslopes = (float *)a.dbias);
    GRADIENT_REFUSES(CK_OVERLAP, a.dsinks = a.dslopes + HEADS - 1);
    GRADIENT_REFUSES(CK_OVERLAP, a.dsinks = (float *)a.mask.sinks);
    GRADIENT_REFUSES(CK_OVERLAP, a.workspace = (void *)a.dy);
    GRADIENT_REFUSES(CK_OVERLAP, a.workspace = (void *)a.mask.bias);
    GRADIENT_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)-1);
    GRADIENT_REFUSES(CK_BAD_THREADS, run.threads = -1);
    GRADIENT_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    GRADIENT_REFUSES(CK_OK, a.heads = 0);
    GRADIENT_ACCEPTS(a.dx = (void *)a.dy);
    GRADIENT_ACCEPTS(a.dx = (void *)a.y);
    GRADIENT_ACCEPTS(a.type = CK_F16);
    board_refuses(c, b, enter_score_softmax_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_that(c, ck_score_softmax_backward_workspace(NULL) == 0, "a workspace for nothing");
}

void check_score_softmax_arguments(check *c, board *b) {
    check_forward(c, b);
    check_mask(c, b);
    check_backward(c, b);
}
