// norm_backward.c: ck_layer_norm_backward and ck_rms_norm_backward: check, pick the table, run the row blocks, merge
// their sums.

#include <string.h>

#include "ck_norm.h"
#include "dispatch/select.h"
#include "entry/norm_arguments.h"
#include "entry/row_blocks.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

/// Sums over rows: of weight and bias, with a residual also of the branch's bias and scale.
enum { MAX_SUMS = 4 };
static int64_t sum_count(int residual) { return residual ? MAX_SUMS : 2; }

size_t ck_norm_backward_workspace(int64_t rows, int64_t cols, int32_t residual) {
    return ck_sums_workspace(rows, cols, sum_count(residual != 0));
}

typedef struct backward_call {
    const ck_norm_backward_args *args;
    const ck_kernel_table *table;
    int is_centred;
    ck_reach reach;
    float *sums;  // [blocks][sum_count][sum_pitch], or NULL
    int64_t blocks, block_floats;
} backward_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_norm_backward_args *a = call->args;
    int64_t size = ck_rows_per_sum(a->rows);
    for (int64_t block = begin; block < end; block++) {
        int64_t last = (block + 1) * size;
        if (last > a->rows) last = a->rows;
        float *sums = call->sums ? call->sums + block * call->block_floats : 0;
        call->table->norm_backward(a, call->is_centred, block * size, last, sums, ck_sum_stride(a->cols), call->reach);
    }
}

/// Where the sums over rows go, in the order of the workspace.
static void results(const ck_norm_backward_args *a, float *result[MAX_SUMS]) {
    result[0] = a->dweight;
    result[1] = a->dbias;
    result[2] = a->dbranch_bias;
    result[3] = a->dbranch_scale;
}

static int wants_sums(const ck_norm_backward_args *a) {
    return a->dweight || a->dbias || a->dbranch_bias || a->dbranch_scale;
}

/// Blocks of 1,024 columns.
static void merge_columns(const void *context, int64_t begin, int64_t end) {
    const backward_call *call = context;
    const ck_norm_backward_args *a = call->args;
    int64_t last = end * 1024 < a->cols ? end * 1024 : a->cols;
    float *result[MAX_SUMS];
    results(a, result);
    for (int k = 0; k < MAX_SUMS; k++) {
        if (!result[k]) continue;
        const float *sums = call->sums + k * ck_sum_stride(a->cols);
        call->table->merge_sums(sums, call->blocks, call->block_floats, result[k], begin * 1024, last, a->accumulate);
    }
}

static ck_status check_numbers(const ck_norm_backward_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_type(a->parameter_type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->dy_stride));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (a->dsum) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dsum_stride));
    if (a->dx) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dx_stride));
    if (a->dbranch) CK_CHECK(ck_check_shape(a->rows, a->cols, a->dbranch_stride));
    CK_CHECK(ck_check_residual(a->residual, a->rows, a->cols));
    if (!a->residual && (a->dbranch || a->dbranch_bias || a->dbranch_scale)) return CK_NULL_POINTER;
    return ck_is_finite(a->weight_offset) ? CK_OK : CK_BAD_PARAMETER;
}

/// Areas that are read, the first two of which an output may be; then the outputs, sums over rows last.
enum { DY, DSUM, X, BRANCH, BRANCH_BIAS, BRANCH_SCALE, WEIGHT, MEAN, MEAN_LOW, RSTD, INPUTS };
enum { DX, DBRANCH, WORKSPACE, SUMS, OUTPUTS = SUMS + MAX_SUMS };

