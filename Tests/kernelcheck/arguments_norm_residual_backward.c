// arguments_norm_residual_backward.c: what the gradients of a residual sum, of any storage type, refuse beyond
// arguments_norm_backward.c, and calls near a refusal that they must accept.

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "arguments_norm.h"

enum { ROWS = 18, COLS = 7 };

static ck_norm_backward_args right_args(const board *b, ck_residual *r) {
    matrix m[NORM_ARRAYS];
    norm_problem p = norm_on_board(b, CK_F32, ROWS, COLS, m);
    return norm_backward_args(&p, m, r);
}

#define CHANGED(verdict, ...)                                                         \
    do {                                                                              \
        ck_residual r;                                                                \
        CHANGED_CALL(ck_norm_backward_args, right_args(b, &r), verdict, __VA_ARGS__); \
    } while (0)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_layer_norm_backward, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_layer_norm_backward, &a, run), __VA_ARGS__)
#define RMS_REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_rms_norm_backward, &a, run, status), __VA_ARGS__)
#define RMS_ACCEPTS(...) CHANGED(board_accepts(c, b, enter_rms_norm_backward, &a, run), __VA_ARGS__)

static void check_types_and_numbers(check *c, board *b) {
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)(CK_F16 + 1));
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)-1);
    REFUSES(CK_UNKNOWN_TYPE, a.parameter_type = (ck_type)(CK_F16 + 1));
    for (ck_type type = CK_F32; type <= CK_F16; type++)
        for (ck_type parameters = CK_F32; parameters <= CK_F16; parameters++)
            ACCEPTS(a.type = type; a.parameter_type = parameters);
    ACCEPTS(a.type = CK_BF16; a.dy = (char *)a.dy + 2; a.dx = (char *)a.dx + 2; a.dsum = (char *)a.dsum + 2);
    REFUSES(CK_MISALIGNED_POINTER, a.type = CK_BF16; a.dy = MISALIGNED(a.dy));
    REFUSES(CK_MISALIGNED_POINTER, a.type = CK_BF16; a.dweight = (float *)((char *)a.dweight + 2));
    REFUSES(CK_MISALIGNED_POINTER, a.parameter_type = CK_BF16; a.dbias = (float *)((char *)a.dbias + 2));
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = NAN);
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = -INFINITY);
    REFUSES(CK_BAD_PARAMETER, r.scale = NAN);
    REFUSES(CK_BAD_PARAMETER, r.scale = INFINITY);
    REFUSES(CK_BAD_PARAMETER, r.dropout = 1);
    REFUSES(CK_BAD_PARAMETER, r.dropout = NAN);
    REFUSES(CK_BAD_PARAMETER, r.dropout = -0.5f);
    REFUSES(CK_BAD_SHAPE, r.first_row = -1);
    REFUSES(CK_BAD_SHAPE, r.first_row = INT64_MAX);
    ACCEPTS(r.first_row = INT64_MAX - ROWS; r.scale = 0; r.dropout = 0);
}

static void check_pointers(check *c, board *b) {
    ACCEPTS(a.dsum = NULL);
    ACCEPTS(a.dsum = NULL; a.dsum_stride = 0);
    ACCEPTS(a.dx = NULL; a.dx_stride = 0);
    ACCEPTS(a.dbranch = NULL; a.dbranch_stride = 0);
    ACCEPTS(a.dbranch_bias = NULL);
    ACCEPTS(a.dbranch_scale = NULL);
    ACCEPTS(r.branch_bias = NULL; r.branch_scale = NULL);
    ACCEPTS(a.dweight = a.dbias = a.dbranch_bias = a.dbranch_scale = NULL; a.workspace = NULL; a.workspace_size = 0);
    REFUSES(CK_OK, a.dweight = a.dbias = a.dbranch_bias = a.dbranch_scale = NULL; a.dx = a.dbranch = NULL);
    REFUSES(CK_NULL_POINTER, r.branch = NULL);
    REFUSES(CK_NULL_POINTER, a.dweight = a.dbias = a.dbranch_bias = NULL; a.workspace = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.dsum = MISALIGNED(a.dsum));
    REFUSES(CK_MISALIGNED_POINTER, a.dbranch = MISALIGNED(a.dbranch));
    REFUSES(CK_MISALIGNED_POINTER, a.dbranch_bias = (float *)MISALIGNED(a.dbranch_bias));
    REFUSES(CK_MISALIGNED_POINTER, a.dbranch_scale = (float *)MISALIGNED(a.dbranch_scale));
    REFUSES(CK_MISALIGNED_POINTER, r.branch = MISALIGNED(r.branch));
    REFUSES(CK_MISALIGNED_POINTER, r.branch_bias = MISALIGNED(r.branch_bias));
    REFUSES(CK_MISALIGNED_POINTER, r.branch_scale = MISALIGNED(r.branch_scale));
    REFUSES(CK_BAD_STRIDE, a.dsum_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, a.dbranch_stride = COLS - 1);
    REFUSES(CK_BAD_STRIDE, r.branch_stride = COLS - 1);
    REFUSES(CK_SIZE_OVERFLOW, a.dsum_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.dbranch_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.dsum = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.dbranch = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, r.branch = AT_THE_END);

    // Gradients of a branch without one.
    REFUSES(CK_NULL_POINTER, a.residual = NULL);
    REFUSES(CK_NULL_POINTER, a.residual = NULL; a.dbranch_bias = a.dbranch_scale = NULL);
    REFUSES(CK_NULL_POINTER, a.residual = NULL; a.dbranch = NULL; a.dbranch_scale = NULL);
    REFUSES(CK_NULL_POINTER, a.residual = NULL; a.dbranch = NULL; a.dbranch_bias = NULL);
    ACCEPTS(a.residual = NULL; a.dbranch = NULL; a.dbranch_bias = a.dbranch_scale = NULL);

    // A sum is not looked at.
    ACCEPTS(r.sum = NULL; r.sum_stride = 0);
    ACCEPTS(r.sum = a.dx; r.sum_stride = 0);
    ACCEPTS(r.sum = MISALIGNED(a.dx));

    // RMSNorm has no mean.
    REFUSES(CK_NULL_POINTER, a.mean = NULL);
    RMS_ACCEPTS(a.mean = NULL);
    RMS_ACCEPTS(a.mean = NULL; a.mean_low = NULL);
    RMS_REFUSES(CK_NULL_POINTER, a.rstd = NULL);
    RMS_REFUSES(CK_MISALIGNED_POINTER, a.mean = (float *)MISALIGNED(a.mean));
}

