// norm.c: ck_layer_norm and ck_rms_norm: check, pick the table, cut the rows into blocks, run.

#include "ck_norm.h"

#include "dispatch/select.h"
#include "entry/norm_arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

/// Rows that stay on one thread: a group of the kernel for short rows, or some KiB.
static int64_t rows_per_block(int64_t cols) { return cols <= 128 ? 16 : cols <= 1024 ? 4 : 1; }

typedef struct forward_call {
    const ck_norm_args *args;
    const ck_kernel_table *table;
    int is_centred;
    ck_reach reach;
} forward_call;

static void run_rows(const void *context, int64_t begin, int64_t end) {
    const forward_call *call = context;
    int64_t size = rows_per_block(call->args->cols), last = end * size;
    if (last > call->args->rows) last = call->args->rows;
    call->table->norm(call->args, call->is_centred, begin * size, last, call->reach);
}

static ck_area area_of_y(const ck_norm_args *a) { return ck_matrix_area(a->y, a->type, a->rows, a->cols, a->y_stride); }
static ck_area area_of_sum(const ck_norm_args *a) {
    if (!a->residual) return (ck_area){0};
    return ck_matrix_area(a->residual->sum, a->type, a->rows, a->cols, a->residual->sum_stride);
}

static ck_status check_numbers(const ck_norm_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_type(a->parameter_type));
    CK_CHECK(ck_check_shape(a->rows, a->cols, a->x_stride));
    if (a->y) CK_CHECK(ck_check_shape(a->rows, a->cols, a->y_stride));
    if (a->quantized) CK_CHECK(ck_check_shape(a->rows, a->cols, a->quantized_stride));
    if (a->addend) CK_CHECK(ck_check_shape(a->rows, a->cols, a->addend_stride));
    CK_CHECK(ck_check_residual(a->residual, a->rows, a->cols));
    if (a->residual && a->residual->sum) CK_CHECK(ck_check_shape(a->rows, a->cols, a->residual->sum_stride));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    return ck_is_finite(a->weight_offset) ? CK_OK : CK_BAD_PARAMETER;
}

/// Areas that are read, of which y may be one of the first three and the sum one of the first two; then the outputs.
enum { X, BRANCH, ADDEND, BRANCH_BIAS, BRANCH_SCALE, WEIGHT, BIAS, INPUTS };
enum { Y, SUM, QUANTIZED, QUANTIZED_SCALE, MEAN, MEAN_LOW, RSTD, OUTPUTS };

/// Whether x, weight, bias and y are all that a call has.
static int is_plain(const ck_norm_args *a) {
    return !a->residual && !a->addend && !a->quantized && !a->quantized_scale && !a->mean && !a->mean_low && !a->rstd;
}

/// check_memory of a plain call, which may be one short row: of 1x768 it takes the checks from 746 to 440 instructions,
/// the kernel takes 1791 (callgrind, AVX2, 2026-11-27).
static ck_status check_plain_memory(const ck_norm_args *a) {
    ck_area y = area_of_y(a);
    ck_area inputs[] = {
        ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        ck_vector_area(a->weight, a->parameter_type, a->cols),
        ck_vector_area(a->bias, a->parameter_type, a->cols),
    };
    CK_CHECK(ck_check_pointer(inputs[0]));
    CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_optional(inputs[1]));
    CK_CHECK(ck_check_optional(inputs[2]));
    return ck_check_output(y, inputs, 3, 0);
}

