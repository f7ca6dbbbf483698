// norm_double_backward.c: tangents and gradients of gradients of LayerNorm and RMSNorm: check, pick the table, run the
// row blocks, merge their sums. A tangent is the gradient of dy alone.

#include <string.h>

#include "ck_norm_second_order.h"
#include "dispatch/select.h"
#include "entry/arguments.h"
#include "entry/row_blocks.h"
#include "parallel/blocks.h"

size_t ck_norm_double_backward_workspace(int64_t rows, int64_t cols) { return ck_sums_workspace(rows, cols, 1); }

typedef struct second_order_call {
    const ck_norm_double_backward_args *args;
    const ck_kernel_table *table;
    int is_centred;
} second_order_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const second_order_call *call = context;
    const ck_norm_double_backward_args *a = call->args;
    int64_t size = ck_rows_per_sum(a->rows), stride = ck_sum_stride(a->cols);
    for (int64_t block = begin; block < end; block++) {
        int64_t last = (block + 1) * size;
        float *sums = a->weight_gradient ? (float *)a->workspace + block * stride : 0;
        call->table->norm_double_backward(a, call->is_centred, block * size, last < a->rows ? last : a->rows, sums);
    }
}

/// Blocks of 1,024 columns.
static void merge_columns(const void *context, int64_t begin, int64_t end) {
    const second_order_call *call = context;
    const ck_norm_double_backward_args *a = call->args;
    int64_t last = end * 1024 < a->cols ? end * 1024 : a->cols;
    call->table->merge_sums(a->workspace, ck_sum_count(a->rows), ck_sum_stride(a->cols), a->weight_gradient,
                            begin * 1024, last, a->accumulate);
}

static ck_status check(const ck_norm_double_backward_args *a, int is_centred) {
    int needs_dy = a->x_gradient || a->weight_gradient;
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_type(a->parameter_type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_cotangent_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (needs_dy) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    if (a->dy_gradient) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_gradient_stride));
    if (a->x_gradient) CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_gradient_stride));
    if (!ck_is_finite(a->weight_offset)) return CK_BAD_PARAMETER;

    enum { V, DY, X, WEIGHT, P, Q, MEAN, MEAN_LOW, RSTD, DY_GRADIENT, WEIGHT_GRADIENT, WORKSPACE, AREAS };
    ck_area x_gradient = ck_matrix_area(a->x_gradient, a->type, a->rows, a->cols, a->x_gradient_stride);
    ck_area areas[AREAS] = {
        [V] = ck_matrix_area(a->dx_cotangent, a->type, a->rows, a->cols, a->dx_cotangent_stride),
        [DY] = ck_matrix_area(needs_dy ? a->dy : NULL, a->type, a->rows, a->cols, a->dy_stride),
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, a->parameter_type, a->cols),
        [P] = ck_vector_area(a->dweight_cotangent, CK_F32, a->cols),
        [Q] = ck_vector_area(a->dbias_cotangent, CK_F32, a->cols),
        [MEAN] = ck_vector_area(is_centred ? a->mean : NULL, CK_F32, a->rows),
        [MEAN_LOW] = ck_vector_area(is_centred ? a->mean_low : NULL, CK_F32, a->rows),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, a->rows),
        [DY_GRADIENT] = ck_matrix_area(a->dy_gradient, a->type, a->rows, a->cols, a->dy_gradient_stride),
        [WEIGHT_GRADIENT] = ck_vector_area(a->weight_gradient, CK_F32, a->cols),
    };
    CK_CHECK(ck_check_optional(areas[WEIGHT_GRADIENT]));
    if (a->rows == 0) return CK_OK;

    for (int i = V; i < AREAS; i++) CK_CHECK(ck_check_optional(areas[i]));
    CK_CHECK(ck_check_optional(x_gradient));
    if (!a->dx_cotangent || !a->x || !a->rstd || (is_centred && !a->mean) || (needs_dy && !a->dy))
        return CK_NULL_POINTER;
    if (a->weight_gradient) {
        size_t needed = ck_norm_double_backward_workspace(a->rows, a->cols);
        CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
        areas[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float)));
    }
    CK_CHECK(ck_check_output(areas[DY_GRADIENT], areas, DY_GRADIENT, V));
    CK_CHECK(ck_check_output(areas[WEIGHT_GRADIENT], areas, WEIGHT_GRADIENT, -1));
    CK_CHECK(ck_check_output(areas[WORKSPACE], areas, WORKSPACE, -1));
    return ck_check_output(x_gradient, areas, AREAS, DY);
}

static ck_status run_second_order(const ck_norm_double_backward_args *args, int is_centred, ck_run run) {
    second_order_call call = {.args = args, .is_centred = is_centred};
    CK_CHECK(check(args, is_centred));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    if (args->rows == 0) {  // a sum over no rows
        if (args->weight_gradient && !args->accumulate)
            memset(args->weight_gradient, 0, (size_t)args->cols * sizeof(float));
        return CK_OK;
    }
    if (!args->dy_gradient && !args->x_gradient && !args->weight_gradient) return CK_OK;
    int64_t bytes = 5 * args->rows * args->cols * ck_size_of(args->type);
    ck_run_blocks(ck_sum_count(args->rows), bytes, run.threads, run_rows, &call);
    if (args->weight_gradient) {
        int64_t sums = ck_sum_count(args->rows) * args->cols * (int64_t)sizeof(float);
        ck_run_blocks((args->cols + 1023) / 1024, sums, run.threads, merge_columns, &call);
    }
    return CK_OK;
}

ck_status ck_layer_norm_double_backward(const ck_norm_double_backward_args *args, ck_run run) {
    return args ? run_second_order(args, 1, run) : CK_NULL_POINTER;
}
ck_status ck_rms_norm_double_backward(const ck_norm_double_backward_args *args, ck_run run) {
    return args ? run_second_order(args, 0, run) : CK_NULL_POINTER;
}

static ck_status run_tangent(const ck_norm_tangent_args *a, int is_centred, ck_run run) {
    if (!a) return CK_NULL_POINTER;
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_tangent_stride));
    if (a->rows > 0 && !a->y_tangent) return CK_NULL_POINTER;
    ck_norm_double_backward_args args = {
        .rows = a->rows,
        .cols = a->cols,
        .type = a->type,
        .parameter_type = a->parameter_type,
        .dx_cotangent = a->x_tangent,
        .dx_cotangent_stride = a->x_tangent_stride,
        .dweight_cotangent = a->weight_tangent,
        .dbias_cotangent = a->bias_tangent,
        .x = a->x,
        .x_stride = a->x_stride,
        .weight = a->weight,
        .weight_offset = a->weight_offset,
        .mean = a->mean,
        .mean_low = a->mean_low,
        .rstd = a->rstd,
        .dy_gradient = a->y_tangent,
        .dy_gradient_stride = a->y_tangent_stride,
    };
    return run_second_order(&args, is_centred, run);
}

ck_status ck_layer_norm_tangent(const ck_norm_tangent_args *args, ck_run run) { return run_tangent(args, 1, run); }
ck_status ck_rms_norm_tangent(const ck_norm_tangent_args *args, ck_run run) { return run_tangent(args, 0, run); }