static void check_workspace(check *c, board *b) {
    size_t without = ck_norm_backward_workspace(ROWS, COLS, 0), with = ck_norm_backward_workspace(ROWS, COLS, 1);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size = without);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size = with - 1);
    ACCEPTS(a.workspace_size = with);
    ACCEPTS(a.workspace_size = without; a.residual = NULL; a.dbranch = NULL; a.dbranch_bias = a.dbranch_scale = NULL);
    check_begin(c);
    check_describe(c, "ck_norm_backward_workspace with a residual");
    check_that(c, with > without, "no memory for its sums");
    check_that(c, with == ck_norm_backward_workspace(ROWS, COLS, -1), "nonzero numbers differ");
    check_that(c, ck_norm_backward_workspace(0, COLS, 1) == 0, "memory for no rows");
    check_that(c, ck_norm_backward_workspace(INT64_MAX / 2, 1, 1) == 0, "memory for a size that is refused");
}

/// Outputs in the place of an input; the pairs of arguments_norm_pairs.c move one output at a time.
static void check_in_place(check *c, board *b) {
    ACCEPTS(a.dx = (void *)a.dy; a.dbranch = (void *)a.dsum);
    ACCEPTS(a.dx = (void *)a.dsum; a.dbranch = (void *)a.dy);
    REFUSES(CK_OVERLAP, a.dx = (void *)a.dy; a.dbranch = (void *)a.dy);
    REFUSES(CK_OVERLAP, a.dx = (void *)a.dsum; a.dbranch = (void *)a.dsum);
    REFUSES(CK_OVERLAP, a.dx = (void *)a.dsum; a.dx_stride += 1);
    REFUSES(CK_OVERLAP, a.dbranch = (float *)a.dsum + 1);
    ACCEPTS(a.dbranch = (void *)a.dsum; a.dbranch_stride += 1; a.rows = 1);
    ACCEPTS(a.dsum = a.dy);
    ACCEPTS(a.dsum = a.x; r.branch = a.x);
}

/// Sums over no rows are zeros, those of the branch too.
static void check_no_rows(check *c, board *b) {
    static const float zeros[COLS];
    ck_residual of_right;
    ck_norm_backward_args right = right_args(b, &of_right);
    float *sums[] = {right.dweight, right.dbias, right.dbranch_bias, right.dbranch_scale};
    REFUSES(CK_OK, a.rows = 0; a.accumulate = 1);
    ACCEPTS(a.rows = 0; a.dy = a.dsum = a.x = NULL; r.branch = NULL; a.rstd = NULL; a.workspace = NULL);
    for (int k = 0; k < 4; k++) {
        check_row(c, "sum over no rows", CK_F32, 0, sums[k], zeros, COLS);
        memcpy(sums[k], b->before + (sums[k] - b->floats), sizeof zeros);
    }
    check_row(c, "the whole board", CK_F32, 0, b->floats, b->before, PLACE * BOARD_PLACES);
}

void check_norm_residual_backward_arguments(check *c, board *b) {
    check_types_and_numbers(c, b);
    check_pointers(c, b);
    check_workspace(c, b);
    check_in_place(c, b);
    check_no_rows(c, b);
}
