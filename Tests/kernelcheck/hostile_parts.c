// hostile_parts.c: hostile calls of what cuts by offsets: parts of rows, neighbourhoods of a graph.

#include "hostile.h"

/// Offsets of segments, which are equally wide where they share their parameters.
static void draw_segments(hostile_call *h, int64_t cols, int64_t *segments, const int64_t **offsets, int32_t *shared) {
    *segments = draw_count(h, 1, 6);
    *shared = draw_flag(h);
    if (*shared && *segments > 0 && cols % *segments != 0) *shared = 0;
    fill_offsets(h, draw_vector(h, "offsets", offsets, TYPE_WORD, count_and_one(*segments), READ), *segments, cols,
                 *shared);
}

static int64_t parameters(int64_t cols, int64_t segments, int shared) {
    return shared && segments > 0 ? cols / segments : cols;
}

static void draw_segment_norm(hostile_call *h) {
    ck_segment_norm_args *a = (ck_segment_norm_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    draw_segments(h, cols, &a->segments, &a->offsets, &a->shared);
    a->type = draw_type(h);
    a->parameter_type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    int64_t width = parameters(cols, a->segments, a->shared), saved = product(a->segments, rows);
    draw_vector(h, "weight", &a->weight, a->parameter_type, width, OPTIONAL);
    draw_vector(h, "bias", &a->bias, a->parameter_type, width, OPTIONAL);
    a->weight_offset = draw_parameter(h, 1.0f);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, rows, cols, WRITTEN, x);
    draw_vector(h, "mean", &a->mean, CK_F32, saved, WRITTEN | OPTIONAL);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, saved, WRITTEN | OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, saved, WRITTEN | OPTIONAL);
}

static void draw_segment_backward(hostile_call *h) {
    ck_segment_norm_backward_args *a = (ck_segment_norm_backward_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 40), cols = a->cols = draw_width(h);
    draw_segments(h, cols, &a->segments, &a->offsets, &a->shared);
    a->type = draw_type(h);
    a->parameter_type = draw_type(h);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, a->type, rows, cols, READ, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    int64_t width = parameters(cols, a->segments, a->shared), saved = product(a->segments, rows);
    draw_vector(h, "weight", &a->weight, a->parameter_type, width, OPTIONAL);
    a->weight_offset = draw_parameter(h, 1.0f);
    draw_vector(h, "mean", &a->mean, CK_F32, saved, READ);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, saved, OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, saved, READ);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, a->type, rows, cols, WRITTEN | OPTIONAL, dy);
    draw_vector(h, "dweight", &a->dweight, CK_F32, width, WRITTEN | OPTIONAL);
    draw_vector(h, "dbias", &a->dbias, CK_F32, width, WRITTEN | OPTIONAL);
    a->accumulate = draw_flag(h);
    draw_workspace(h, &a->workspace, &a->workspace_size,
                   ck_segment_norm_backward_workspace(rows, cols, a->segments, a->offsets));
}

static void draw_csr_norm(hostile_call *h) {
    ck_csr_layer_norm_args *a = (ck_csr_layer_norm_args *)h->args;
    int64_t heads = a->heads = draw_count(h, 0, 9), edges = a->edges = draw_width(h);
    a->nodes = draw_count(h, 1, 40);
    fill_offsets(h, draw_vector(h, "offsets", &a->offsets, TYPE_WORD, count_and_one(a->nodes), READ), a->nodes, edges,
                 0);
    a->type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, heads, edges, READ, NULL);
    draw_vector(h, "weight", &a->weight, CK_F32, heads, OPTIONAL);
    draw_vector(h, "bias", &a->bias, CK_F32, heads, OPTIONAL);
    a->epsilon = draw_parameter(h, 1e-5f);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, heads, edges, WRITTEN, x);
    int64_t saved = product(heads, a->nodes);
    draw_vector(h, "mean", &a->mean, CK_F32, saved, WRITTEN | OPTIONAL);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, saved, WRITTEN | OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, saved, WRITTEN | OPTIONAL);
}

