// score_problem.h: one softmax of masked scores: its numbers, packed, and the contract's answers.

#ifndef KERNELCHECK_SCORE_PROBLEM_H
#define KERNELCHECK_SCORE_PROBLEM_H

#include "contract_score.h"
#include "guarded.h"

enum { SCORE_ROWS = 2400, SCORE_ELEMENTS = 140000, SCORE_MASK_KINDS = 8, ALL_KINDS = (1 << SCORE_MASK_KINDS) - 1 };

/// Kinds of masks, as bits.
enum {
    MASK_SOFTCAP = 1,
    MASK_BIAS = 2,
    MASK_SLOPES = 4,
    MASK_BOOLEAN = 8,
    MASK_CAUSAL = 16,
    MASK_WINDOW = 32,
    MASK_LENGTHS = 64,
    MASK_SINKS = 128,
};

typedef struct score_problem {
    int64_t batch, heads, queries, keys;
    ck_type type;
    float scale;
    int kinds;
    ck_mask mask;  // strides in rows; pointers to what follows
    int64_t bias_rows, boolean_rows;
    int64_t length_count;
    float *x, *y, *dy, *ds, *dx, *log_sum_exp;  // exact in `type`; [batch, heads, queries, keys]
    void *stored_x, *stored_y, *stored_dy, *stored_dx;
    float *bias;
    void *stored_bias;
    uint8_t *boolean;
    int64_t *lengths, *offsets;
    float slopes[64], sinks[64];
    float *row_slopes, *row_sinks;  // a row each
} score_problem;

score_problem score_problem_make(void);
void score_problem_free(score_problem *p);

/// Draws a problem under masks of these kinds and solves it forward and backward.
void score_problem_draw(check *c, score_problem *p, const int64_t shape[4], int kinds);

/// Draws the mask of a problem, its type and its scale alone.
void score_problem_draw_mask(check *c, score_problem *p, const int64_t shape[4], int kinds);

/// A row in the contract's words.
contract_score_row score_problem_row(const score_problem *p, int64_t row);

int64_t score_problem_rows(const score_problem *p);

/// The gradients of a bias whose rows differ along the axes `apart` (bits 1: batch, 2: heads, 4: queries); packed.
void score_problem_bias_gradient(const score_problem *p, int apart, float *dbias);

/// Of slopes and sinks, from the rows' shares.
void score_problem_head_gradient(const score_problem *p, const float *of_rows, float *gradient);

#endif
