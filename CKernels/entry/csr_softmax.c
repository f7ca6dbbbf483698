// csr_softmax.c: ck_csr_softmax and ck_csr_softmax_backward: check, pick the table, cut the edges into blocks, run.

#include "ck_csr_softmax.h"

#include "dispatch/select.h"
#include "entry/offsets.h"
#include "parallel/blocks.h"

/// Elements of the edges in a block. Blocks are cut by edges, because nodes may have any number of them.
enum { ELEMENTS_PER_BLOCK = 4096 };

typedef struct csr_softmax_call {
    const ck_csr_softmax_args *forward;
    const ck_csr_softmax_backward_args *backward;
    const ck_kernel_table *table;
    const int64_t *offsets;
    int64_t edges, nodes, size;  // `size` edges in a block
} csr_softmax_call;

/// Nodes whose edges begin before `edge`.
static int64_t nodes_before(const csr_softmax_call *call, int64_t edge) {
    int64_t low = 0, high = call->nodes;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (call->offsets[middle] < edge)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/// The nodes whose edges begin in these blocks.
static void run_edges(const void *context, int64_t begin, int64_t end) {
    const csr_softmax_call *call = context;
    int64_t first = nodes_before(call, begin * call->size);
    int64_t last = end > (call->edges - 1) / call->size ? call->nodes : nodes_before(call, end * call->size);
    if (call->forward)
        call->table->csr_softmax(call->forward, first, last);
    else
        call->table->csr_softmax_backward(call->backward, first, last);
}

/// `tensors` of edges are read and written.
static ck_status run_call(csr_softmax_call call, int64_t heads, ck_type type, int tensors, ck_run run) {
    if (call.edges == 0) return CK_OK;
    call.size = heads < ELEMENTS_PER_BLOCK ? ELEMENTS_PER_BLOCK / heads : 1;
    ck_run_blocks((call.edges - 1) / call.size + 1, tensors * call.edges * heads * ck_size_of(type), run.threads,
                  run_edges, &call);
    return CK_OK;
}

/// What both passes have.
static ck_status check_graph(int64_t edges, int64_t nodes, const int64_t *offsets, ck_type type) {
    CK_CHECK(ck_check_type(type));
    if (edges < 0) return CK_BAD_SHAPE;
    CK_CHECK(ck_check_statistics_shape(1, nodes));
    return ck_check_offsets(offsets, nodes, edges);
}

static ck_status check_forward(const ck_csr_softmax_args *a) {
    CK_CHECK(ck_check_shape(a->edges, a->heads, a->x_stride));
    CK_CHECK(ck_check_shape(a->edges, a->heads, a->y_stride));
    CK_CHECK(check_graph(a->edges, a->nodes, a->offsets, a->type));
    if (a->edges == 0) return CK_OK;
    enum { X, OFFSETS, AREAS };
    ck_area y = ck_matrix_area(a->y, a->type, a->edges, a->heads, a->y_stride);
    ck_area areas[AREAS] = {
        [X] = ck_matrix_area(a->x, a->type, a->edges, a->heads, a->x_stride),
        [OFFSETS] = ck_offsets_area(a->offsets, a->nodes),
    };
    CK_CHECK(ck_check_pointer(areas[X]));
    CK_CHECK(ck_check_pointer(y));
    return ck_check_output(y, areas, AREAS, X);
}

ck_status ck_csr_softmax(const ck_csr_softmax_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    csr_softmax_call call = {.forward = args, .offsets = args->offsets, .edges = args->edges, .nodes = args->nodes};
    CK_CHECK(check_forward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    return run_call(call, args->heads, args->type, 2, run);
}

static ck_status check_backward(const ck_csr_softmax_backward_args *a) {
    CK_CHECK(ck_check_shape(a->edges, a->heads, a->dy_stride));
    CK_CHECK(ck_check_shape(a->edges, a->heads, a->y_stride));
    CK_CHECK(ck_check_shape(a->edges, a->heads, a->dx_stride));
    CK_CHECK(check_graph(a->edges, a->nodes, a->offsets, a->type));
    if (a->edges == 0) return CK_OK;
    ck_area dy = ck_matrix_area(a->dy, a->type, a->edges, a->heads, a->dy_stride);
    ck_area y = ck_matrix_area(a->y, a->type, a->edges, a->heads, a->y_stride);
    ck_area dx = ck_matrix_area(a->dx, a->type, a->edges, a->heads, a->dx_stride);
    ck_area offsets = ck_offsets_area(a->offsets, a->nodes);
    CK_CHECK(ck_check_pointer(dy));
    CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_pointer(dx));
    CK_CHECK(ck_check_output(dx, &dy, 1, 0));
    CK_CHECK(ck_check_output(dx, &y, 1, 0));
    return ck_check_output(dx, &offsets, 1, -1);
}

ck_status ck_csr_softmax_backward(const ck_csr_softmax_backward_args *args, ck_run run) {
    if (!args) return CK_NULL_POINTER;
    csr_softmax_call call = {.backward = args, .offsets = args->offsets, .edges = args->edges, .nodes = args->nodes};
    CK_CHECK(check_backward(args));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    return run_call(call, args->heads, args->type, 3, run);
}