static void draw_csr_backward(hostile_call *h) {
    ck_csr_layer_norm_backward_args *a = (ck_csr_layer_norm_backward_args *)h->args;
    int64_t heads = a->heads = draw_count(h, 0, 9), edges = a->edges = draw_width(h);
    a->nodes = draw_count(h, 1, 40);
    fill_offsets(h, draw_vector(h, "offsets", &a->offsets, TYPE_WORD, count_and_one(a->nodes), READ), a->nodes, edges,
                 0);
    a->type = draw_type(h);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, a->type, heads, edges, READ, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, heads, edges, READ, NULL);
    int64_t saved = product(heads, a->nodes);
    draw_vector(h, "weight", &a->weight, CK_F32, heads, OPTIONAL);
    draw_vector(h, "mean", &a->mean, CK_F32, saved, READ);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, saved, OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, saved, READ);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, a->type, heads, edges, WRITTEN | OPTIONAL, dy);
    draw_vector(h, "dweight", &a->dweight, CK_F32, heads, WRITTEN | OPTIONAL);
    draw_vector(h, "dbias", &a->dbias, CK_F32, heads, WRITTEN | OPTIONAL);
    a->accumulate = draw_flag(h);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_csr_layer_norm_backward_workspace(heads, a->nodes));
}

static void draw_csr_softmax(hostile_call *h) {
    ck_csr_softmax_args *a = (ck_csr_softmax_args *)h->args;
    int64_t edges = a->edges = draw_count(h, 0, 90), heads = a->heads = draw_count(h, 1, 20);
    a->nodes = draw_count(h, 1, 40);
    fill_offsets(h, draw_vector(h, "offsets", &a->offsets, TYPE_WORD, count_and_one(a->nodes), READ), a->nodes, edges,
                 0);
    a->type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, edges, heads, READ, NULL);
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, edges, heads, WRITTEN, x);
}

static void draw_csr_softmax_backward(hostile_call *h) {
    ck_csr_softmax_backward_args *a = (ck_csr_softmax_backward_args *)h->args;
    int64_t edges = a->edges = draw_count(h, 0, 90), heads = a->heads = draw_count(h, 1, 20);
    a->nodes = draw_count(h, 1, 40);
    fill_offsets(h, draw_vector(h, "offsets", &a->offsets, TYPE_WORD, count_and_one(a->nodes), READ), a->nodes, edges,
                 0);
    a->type = draw_type(h);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, a->type, edges, heads, READ, NULL);
    const hostile_area *y = draw_matrix(h, "y", &a->y, &a->y_stride, a->type, edges, heads, READ, NULL);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, a->type, edges, heads, WRITTEN, draw_below(h, 2) ? dy : y);
}

HOSTILE_ENTRY(ck_segment_layer_norm)
HOSTILE_ENTRY(ck_segment_rms_norm)
HOSTILE_ENTRY(ck_segment_layer_norm_backward)
HOSTILE_ENTRY(ck_segment_rms_norm_backward)
HOSTILE_ENTRY(ck_csr_layer_norm)
HOSTILE_ENTRY(ck_csr_layer_norm_backward)
HOSTILE_ENTRY(ck_csr_softmax)
HOSTILE_ENTRY(ck_csr_softmax_backward)

const hostile_operator hostile_parts[] = {
    HOSTILE_OPERATOR(ck_segment_layer_norm, draw_segment_norm),
    HOSTILE_OPERATOR(ck_segment_rms_norm, draw_segment_norm),
    HOSTILE_OPERATOR(ck_segment_layer_norm_backward, draw_segment_backward),
    HOSTILE_OPERATOR(ck_segment_rms_norm_backward, draw_segment_backward),
    HOSTILE_OPERATOR(ck_csr_layer_norm, draw_csr_norm),
    HOSTILE_OPERATOR(ck_csr_layer_norm_backward, draw_csr_backward),
    HOSTILE_OPERATOR(ck_csr_softmax, draw_csr_softmax),
    HOSTILE_OPERATOR(ck_csr_softmax_backward, draw_csr_softmax_backward),
    HOSTILE_END,
};
