/// ck_csr_norm.h: LayerNorm over the neighbourhoods of a graph: of scores of edges, which are sorted by node as in the
/// CSR format (compressed sparse rows). Node v has edges offsets[v] ..< offsets[v + 1], its degree is their number.
///
///     y[h][e] = (x[h][e] - mean[h][v]) * rstd[h][v] * weight[h] + bias[h]        e an edge of v
///
/// with mean and rstd over v's edges alone, each head h on its own. Degree 0 gives nothing, degree 1 exactly bias,
/// degree 2 gives plus and minus weight about the bias, but for epsilon. The arithmetic of a neighbourhood is that of a
/// row of LayerNorm (ck_norm.h) whose weight and bias are the same in every column; precision and special rows are its
/// own.
#ifndef CK_CSR_NORM_H
#define CK_CSR_NORM_H

#include <stddef.h>

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_csr_layer_norm`. Strides count elements; edges are contiguous.
typedef struct ck_csr_layer_norm_args {
    int64_t heads;           ///< >= 0; 0 does nothing
    int64_t edges;           ///< >= 1
    int64_t nodes;           ///< >= 1
    const int64_t *offsets;  ///< [nodes + 1]: from 0, never decreasing, to edges
    ck_type type;            ///< of x and y
    const void *x;           ///< [heads, edges]
    int64_t x_stride;        ///< from head to head, >= edges
    const float *weight;     ///< [heads], or NULL for ones
    const float *bias;       ///< [heads], or NULL for zeros
    float epsilon;           ///< >= 0, finite
    void *y;                 ///< [heads, edges]; may be x itself (same stride)
    int64_t y_stride;        ///< from head to head, >= edges
    float *mean;             ///< [heads, nodes] or NULL; 0 for degree 0
    float *mean_low;         ///< [heads, nodes] or NULL
    float *rstd;             ///< [heads, nodes] or NULL
} ck_csr_layer_norm_args;

CK_API ck_status ck_csr_layer_norm(const ck_csr_layer_norm_args *args, ck_run run);

/// Arguments of `ck_csr_layer_norm_backward`: over the edges of each node the gradients of ck_norm.h; dweight[h] and
/// dbias[h] are sums over all edges.
typedef struct ck_csr_layer_norm_backward_args {
    int64_t heads, edges, nodes;  ///< as above
    const int64_t *offsets;       ///< as above
    ck_type type;                 ///< of dy, x and dx
    const void *dy;               ///< [heads, edges]
    int64_t dy_stride;
    const void *x;  ///< [heads, edges]
    int64_t x_stride;
    const float *weight;    ///< [heads], or NULL for ones
    const float *mean;      ///< [heads, nodes]
    const float *mean_low;  ///< [heads, nodes], or NULL for zeros
    const float *rstd;      ///< [heads, nodes]
    void *dx;               ///< [heads, edges] or NULL; may be dy itself (same stride)
    int64_t dx_stride;
    float *dweight, *dbias;  ///< [heads] or NULL each
    int32_t accumulate;      ///< nonzero: add to dweight and dbias instead of writing them
    void *workspace;  ///< ck_csr_layer_norm_backward_workspace(heads, nodes) bytes, 64-byte aligned; NULL if no sum is
                      ///< wanted
    size_t workspace_size;  ///< bytes at `workspace`
} ck_csr_layer_norm_backward_args;

CK_API ck_status ck_csr_layer_norm_backward(const ck_csr_layer_norm_backward_args *args, ck_run run);

/// Bytes of scratch memory that `ck_csr_layer_norm_backward` needs when it is asked for a sum: one for each node.
CK_API size_t ck_csr_layer_norm_backward_workspace(int64_t heads, int64_t nodes);

#ifdef __cplusplus
}
#endif
#endif
