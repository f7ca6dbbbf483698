// score_sums.h: which rows of scores are summed with each other for the gradients of a mask's parameters, as kernels
// see it. Entry fills it in. Part of the arithmetic contract: it depends on the shape and on what a bias shares alone.
//
// An axis either tells rows of the bias apart or is summed over. A row of the bias gathers `count` rows of scores,
// those of the axes that are summed over, in order; they are cut into blocks, and block and row of the bias are one
// item.

#ifndef CK_SCORE_SUMS_H
#define CK_SCORE_SUMS_H

#include <stdint.h>

typedef struct ck_score_axes {
    int64_t batch, heads, queries;
} ck_score_axes;

typedef struct ck_score_sums {
    ck_score_axes apart, summed;  // extents; 1 where an axis belongs to the other
    int64_t count, per_block, blocks;
    float *partial;  // [rows of the bias, blocks, pitch], if there are several blocks
    int64_t pitch;
    float *slopes, *sinks;  // [heads, head_pitch]: one number a row, or NULL
    int64_t head_pitch;     // batch * queries, rounded up
} ck_score_sums;

#endif
