// csr_norm.c: ck_csr_layer_norm and its gradients: check, pick the table, cut the pairs of heads and nodes into blocks,
// run.

#include "ck_csr_norm.h"

#include <string.h>

#include "dispatch/select.h"
#include "entry/offsets.h"
#include "entry/row_blocks.h"
#include "parallel/blocks.h"

/// Neighbourhoods that stay on one thread.
enum { PAIRS_PER_BLOCK = 32 };

typedef struct csr_call {
    const ck_csr_layer_norm_args *forward;
    const ck_csr_layer_norm_backward_args *backward;
    const ck_kernel_table *table;
    int64_t pairs;
    float *weight_sums, *bias_sums;  // [heads, nodes], or NULL
} csr_call;

static void run_pairs(const void *context, int64_t begin, int64_t end) {
    const csr_call *call = context;
    int64_t last = end * PAIRS_PER_BLOCK < call->pairs ? end * PAIRS_PER_BLOCK : call->pairs;
    if (call->forward)
        call->table->csr_norm(call->forward, begin * PAIRS_PER_BLOCK, last);
    else
        call->table->csr_norm_backward(call->backward, begin * PAIRS_PER_BLOCK, last, call->weight_sums,
                                       call->bias_sums);
}

static void run_call(const csr_call *call, int64_t bytes, ck_run run) {
    ck_run_blocks((call->pairs + PAIRS_PER_BLOCK - 1) / PAIRS_PER_BLOCK, bytes, run.threads, run_pairs, call);
}

static ck_status check_forward(const ck_csr_layer_norm_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->heads, a->edges, a->x_stride));
    CK_CHECK(ck_check_shape(a->heads, a->edges, a->y_stride));
    CK_CHECK(ck_check_statistics_shape(a->heads, a->nodes));
    CK_CHECK(ck_check_epsilon(a->epsilon));
    CK_CHECK(ck_check_offsets(a->offsets, a->nodes, a->edges));
    if (a->heads == 0) return CK_OK;
    int64_t saved = a->heads * a->nodes;
    enum { X, WEIGHT, BIAS, OFFSETS, MEAN, MEAN_LOW, RSTD, AREAS };
    ck_area y = ck_matrix_area(a->y, a->type, a->heads, a->edges, a->y_stride);
    ck_area areas[AREAS] = {
        [X] = ck_matrix_area(a->x, a->type, a->heads, a->edges, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, a->heads),
        [BIAS] = ck_vector_area(a->bias, CK_F32, a->heads),
        [OFFSETS] = ck_offsets_area(a->offsets, a->nodes),
        [MEAN] = ck_vector_area(a->mean, CK_F32, saved),
        [MEAN_LOW] = ck_vector_area(a->mean_low, CK_F32, saved),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, saved),
    };
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_pointer(y));
    for (int i = WEIGHT; i < AREAS; i++) CK_CHECK(ck_check_optional(areas[i]));
    CK_CHECK(ck_check_output(y, areas, AREAS, X));
    for (int i = MEAN; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, -1));
    return CK_OK;
}

ck_status ck_csr_layer_norm(const ck_csr_layer_norm_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    csr_call call = {.forward = args};
    CK_CHECK(check_forward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    call.pairs = args->heads * args->nodes;
    run_call(&call, 2 * args->heads * args->edges * ck_size_of(args->type), run);
    return CK_OK;
}

size_t ck_csr_layer_norm_backward_workspace(int64_t heads, int64_t nodes) {
    if (heads <= 0 || ck_check_statistics_shape(heads, nodes) != CK_OK || heads * nodes > INT64_MAX / 16) return 0;
    return (size_t)(2 * ck_sum_stride(heads * nodes)) * sizeof(float);
}

static ck_status check_backward(const ck_csr_layer_norm_backward_args *a) {
    CK_CHECK(ck_check_type(a->type));
    CK_CHECK(ck_check_shape(a->heads, a->edges, a->dy_stride));
    CK_CHECK(ck_check_shape(a->heads, a->edges, a->x_stride));
    if (a->dx) CK_CHECK(ck_check_shape(a->heads, a->edges, a->dx_stride));
    CK_CHECK(ck_check_statistics_shape(a->heads, a->nodes));
    CK_CHECK(ck_check_offsets(a->offsets, a->nodes, a->edges));
    if (a->heads == 0) return CK_OK;
    int64_t saved = a->heads * a->nodes;
    enum { DY, X, WEIGHT, OFFSETS, MEAN, MEAN_LOW, RSTD, DX, DWEIGHT, DBIAS, WORKSPACE, AREAS };
    ck_area areas[AREAS] = {
        [DY] = ck_matrix_area(a->dy, a->type, a->heads, a->edges, a->dy_stride),
        [X] = ck_matrix_area(a->x, a->type, a->heads, a->edges, a->x_stride),
        [WEIGHT] = ck_vector_area(a->weight, CK_F32, a->heads),
        [OFFSETS] = ck_offsets_area(a->offsets, a->nodes),
        [MEAN] = ck_vector_area(a->mean, CK_F32, saved),
        [MEAN_LOW] = ck_vector_area(a->mean_low, CK_F32, saved),
        [RSTD] = ck_vector_area(a->rstd, CK_F32, saved),
        [DX] = ck_matrix_area(a->dx, a->type, a->heads, a->edges, a->dx_stride),
        [DWEIGHT] = ck_vector_area(a->dweight, CK_F32, a->heads),
        [DBIAS] = ck_vector_area(a->dbias, CK_F32, a->heads),
    };
    for (int i = 0; i < WORKSPACE; i++) CK_CHECK(ck_check_optional(areas[i]));
    if (!a->dy || !a->x || !a->mean || !a->rstd) return CK_NULL_POINTER;
    if (a->dweight || a->dbias) {
        size_t needed = ck_csr_layer_norm_backward_workspace(a->heads, a->nodes);
        CK_CHECK(ck_check_workspace(a->workspace, a->workspace_size, needed));
        areas[WORKSPACE] = ck_vector_area(a->workspace, CK_F32, (int64_t)(needed / sizeof(float)));
    }
    for (int i = DX; i < AREAS; i++) CK_CHECK(ck_check_output(areas[i], areas, i, i == DX ? DY : -1));
    return CK_OK;
}

ck_status ck_csr_layer_norm_backward(const ck_csr_layer_norm_backward_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    csr_call call = {.backward = args};
    CK_CHECK(check_backward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int wants_sums = args->dweight || args->dbias;
    if (args->heads == 0 || (!args->dx && !wants_sums)) return CK_OK;
    call.pairs = args->heads * args->nodes;
    if (wants_sums) {
        call.weight_sums = args->workspace;
        call.bias_sums = call.weight_sums + ck_sum_stride(call.pairs);
    }
    run_call(&call, 3 * args->heads * args->edges * ck_size_of(args->type), run);
    int64_t nodes = args->nodes;
    if (args->dweight)
        call.table->row_sums(call.weight_sums, nodes, nodes, args->dweight, 0, args->heads, args->accumulate);
    if (args->dbias) call.table->row_sums(call.bias_sums, nodes, nodes, args->dbias, 0, args->heads, args->accumulate);
    return CK_OK;
}
