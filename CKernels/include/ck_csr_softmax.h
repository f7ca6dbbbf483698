/// ck_csr_softmax.h: softmax over the neighbourhoods of a graph: of scores of edges, which are sorted by node as in the
/// CSR format (compressed sparse rows). Node v has edges offsets[v] ..< offsets[v + 1].
///
///     y[e][h] = e^x[e][h] / sum_f e^x[f][h]                       e and f edges of v, each head h on its own
///
/// A node without edges gives nothing; an edge that is alone at its node, or the only one above -infinity, exactly 1.
/// Attention coefficients of a graph are such probabilities (Velickovic et al., Graph Attention Networks, 2018).
///
/// The order of a node's edges does not matter: permuted scores give permuted probabilities and gradients, bit for bit.
/// For that each exponential, of 1.5 at most beside the largest one's 0.7 or more, is rounded to a multiple of 2^-50 as
/// it enters the sum, which is then exact: of n edges it is off by n * 2^-50 of itself at most. Otherwise exponentials,
/// precision and special rows are those of ck_softmax.h: each probability is off by at most 4 * 2^-23 of itself.
#ifndef CK_CSR_SOFTMAX_H
#define CK_CSR_SOFTMAX_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Arguments of `ck_csr_softmax`. Strides count elements; the heads of an edge are contiguous. Up to 16 heads are
/// fastest where edges have no gaps between them.
typedef struct ck_csr_softmax_args {
    int64_t edges;           ///< >= 0; 0 does nothing
    int64_t heads;           ///< >= 1
    int64_t nodes;           ///< >= 1
    const int64_t *offsets;  ///< [nodes + 1]: from 0, never decreasing, to edges
    ck_type type;            ///< of x and y
    const void *x;           ///< [edges, heads]
    int64_t x_stride;        ///< from edge to edge, >= heads
    void *y;                 ///< [edges, heads]; may be x itself (same stride)
    int64_t y_stride;        ///< from edge to edge, >= heads
} ck_csr_softmax_args;

/// Takes up to 24 KiB of stack.
CK_API ck_status ck_csr_softmax(const ck_csr_softmax_args *args, ck_run run);

/// Arguments of `ck_csr_softmax_backward`, from the output y of the forward pass:
///
///     dx = y * (dy - D)        with D = sum_f y[f][h] * dy[f][h] over the edges of v
///
/// An edge whose probability is 0 has gradient 0 and adds nothing, whatever its dy; an edge that is alone at its node has
/// gradient 0. dy is centred between its least and largest at a node, so that a common offset of it costs nothing, and D is
/// formed as the sum of the forward pass: of n edges it is off by n * 2^-51 of their spread at most. y must be within
/// 0 ... 1; other numbers give numbers that mean nothing, the same everywhere.
typedef struct ck_csr_softmax_backward_args {
    int64_t edges, heads, nodes;  ///< as above
    const int64_t *offsets;       ///< as above
    ck_type type;                 ///< of dy, y and dx
    const void *dy;               ///< [edges, heads]
    int64_t dy_stride;
    const void *y;  ///< [edges, heads]
    int64_t y_stride;
    void *dx;  ///< [edges, heads]; may be dy or y itself (same stride)
    int64_t dx_stride;
} ck_csr_softmax_backward_args;

CK_API ck_status ck_csr_softmax_backward(const ck_csr_softmax_backward_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
