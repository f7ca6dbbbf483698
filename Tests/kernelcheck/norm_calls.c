// norm_calls.c: the arguments of a problem's calls, and its answers, through the public API.

#include <string.h>

#include "norm_problem.h"

ck_status enter_layer_norm(const void *args, ck_run run) { return ck_layer_norm(args, run); }
ck_status enter_rms_norm(const void *args, ck_run run) { return ck_rms_norm(args, run); }
ck_status enter_layer_norm_backward(const void *args, ck_run run) { return ck_layer_norm_backward(args, run); }
ck_status enter_rms_norm_backward(const void *args, ck_run run) { return ck_rms_norm_backward(args, run); }

static const ck_residual *residual_of(const norm_problem *p, const matrix *m, ck_residual *r) {
    *r = p->residual;
    r->branch = m[NORM_BRANCH].base;
    r->branch_stride = m[NORM_BRANCH].stride;
    r->branch_bias = m[NORM_BRANCH_BIAS].base;
    r->branch_scale = m[NORM_BRANCH_SCALE].base;
    r->sum = m[NORM_SUM].base;
    r->sum_stride = m[NORM_SUM].stride;
    return p->kind.is_residual ? r : NULL;
}

ck_norm_args norm_forward_args(const norm_problem *p, const matrix *m, ck_residual *r) {
    return (ck_norm_args){
        .rows = p->rows,
        .cols = p->cols,
        .type = p->kind.type,
        .parameter_type = p->parameter_type,
        .x = m[NORM_X].base,
        .x_stride = m[NORM_X].stride,
        .residual = residual_of(p, m, r),
        .weight = m[NORM_WEIGHT].base,
        .bias = m[NORM_BIAS].base,
        .weight_offset = p->weight_offset,
        .epsilon = p->epsilon,
        .y = m[NORM_Y].base,
        .y_stride = m[NORM_Y].stride,
        .quantized = m[NORM_QUANTIZED].base,
        .quantized_stride = m[NORM_QUANTIZED].stride,
        .quantized_scale = m[NORM_QUANTIZED_SCALE].base,
        .mean = m[NORM_MEAN].base,
        .mean_low = m[NORM_MEAN_LOW].base,
        .rstd = m[NORM_RSTD].base,
    };
}

ck_norm_backward_args norm_backward_args(const norm_problem *p, const matrix *m, ck_residual *r) {
    return (ck_norm_backward_args){
        .rows = p->rows,
        .cols = p->cols,
        .type = p->kind.type,
        .parameter_type = p->parameter_type,
        .dy = m[NORM_DY].base,
        .dy_stride = m[NORM_DY].stride,
        .dsum = m[NORM_DSUM].base,
        .dsum_stride = m[NORM_DSUM].stride,
        .x = m[NORM_X].base,
        .x_stride = m[NORM_X].stride,
        .residual = residual_of(p, m, r),
        .weight = m[NORM_WEIGHT].base,
        .weight_offset = p->weight_offset,
        .mean = m[NORM_MEAN].base,
        .mean_low = m[NORM_MEAN_LOW].base,
        .rstd = m[NORM_RSTD].base,
        .dx = m[NORM_DX].base,
        .dx_stride = m[NORM_DX].stride,
        .dbranch = m[NORM_DBRANCH].base,
        .dbranch_stride = m[NORM_DBRANCH].stride,
        .dweight = m[NORM_DWEIGHT].base,
        .dbias = m[NORM_DBIAS].base,
        .dbranch_bias = m[NORM_DBRANCH_BIAS].base,
        .dbranch_scale = m[NORM_DBRANCH_SCALE].base,
        .accumulate = p->accumulate,
        .workspace = m[NORM_WORKSPACE].base,
        .workspace_size = (size_t)m[NORM_WORKSPACE].cols * sizeof(float),
    };
}

int norm_call(check *c, const norm_problem *p, norm_pass pass, const matrix *m, ck_run run) {
    ck_residual r;
    if (pass == NORM_FORWARD) {
        ck_norm_args args = norm_forward_args(p, m, &r);
        return check_call(c, p->kind.is_rms ? enter_rms_norm : enter_layer_norm, &args, run, CK_OK);
    }
    ck_norm_backward_args args = norm_backward_args(p, m, &r);
    return check_call(c, p->kind.is_rms ? enter_rms_norm_backward : enter_layer_norm_backward, &args, run, CK_OK);
}

int norm_solve(check *c, norm_problem *p, norm_pass pass, norm_set wanted, ck_run run) {
    matrix m[NORM_ARRAYS] = {0};
    norm_set used = norm_reads(p, pass) | (norm_writes(p, pass) & wanted);
    if (used & norm_sums) used |= NORM_SET(NORM_WORKSPACE);
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        if (norm_has(used, a)) m[a] = norm_packed(p, a);
        if (norm_has(used & norm_sums, a)) matrix_fill(m[a], p->sums_before);
    }
    return norm_call(c, p, pass, m, run);
}

const ck_run norm_portable = {CK_ISA_PORTABLE, 1};

void norm_solve_both(check *c, norm_problem *p) {
    norm_solve(c, p, NORM_FORWARD, ~(norm_set)0, norm_portable);
    norm_solve(c, p, NORM_BACKWARD, ~(norm_set)0, norm_portable);
}
