// layer_norm_problem.c: draws problems and solves them by the portable kernels, through the public API.

#include "layer_norm_problem.h"

#include <stdio.h>
#include <stdlib.h>

#include "patterns.h"

const int64_t check_widths[] = {
    1,   2,   3,   4,   5,   6,   7,   8,    9,    10,   11,   12,   13,   14,   15,   16,   17,   18,  19,  20,  21,
    22,  23,  24,  25,  26,  27,  28,  29,   30,   31,   32,   33,   34,   35,   36,   37,   38,   39,  40,  41,  42,
    43,  44,  45,  46,  47,  48,  49,  50,   51,   52,   53,   54,   55,   56,   57,   58,   59,   60,  61,  62,  63,
    64,  65,  66,  67,  68,  69,  70,  71,   72,   73,   74,   75,   76,   77,   78,   79,   80,   127, 128, 129, 255,
    256, 257, 384, 511, 512, 513, 768, 1000, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097,
};
const int check_width_count = sizeof check_widths / sizeof *check_widths;

static float *array(int64_t count) {
    float *p = calloc((size_t)count, sizeof *p);
    if (p) return p;
    perror("kernelcheck: memory");
    exit(2);
}

layer_norm_problem problem_make(int64_t rows, int64_t cols, int64_t floats) {
    return (layer_norm_problem){
        .x = array(floats),
        .y = array(floats),
        .dy = array(floats),
        .dx = array(floats),
        .mean = array(rows),
        .mean_low = array(rows),
        .rstd = array(rows),
        .weight = array(cols),
        .bias = array(cols),
        .dweight = array(cols),
        .dbias = array(cols),
        .dweight_before = array(cols),
        .dbias_before = array(cols),
    };
}

void problem_free(layer_norm_problem *p) {
    float *arrays[] = {p->x,      p->y,    p->dy,      p->dx,    p->mean,           p->mean_low,    p->rstd,
                       p->weight, p->bias, p->dweight, p->dbias, p->dweight_before, p->dbias_before};
    for (unsigned i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

static void draw_row(check *c, float *row, int64_t count, int64_t patterns) {
    pattern_fill((pattern)random_below(&c->random, patterns), row, count, &c->random);
}

void problem_draw(check *c, layer_norm_problem *p, int64_t rows, int64_t cols, variety v) {
    static const float epsilons[] = {1e-5f, 0.0f, 1e-12f};
    random_source *r = &c->random;
    int64_t x_patterns = v == WILD ? PATTERNS : TAME_PATTERNS;
    int64_t dy_patterns = v == WILD && random_below(r, 2) ? PATTERNS : TAME_PATTERNS;
    p->rows = rows;
    p->cols = cols;
    p->epsilon = epsilons[random_below(r, 3)];
    p->accumulate = (int)random_below(r, 2);
    p->weight_given = random_below(r, 2) ? p->weight : NULL;
    p->bias_given = random_below(r, 2) ? p->bias : NULL;
    p->mean_low_given = random_below(r, 2) ? p->mean_low : NULL;
    for (int64_t row = 0; row < rows; row++) {
        draw_row(c, p->x + row * cols, cols, x_patterns);
        draw_row(c, p->dy + row * cols, cols, dy_patterns);
    }
    int64_t weight_patterns = v == WILD && random_below(r, 8) == 0 ? FINITE_PATTERNS : TAME_PATTERNS;
    draw_row(c, p->weight, cols, weight_patterns);
    draw_row(c, p->bias, cols, FINITE_PATTERNS);
    draw_row(c, p->dweight_before, cols, TAME_PATTERNS);
    draw_row(c, p->dbias_before, cols, TAME_PATTERNS);
}

ck_status enter_layer_norm(const void *args, ck_run run) { return ck_layer_norm(args, run); }
ck_status enter_layer_norm_backward(const void *args, ck_run run) { return ck_layer_norm_backward(args, run); }

static const ck_run portable = {CK_ISA_PORTABLE, 1};

static void solve_from(check *c, layer_norm_problem *p, int64_t row, int64_t rows) {
    ck_norm_args args = {
        .rows = rows,
        .cols = p->cols,
        .x = p->x + row * p->cols,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .bias = p->bias_given,
        .epsilon = p->epsilon,
        .y = p->y + row * p->cols,
        .y_stride = p->cols,
        .mean = p->mean + row,
        .mean_low = p->mean_low + row,
        .rstd = p->rstd + row,
    };
    check_call(c, enter_layer_norm, &args, portable, CK_OK);
}

void problem_solve(check *c, layer_norm_problem *p) { solve_from(c, p, 0, p->rows); }

void problem_solve_rows(check *c, layer_norm_problem *p) {
    for (int64_t row = 0; row < p->rows; row++) solve_from(c, p, row, 1);
}

void problem_solve_backward(check *c, layer_norm_problem *p) {
    size_t workspace_size = ck_norm_backward_workspace(p->rows, p->cols, 0);
    for (int64_t i = 0; i < p->cols; i++) {
        p->dweight[i] = p->dweight_before[i];
        p->dbias[i] = p->dbias_before[i];
    }
    ck_norm_backward_args args = {
        .rows = p->rows,
        .cols = p->cols,
        .dy = p->dy,
        .dy_stride = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .mean = p->mean,
        .mean_low = p->mean_low_given,
        .rstd = p->rstd,
        .dx = p->dx,
        .dx_stride = p->cols,
        .dweight = p->dweight,
        .dbias = p->dbias,
        .accumulate = p->accumulate,
        .workspace = aligned_alloc(64, workspace_size),
        .workspace_size = workspace_size,
    };
    check_call(c, enter_layer_norm_backward, &args, portable, CK_OK);
    free(args.workspace);
}