static ck_status check_memory(const ck_norm_backward_args *a, int is_centred) {
    ck_residual_areas r = ck_areas_of_residual(a->residual, a->type, a->parameter_type, a->rows, a->cols);
    ck_area inputs[INPUTS] = {
        [DY] = ck_matrix_area(a->dy, a->type, a->rows, a->cols, a->dy_stride),
        [DSUM] = ck_matrix_area(a->dsum, a->type, a->rows, a->cols, a->dsum_stride),
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [BRANCH] = r.branch,
        [BRANCH_BIAS] = r.bias,
        [BRANCH_SCALE] = r.scale,
        [WEIGHT] = ck_vector_area(a->weight, a->parameter_type, a->cols),
        [MEAN] = ck_vector_area(a->mean, CK_F32, a->rows),
        [MEAN_LOW] = ck_vector_area(a->mean_low, CK_F32, a->rows),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, a->rows),
    };
    ck_area outputs[OUTPUTS] = {
        [DX] = ck_matrix_area(a->dx, a->type, a->rows, a->cols, a->dx_stride),
        [DBRANCH] = ck_matrix_area(a->dbranch, a->type, a->rows, a->cols, a->dbranch_stride),
    };
    float *result[MAX_SUMS];
    results(a, result);
    for (int k = 0; k < MAX_SUMS; k++) outputs[SUMS + k] = ck_vector_area(result[k], CK_F32, a->cols);

    if (a->rows > 0) {
        CK_CHECK(ck_check_pointer(inputs[DY]));
        CK_CHECK(ck_check_pointer(inputs[X]));
        CK_CHECK(ck_check_pointer(inputs[RSTD]));
        if (is_centred) CK_CHECK(ck_check_pointer(inputs[MEAN]));
        if (a->residual) CK_CHECK(ck_check_pointer(inputs[BRANCH]));
        for (int i = 0; i < INPUTS; i++) CK_CHECK(ck_check_optional(inputs[i]));
        CK_CHECK(ck_check_optional(outputs[DX]));
        CK_CHECK(ck_check_optional(outputs[DBRANCH]));
    }
    for (int i = SUMS; i < OUTPUTS; i++) CK_CHECK(ck_check_optional(outputs[i]));
    if (a->rows > 0 && wants_sums(a)) {
        size_t needed = ck_norm_backward_workspace(a->rows, a->cols, a->residual != 0);
        CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
        outputs[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float)));
    }

    for (int i = 0; i < OUTPUTS; i++) {
        int may_replace = i == DX || i == DBRANCH;
        if (a->rows > 0) {
            CK_CHECK(ck_check_output(outputs[i], &inputs[DY], 1, may_replace ? 0 : -1));
            CK_CHECK(ck_check_output(outputs[i], &inputs[DSUM], 1, may_replace ? 0 : -1));
            CK_CHECK(ck_check_output(outputs[i], &inputs[X], INPUTS - X, -1));
        }
        CK_CHECK(ck_check_output(outputs[i], outputs, i, -1));
    }
    return CK_OK;
}

/// Whether stores past the caches are possible: whole lines, and not where input was read.
static int may_stream(const ck_norm_backward_args *a) {
    const void *outputs[] = {a->dx, a->dbranch};
    int64_t strides[] = {a->dx_stride, a->dbranch_stride};
    if (a->dx && a->dbranch && !ck_streams_pairs(a->type)) return 0;
    for (int i = 0; i < 2; i++) {
        if (!outputs[i]) continue;
        ck_area area = ck_matrix_area(outputs[i], a->type, a->rows, a->cols, strides[i]);
        if (!ck_is_line_aligned(area) || outputs[i] == a->dy || outputs[i] == a->dsum) return 0;
    }
    return a->dx || a->dbranch;
}

static ck_status run_backward(const ck_norm_backward_args *args, int is_centred, ck_run run) {
    backward_call call = {.args = args, .is_centred = is_centred};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_numbers(args));
    CK_CHECK(check_memory(args, is_centred));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));

    if (args->rows == 0) {  // sums over no rows
        float *result[MAX_SUMS];
        results(args, result);
        for (int k = 0; k < MAX_SUMS; k++)
            if (result[k] && !args->accumulate) memset(result[k], 0, (size_t)args->cols * sizeof(float));
        return CK_OK;
    }
    if (!args->dx && !args->dbranch && !wants_sums(args)) return CK_OK;

    const ck_residual *r = args->residual;
    int64_t tensors = 2 + (args->dsum != 0) + (r != 0) + (args->dx != 0) + (args->dbranch != 0);
    int64_t bytes = tensors * args->rows * args->cols * ck_size_of(args->type);
    call.blocks = ck_sum_count(args->rows);
    call.block_floats = sum_count(r != 0) * ck_sum_stride(args->cols);
    if (wants_sums(args)) call.sums = args->workspace;
    call.reach = ck_reach_of(call.blocks, bytes, run.threads, may_stream(args), args->type);
    ck_run_blocks(call.blocks, bytes, run.threads, run_rows, &call);
    if (wants_sums(args)) {
        int64_t merged = call.blocks * call.block_floats * (int64_t)sizeof(float);
        ck_run_blocks((args->cols + 1023) / 1024, merged, run.threads, merge_columns, &call);
    }
    return CK_OK;
}

ck_status ck_layer_norm_backward(const ck_norm_backward_args *args, ck_run run) { return run_backward(args, 1, run); }
ck_status ck_rms_norm_backward(const ck_norm_backward_args *args, ck_run run) { return run_backward(args, 0, run); }
