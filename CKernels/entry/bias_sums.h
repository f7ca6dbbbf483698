// bias_sums.h: which rows of scores share a row of a bias, by the strides of its gradient, and the checks of that
// gradient.

#ifndef CK_BIAS_SUMS_H
#define CK_BIAS_SUMS_H

#include "dispatch/score_sums.h"
#include "entry/mask_arguments.h"
#include "entry/row_blocks.h"

/// An axis along which the gradient has the stride 0 is summed over; then it is as one of extent 1. Without a gradient
/// none is.
static inline ck_score_sums ck_plan_bias_sums(ck_score_shape s, const float *dbias, ck_strides strides) {
    int batch = dbias && strides.batch == 0, head = dbias && strides.head == 0, query = dbias && strides.row == 0;
    ck_score_sums p = {
        .apart = {batch ? 1 : s.batch, head ? 1 : s.heads, query ? 1 : s.queries},
        .summed = {batch ? s.batch : 1, head ? s.heads : 1, query ? s.queries : 1},
        .pitch = ck_sum_stride(s.keys),
        .head_pitch = ck_sum_stride(s.batch * s.queries),
    };
    p.count = p.summed.batch * p.summed.heads * p.summed.queries;
    p.per_block = ck_rows_per_sum(p.count);
    p.blocks = ck_sum_count(p.count);
    return p;
}

static inline ck_grid ck_bias_grid(ck_score_shape s, const float *dbias, ck_strides strides) {
    ck_score_axes a = ck_plan_bias_sums(s, dbias, strides).apart;
    return (ck_grid){dbias, sizeof(float), a.batch, a.heads, a.queries, s.keys, strides};
}

static inline ck_status ck_check_bias_grid(ck_grid dbias) {
    CK_CHECK(ck_check_grid(dbias));
    return ck_check_rows_apart(dbias);
}

#endif