static ck_status check_memory(const ck_norm_args *a) {
    ck_residual_areas r = ck_areas_of_residual(a->residual, a->type, a->parameter_type, a->rows, a->cols);
    ck_area inputs[INPUTS] = {
        [X] = ck_matrix_area(a->x, a->type, a->rows, a->cols, a->x_stride),
        [BRANCH] = r.branch,
        [ADDEND] = ck_matrix_area(a->addend, a->type, a->rows, a->cols, a->addend_stride),
        [BRANCH_BIAS] = r.bias,
        [BRANCH_SCALE] = r.scale,
        [WEIGHT] = ck_vector_area(a->weight, a->parameter_type, a->cols),
        [BIAS] = ck_vector_area(a->bias, a->parameter_type, a->cols),
    };
    ck_area outputs[OUTPUTS] = {
        [Y] = area_of_y(a),
        [SUM] = area_of_sum(a),
        [QUANTIZED] = {a->quantized, a->rows, a->cols, a->quantized_stride, 1},
        [QUANTIZED_SCALE] = ck_vector_area(a->quantized_scale, CK_F32, a->rows),
        [MEAN] = ck_vector_area(a->mean, CK_F32, a->rows),
        [MEAN_LOW] = ck_vector_area(a->mean_low, CK_F32, a->rows),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, a->rows),
    };
    CK_CHECK(ck_check_pointer(inputs[X]));
    if (a->residual) CK_CHECK(ck_check_pointer(inputs[BRANCH]));
    if (!a->quantized)
        CK_CHECK(ck_check_pointer(outputs[Y]));
    else
        CK_CHECK(ck_check_pointer(outputs[QUANTIZED_SCALE]));
    if (a->quantized_scale && !a->quantized) return CK_NULL_POINTER;
    for (int i = 0; i < INPUTS; i++) CK_CHECK(ck_check_optional(inputs[i]));
    for (int i = 0; i < OUTPUTS; i++) CK_CHECK(ck_check_optional(outputs[i]));

    for (int i = 0; i < OUTPUTS; i++) {
        if (!outputs[i].base) continue;
        int replaceable = i == Y ? ADDEND : i == SUM ? BRANCH : -1;
        for (int k = 0; k < INPUTS; k++)
            CK_CHECK(ck_check_output(outputs[i], &inputs[k], 1, k <= replaceable ? 0 : -1));
        CK_CHECK(ck_check_output(outputs[i], outputs, i, -1));
    }
    return CK_OK;
}

/// Columns from which on a row of y and one of the sum are streamed in turns (normalize_stretch). Residual LayerNorm in
/// the caches' way and streamed, Zen 3, AVX2, 2026-11-28: 131072x64 13.3 and 10.4 ms, with branch, sum and y 64, 128
/// and 192 bytes further into their pages than x 15.2 and 19.7; 8192x64 from memory 0.87 and 0.69; 262144x32 20.3 and
/// 21.4, 524288x16 30.6 and 38.4. Zen 4, AVX-512: 65536x64 2.4 and 2.1 (2026-11-27); narrower rows were not measured
/// there.
static int64_t streamed_pair(void) { return ck_isas_available() >> CK_ISA_AVX512 & 1 ? 1 : 64; }

/// Whether stores past the caches are possible: whole lines, and not where input was read.
static int may_stream(const ck_norm_args *a) {
    const ck_residual *r = a->residual;
    if (a->quantized || a->addend || a->y == a->x || !ck_is_line_aligned(area_of_y(a))) return 0;
    if (!r) return 1;
    int in_place = a->y == r->branch || (r->sum && (r->sum == a->x || r->sum == r->branch));
    int in_pairs = ck_streams_pairs(a->type) && a->cols >= streamed_pair() && ck_is_line_aligned(area_of_sum(a));
    return !in_place && (!r->sum || in_pairs);
}

static ck_status run_norm(const ck_norm_args *args, int is_centred, ck_run run) {
    forward_call call = {.args = args, .is_centred = is_centred};
    if (!args) return CK_NULL_POINTER;
    CK_CHECK(check_numbers(args));
    if (args->rows > 0) CK_CHECK(is_plain(args) ? check_plain_memory(args) : check_memory(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));

    int64_t tensors = 2 + (args->addend != 0) + (args->residual != 0) + (args->residual && args->residual->sum);
    int64_t bytes = tensors * args->rows * args->cols * ck_size_of(args->type);
    int64_t size = rows_per_block(args->cols), blocks = (args->rows + size - 1) / size;
    call.reach = ck_reach_of(blocks, bytes, run.threads, may_stream(args), args->type);
    ck_run_blocks(blocks, bytes, run.threads, run_rows, &call);
    return CK_OK;
}

ck_status ck_layer_norm(const ck_norm_args *args, ck_run run) { return run_norm(args, 1, run); }
ck_status ck_rms_norm(const ck_norm_args *args, ck_run run) { return run_norm(args, 0, run); }
