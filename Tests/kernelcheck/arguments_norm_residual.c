// arguments_norm_residual.c: what a norm of a residual sum, of any storage type, also as whole numbers, refuses beyond
// arguments_norm.c, and calls near a refusal that it must accept.

#include <math.h>
#include <stddef.h>

#include "arguments_norm.h"

enum { ROWS = 6, COLS = 7 };

static ck_norm_args right_args(const board *b, ck_residual *r) {
    matrix m[NORM_ARRAYS];
    norm_problem p = norm_on_board(b, CK_F32, ROWS, COLS, m);
    return norm_forward_args(&p, m, r);
}

#define CHANGED(verdict, ...)                                                \
    do {                                                                     \
        ck_residual r;                                                       \
        CHANGED_CALL(ck_norm_args, right_args(b, &r), verdict, __VA_ARGS__); \
    } while (0)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_layer_norm, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_layer_norm, &a, run), __VA_ARGS__)

static void check_types(check *c, board *b) {
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)(CK_F16 + 1));
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)-1);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)64);
    REFUSES(CK_UNKNOWN_TYPE, a.parameter_type = (ck_type)(CK_F16 + 1));
    REFUSES(CK_UNKNOWN_TYPE, a.parameter_type = (ck_type)-1);
    REFUSES(CK_UNKNOWN_TYPE, a.rows = 0; a.type = (ck_type)-1);
    for (ck_type type = CK_F32; type <= CK_F16; type++)
        for (ck_type parameters = CK_F32; parameters <= CK_F16; parameters++)
            ACCEPTS(a.type = type; a.parameter_type = parameters);

    // An element's alignment is enough.
    for (ck_type type = CK_BF16; type <= CK_F16; type++) {
        ACCEPTS(a.type = type; a.x = (char *)a.x + 2; a.y = (char *)a.y + 2; r.branch = (char *)r.branch + 2);
        REFUSES(CK_MISALIGNED_POINTER, a.type = type; a.x = MISALIGNED(a.x));
        REFUSES(CK_MISALIGNED_POINTER, a.type = type; a.y = MISALIGNED(a.y));
        REFUSES(CK_MISALIGNED_POINTER, a.type = type; r.sum = MISALIGNED(r.sum));
        REFUSES(CK_MISALIGNED_POINTER, a.type = type; a.weight = (char *)a.weight + 2);
        ACCEPTS(a.parameter_type = type; a.weight = (char *)a.weight + 2; r.branch_scale = (char *)r.branch_scale + 2);
        REFUSES(CK_MISALIGNED_POINTER, a.parameter_type = type; a.x = (char *)a.x + 2);
        REFUSES(CK_MISALIGNED_POINTER, a.parameter_type = type; a.bias = MISALIGNED(a.bias));
    }
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = NAN);
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = INFINITY);
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = -INFINITY);
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = NAN; a.weight = NULL);
    ACCEPTS(a.weight_offset = 1; a.weight = NULL);
    ACCEPTS(a.weight_offset = 0x1.fffffep127f);
}

static void check_whole_numbers(check *c, board *b) {
    ACCEPTS(a.y = NULL);
    ACCEPTS(a.y = NULL; a.y_stride = 0);
    ACCEPTS(a.quantized = NULL; a.quantized_scale = NULL);
    ACCEPTS(a.quantized = NULL; a.quantized_scale = NULL; a.quantized_stride = 0);
    ACCEPTS(a.quantized = MISALIGNED(a.quantized));
    REFUSES(CK_NULL_POINTER, a.quantized = NULL; a.quantized_scale = NULL; a.y = NULL);
    REFUSES(CK_NULL_POINTER, a.quantized_scale = NULL);
    REFUSES(CK_NULL_POINTER, a.quantized = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.quantized_scale = MISALIGNED(a.quantized_scale));
    REFUSES(CK_BAD_STRIDE, a.quantized_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.quantized_stride = 0);
    REFUSES(CK_SIZE_OVERFLOW, a.quantized_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.quantized = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.quantized_scale = AT_THE_END);
}

