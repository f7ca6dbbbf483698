// contract_row_moments.c: moments of rows, rows normalized by given moments, and the gradients of these.

#include <math.h>
#include <stdlib.h>

#include "contract_moments.h"
#include "contract_rows.h"

void contract_row_moments(const void *args) {
    const ck_row_moments_args *a = args;
    float *x = contract_floats(a->cols);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_read(x, a->type, a->x, row * a->x_stride, 1, a->cols, 0);
        a->moments[row] = contract_part_moments(x, a->cols, CONTRACT_RUN);
    }
    free(x);
}

static float xhat_of(float x, contract_rule r) { return contract_deviation(x, r) * contract_bounded(r.phi); }

void contract_normalize_rows(const void *args) {
    const ck_normalize_rows_args *a = args;
    int64_t n = a->cols;
    float *x = contract_floats(n), *y = contract_floats(n), *weight = contract_floats(n), *bias = contract_floats(n);
    contract_read(weight, CK_F32, a->weight, 0, 1, n, 1);
    contract_read(bias, CK_F32, a->bias, 0, 1, n, 0);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_rule r = contract_rule_of(a->moments[row], a->epsilon);
        contract_read(x, a->type, a->x, row * a->x_stride, 1, n, 0);
        for (int64_t i = 0; i < n; i++) y[i] = fmaf(xhat_of(x[i], r), weight[i], bias[i]);
        contract_write(a->type, a->y, row * a->y_stride, 1, n, y);
    }
    float *all[] = {x, y, weight, bias};
    for (int i = 0; i < 4; i++) free(all[i]);
}

void contract_row_gradient_moments(const void *args) {
    const ck_row_gradient_moments_args *a = args;
    int64_t n = a->cols;
    float *x = contract_floats(n), *dy = contract_floats(n), *weight = contract_floats(n), *t = contract_floats(n);
    contract_read(weight, CK_F32, a->weight, 0, 1, n, 1);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_rule r = contract_rule_of(a->moments[row], a->epsilon);
        contract_read(x, a->type, a->x, row * a->x_stride, 1, n, 0);
        contract_read(dy, a->type, a->dy, row * a->dy_stride, 1, n, 0);
        for (int64_t i = 0; i < n; i++) t[i] = dy[i] * weight[i];
        float c = contract_sample_mean(t, n, 1);
        for (int64_t i = 0; i < n; i++) {
            t[i] = fmaf(dy[i], weight[i], -c);
            x[i] = xhat_of(x[i], r);
        }
        double sum = contract_sum_of(t, n), products = contract_dot(t, x, n), mean = contract_sum_of(x, n) / (double)n;
        a->gradient_moments[row] = (ck_gradient_moments){n, c + sum / (double)n, mean, products - sum * mean};
    }
    float *all[] = {x, dy, weight, t};
    for (int i = 0; i < 4; i++) free(all[i]);
}

ck_gradient_moments contract_gradient_merged(ck_gradient_moments a, ck_gradient_moments b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    double n = (double)a.count + (double)b.count, share = (double)b.count / n;
    double d = b.gradient - a.gradient, e = b.normalized - a.normalized, between = (d * e) * ((double)a.count * share);
    return (ck_gradient_moments){
        .count = a.count + b.count,
        .gradient = a.gradient + d * share,
        .normalized = a.normalized + e * share,
        .comoment = (a.comoment + b.comoment) + between,
    };
}

void contract_normalize_rows_backward(const void *args) {
    const ck_normalize_rows_backward_args *a = args;
    int64_t n = a->cols;
    float *x = contract_floats(n), *dy = contract_floats(n), *weight = contract_floats(n), *dx = contract_floats(n);
    float *ones = contract_floats(n);
    contract_read(ones, CK_F32, NULL, 0, 1, n, 1);
    contract_read(weight, CK_F32, a->weight, 0, 1, n, 1);
    contract_columns dweight = contract_columns_make(a->rows, n), dbias = contract_columns_make(a->rows, n);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_rule r = contract_rule_of(a->moments[row], a->epsilon);
        ck_gradient_moments g = a->gradient_moments[row];
        float m = (float)g.gradient, low = (float)(g.gradient - m), h = (float)(g.comoment / (double)g.count);
        contract_read(x, a->type, a->x, row * a->x_stride, 1, n, 0);
        contract_read(dy, a->type, a->dy, row * a->dy_stride, 1, n, 0);
        for (int64_t i = 0; i < n; i++) {
            x[i] = xhat_of(x[i], r);
            dx[i] = fmaf(-x[i], h, fmaf(dy[i], weight[i], -m) - low) * (float)(r.phi * r.s);
        }
        contract_columns_add(&dweight, dy, x);
        contract_columns_add(&dbias, dy, ones);
        contract_write(a->type, a->dx, row * a->dx_stride, 1, n, dx);
    }
    contract_columns_put(&dweight, a->dweight, a->accumulate);
    contract_columns_put(&dbias, a->dbias, a->accumulate);
    float *all[] = {x, dy, weight, dx, ones};
    for (int i = 0; i < 5; i++) free(all[i]);
}
