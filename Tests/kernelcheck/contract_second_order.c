// contract_second_order.c: tangents and gradients of gradients, step by step as the contract numbers them.

#include "contract_second_order.h"

#include <math.h>
#include <stdlib.h>

#include "contract_rows.h"

/// A row e about its mean: e - centre, that - tau, and its slope along xhat.
typedef struct sloped {
    float *t, *about_mean, tau, slope;
} sloped;

static sloped sloped_row(const float *e, const float *xhat, int64_t n, int is_centred) {
    sloped s = {.t = contract_floats(n), .about_mean = contract_floats(n)};
    float centre = is_centred ? contract_sample_mean(e, n, 1) : 0;
    for (int64_t i = 0; i < n; i++) s.t[i] = e[i] - centre;
    s.tau = is_centred ? contract_sum_of(s.t, n) / (float)n : 0;
    s.slope = contract_dot(s.t, xhat, n) / (float)n;
    for (int64_t i = 0; i < n; i++) s.about_mean[i] = s.t[i] - s.tau;
    return s;
}

static void sloped_free(sloped s) {
    free(s.t);
    free(s.about_mean);
}

/// What both passes read of a row, and what comes of it.
typedef struct second_row {
    int64_t n;
    int is_centred;
    float rstd;
    float *x, *v, *dy, *w, *p, *q;  // `p` is NULL where there is none
    float *xhat, *z, *out;
} second_row;

static void find_xhat(second_row *r, float mean, float low) {
    for (int64_t i = 0; i < r->n; i++) r->xhat[i] = fmaf(r->x[i] - mean, r->rstd, -(low * r->rstd));
}

/// Steps 1 and 2.
static void find_tangent(second_row *r) {
    sloped v = sloped_row(r->v, r->xhat, r->n, r->is_centred);
    for (int64_t i = 0; i < r->n; i++) {
        r->z[i] = fmaf(-r->xhat[i], v.slope, v.about_mean[i]) * r->rstd;
        r->out[i] = fmaf(r->z[i], r->w[i], r->q[i]);
        if (r->p) r->out[i] = fmaf(r->xhat[i], r->p[i], r->out[i]);
    }
    sloped_free(v);
}

/// Steps 3 to 6.
static void find_gradient(const second_row *r, float *gradient) {
    int64_t n = r->n;
    float *g = contract_floats(n), *k = contract_floats(n);
    for (int64_t i = 0; i < n; i++) {
        g[i] = r->dy[i] * r->w[i];
        k[i] = r->p ? r->p[i] * r->dy[i] : 0;
    }
    sloped of_v = sloped_row(r->v, r->xhat, n, r->is_centred), of_g = sloped_row(g, r->xhat, n, r->is_centred);
    sloped of_k = sloped_row(k, r->xhat, n, r->is_centred);
    float c = fmaf(-of_v.tau, of_g.tau, contract_dot(of_v.t, of_g.t, n) / (float)n);
    float a = fmaf(-3 * of_v.slope, of_g.slope, c);
    for (int64_t i = 0; i < n; i++) {
        float xhat = r->xhat[i];
        float u = fmaf(of_v.about_mean[i], of_g.slope, fmaf(of_g.about_mean[i], of_v.slope, xhat * a));
        float o = r->p ? fmaf(-xhat, of_k.slope, of_k.about_mean[i]) : 0;
        gradient[i] = fmaf(-u, r->rstd, o) * r->rstd;
    }
    sloped_free(of_v);
    sloped_free(of_g);
    sloped_free(of_k);
    free(g);
    free(k);
}

void contract_double_backward(const void *args) {
    const ck_norm_double_backward_args *a = args;
    int64_t n = a->cols;
    float *memory = contract_floats(10 * n), *gradient = memory + 9 * n;
    second_row r = {
        n,           a->mean != NULL, 0, memory, memory + n, memory + 2 * n, memory + 3 * n, NULL, memory + 5 * n, memory + 6 * n,
        memory + 7 * n, memory + 8 * n,
    };
    if (a->dweight_cotangent) contract_read(r.p = memory + 4 * n, CK_F32, a->dweight_cotangent, 0, 1, n, 0);
    contract_read(r.q, CK_F32, a->dbias_cotangent, 0, 1, n, 0);
    contract_read(r.w, a->parameter_type, a->weight, 0, 1, n, 1);
    for (int64_t i = 0; a->weight && a->weight_offset != 0 && i < n; i++) r.w[i] += a->weight_offset;
    contract_columns weight = contract_columns_make(a->rows, n);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_read(r.x, a->type, a->x, row * a->x_stride, 1, n, 0);
        contract_read(r.v, a->type, a->dx_cotangent, row * a->dx_cotangent_stride, 1, n, 0);
        contract_read(r.dy, a->type, a->dy, row * a->dy_stride, 1, n, 0);
        r.rstd = a->rstd[row];
        find_xhat(&r, a->mean ? a->mean[row] : 0, a->mean && a->mean_low ? a->mean_low[row] : 0);
        find_tangent(&r);
        find_gradient(&r, gradient);
        contract_write(a->type, a->dy_gradient, row * a->dy_gradient_stride, 1, n, r.out);
        contract_write(a->type, a->x_gradient, row * a->x_gradient_stride, 1, n, gradient);
        contract_columns_add(&weight, r.dy, r.z);
    }
    contract_columns_put(&weight, a->weight_gradient, a->accumulate);
    free(memory);
}

void contract_tangent(const void *args) {
    const ck_norm_tangent_args *a = args;
    ck_norm_double_backward_args of_dy = {
        .rows = a->rows,
        .cols = a->cols,
        .type = a->type,
        .parameter_type = a->parameter_type,
        .dx_cotangent = a->x_tangent,
        .dx_cotangent_stride = a->x_tangent_stride,
        .dweight_cotangent = a->weight_tangent,
        .dbias_cotangent = a->bias_tangent,
        .x = a->x,
        .x_stride = a->x_stride,
        .weight = a->weight,
        .weight_offset = a->weight_offset,
        .mean = a->mean,
        .mean_low = a->mean_low,
        .rstd = a->rstd,
        .dy_gradient = a->y_tangent,
        .dy_gradient_stride = a->y_tangent_stride,
    };
    contract_double_backward(&of_dy);
}