static void check_residual(check *c, board *b) {
    REFUSES(CK_BAD_PARAMETER, r.scale = NAN);
    REFUSES(CK_BAD_PARAMETER, r.scale = INFINITY);
    REFUSES(CK_BAD_PARAMETER, r.scale = -INFINITY);
    REFUSES(CK_BAD_PARAMETER, r.dropout = NAN);
    REFUSES(CK_BAD_PARAMETER, r.dropout = 1);
    REFUSES(CK_BAD_PARAMETER, r.dropout = 1.5f);
    REFUSES(CK_BAD_PARAMETER, r.dropout = INFINITY);
    REFUSES(CK_BAD_PARAMETER, r.dropout = -0.1f);
    REFUSES(CK_BAD_PARAMETER, r.dropout = -1e-45f);
    REFUSES(CK_BAD_PARAMETER, a.rows = 0; r.dropout = 1);
    ACCEPTS(r.scale = 0);
    ACCEPTS(r.scale = -0x1.fffffep127f);
    ACCEPTS(r.dropout = 0);
    ACCEPTS(r.dropout = -0.0f);
    ACCEPTS(r.dropout = 1e-45f);
    ACCEPTS(r.dropout = 0x1.fffffep-1f);
    REFUSES(CK_BAD_SHAPE, r.first_row = -1);
    REFUSES(CK_BAD_SHAPE, r.first_row = INT64_MIN);
    REFUSES(CK_BAD_SHAPE, r.first_row = INT64_MAX);
    REFUSES(CK_BAD_SHAPE, r.first_row = INT64_MAX - ROWS + 1);
    ACCEPTS(r.first_row = INT64_MAX - ROWS);

    ACCEPTS(a.residual = NULL);
    ACCEPTS(r.branch_bias = NULL);
    ACCEPTS(r.branch_scale = NULL);
    ACCEPTS(r.sum = NULL);
    ACCEPTS(r.sum = NULL; r.sum_stride = 0);
    ACCEPTS(r.branch_bias = r.branch_scale = a.weight);
    ACCEPTS(r.branch = a.x);
    REFUSES(CK_NULL_POINTER, r.branch = NULL);
    REFUSES(CK_MISALIGNED_POINTER, r.branch = MISALIGNED(r.branch));
    REFUSES(CK_MISALIGNED_POINTER, r.branch_bias = MISALIGNED(r.branch_bias));
    REFUSES(CK_MISALIGNED_POINTER, r.branch_scale = MISALIGNED(r.branch_scale));
    REFUSES(CK_MISALIGNED_POINTER, r.sum = MISALIGNED(r.sum));
    REFUSES(CK_BAD_STRIDE, r.branch_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, r.branch_stride = 0);
    REFUSES(CK_BAD_STRIDE, r.sum_stride = COLS - 1);
    REFUSES(CK_SIZE_OVERFLOW, r.branch_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, r.sum_stride = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, r.branch = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, r.branch_bias = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, r.branch_scale = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, r.sum = AT_THE_END);
    REFUSES(CK_OK, a.rows = 0; r.branch = NULL; r.sum = MISALIGNED(r.sum); a.quantized_scale = NULL);
}

/// Outputs in the place of an input; the pairs of arguments_norm_pairs.c move one output at a time.
static void check_in_place(check *c, board *b) {
    ACCEPTS(a.y = (void *)a.x; r.sum = (void *)r.branch);
    ACCEPTS(a.y = (void *)r.branch; r.sum = (void *)a.x);
    REFUSES(CK_OVERLAP, a.y = (void *)a.x; r.sum = (void *)a.x);
    REFUSES(CK_OVERLAP, a.y = (void *)r.branch; r.sum = (void *)r.branch);
    REFUSES(CK_OVERLAP, r.branch = a.x; a.y = (void *)a.x; r.sum = NULL; a.y_stride += 1);
    REFUSES(CK_OVERLAP, r.sum = (void *)a.x; r.sum_stride += 1);
    REFUSES(CK_OVERLAP, r.sum = (void *)r.branch; r.sum_stride = COLS);
    REFUSES(CK_OVERLAP, r.sum = (float *)a.x + 1);
    ACCEPTS(r.sum = (void *)a.x; r.sum_stride += 1; a.rows = 1);
    REFUSES(CK_OVERLAP, a.quantized = (int8_t *)a.x);
    REFUSES(CK_OVERLAP, a.type = CK_BF16; a.quantized = (int8_t *)a.x; a.quantized_stride = 2 * a.x_stride);
}

void check_norm_residual_arguments(check *c, board *b) {
    check_types(c, b);
    check_whole_numbers(c, b);
    check_residual(c, b);
    check_in_place(c, b);
}
