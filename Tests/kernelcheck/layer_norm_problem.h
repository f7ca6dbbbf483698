// layer_norm_problem.h: one LayerNorm in packed arrays, its gradients, and portable's answers to both.

#ifndef KERNELCHECK_LAYER_NORM_PROBLEM_H
#define KERNELCHECK_LAYER_NORM_PROBLEM_H

#include "check.h"

typedef struct layer_norm_problem {
    int64_t rows, cols;
    float epsilon;
    int accumulate;
    const float *weight_given, *bias_given;  // `weight` and `bias`, or NULL
    const float *mean_low_given;             // what the backward pass is told: `mean_low`, or NULL

    float *x, *weight, *bias;
    float *y, *mean, *mean_low, *rstd;
    float *dy, *dx;
    float *dweight_before, *dbias_before;  // what the sums hold before a call that accumulates
    float *dweight, *dbias;
} layer_norm_problem;

/// Arrays for up to `rows` and up to `cols`, with no more than `floats` in a matrix.
layer_norm_problem problem_make(int64_t rows, int64_t cols, int64_t floats);
void problem_free(layer_norm_problem *p);

/// Wide variety, or rows whose sums over a batch stay finite and therefore telling.
typedef enum variety { WILD, TAME } variety;

/// Draws x, dy, weight, bias, epsilon, and whether there are a weight and a bias.
void problem_draw(check *c, layer_norm_problem *p, int64_t rows, int64_t cols, variety v);

/// Portable's y, mean, mean_low and rstd, from one call for all rows or from one call a row.
void problem_solve(check *c, layer_norm_problem *p);
void problem_solve_rows(check *c, layer_norm_problem *p);

/// Portable's dx, dweight and dbias, from the moments that `problem_solve` found.
void problem_solve_backward(check *c, layer_norm_problem *p);

/// The widths that every comparison goes through: all small ones, then around each border of blocks.
extern const int64_t check_widths[];
extern const int check_width_count;

/// The entry points.
ck_status enter_layer_norm(const void *args, ck_run run);
ck_status enter_layer_norm_backward(const void *args, ck_run run);

#endif
