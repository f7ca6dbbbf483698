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
    float *x, *v, *w, *p, *q;  // `p` is NULL where there is none
    float *xhat, *z, *out, *memory;
} second_row;

static second_row second_row_make(int64_t n, int is_centred, const float *p, const float *q) {
    float *m = contract_floats(8 * n);
    second_row r = {n,         is_centred, 0,         m,         m + n, m + 2 * n, p ? m + 3 * n : NULL,
                    m + 4 * n, m + 5 * n,  m + 6 * n, m + 7 * n, m};
    if (p) contract_read(r.p, CK_F32, p, 0, 1, n, 0);
    contract_read(r.q, CK_F32, q, 0, 1, n, 0);
    return r;
}

static void read_weight(second_row *r, ck_type type, const void *weight, float offset) {
    contract_read(r->w, type, weight, 0, 1, r->n, 1);
    for (int64_t i = 0; weight && offset != 0 && i < r->n; i++) r->w[i] += offset;
}

/// x and its tangent begin at the elements `at_x` and `at_v`.
static void read_row(second_row *r, ck_type type, const void *x, int64_t at_x, const void *v, int64_t at_v, float mean,
                     float low, float rstd) {
    contract_read(r->x, type, x, at_x, 1, r->n, 0);
    contract_read(r->v, type, v, at_v, 1, r->n, 0);
    r->rstd = rstd;
    for (int64_t i = 0; i < r->n; i++) r->xhat[i] = fmaf(r->x[i] - mean, rstd, -(low * rstd));
}

static float saved(const float *of, int64_t row) { return of ? of[row] : 0; }

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
static void find_gradient(const second_row *r, const float *dy, float *gradient) {
    int64_t n = r->n;
    float *g = contract_floats(n), *k = contract_floats(n);
    for (int64_t i = 0; i < n; i++) {
        g[i] = dy[i] * r->w[i];
        k[i] = r->p ? r->p[i] * dy[i] : 0;
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
    second_row r = second_row_make(a->cols, a->mean != NULL, a->dweight_cotangent, a->dbias_cotangent);
    float *dy = contract_floats(r.n), *gradient = contract_floats(r.n);
    contract_columns weight = contract_columns_make(a->rows, r.n);
    read_weight(&r, a->parameter_type, a->weight, a->weight_offset);
    for (int64_t row = 0; row < a->rows; row++) {
        read_row(&r, a->type, a->x, row * a->x_stride, a->dx_cotangent, row * a->dx_cotangent_stride,
                 saved(a->mean, row), a->mean ? saved(a->mean_low, row) : 0, a->rstd[row]);
        contract_read(dy, a->type, a->dy, row * a->dy_stride, 1, r.n, 0);
        find_tangent(&r);
        find_gradient(&r, dy, gradient);
        contract_write(a->type, a->dy_gradient, row * a->dy_gradient_stride, 1, r.n, r.out);
        contract_write(a->type, a->x_gradient, row * a->x_gradient_stride, 1, r.n, gradient);
        contract_columns_add(&weight, dy, r.z);
    }
    contract_columns_put(&weight, a->weight_gradient, a->accumulate);
    free(dy);
    free(gradient);
    free(r.memory);
}

void contract_tangent(const void *args) {
    const ck_norm_tangent_args *a = args;
    second_row r = second_row_make(a->cols, a->mean != NULL, a->weight_tangent, a->bias_tangent);
    read_weight(&r, a->parameter_type, a->weight, a->weight_offset);
    for (int64_t row = 0; row < a->rows; row++) {
        read_row(&r, a->type, a->x, row * a->x_stride, a->x_tangent, row * a->x_tangent_stride, saved(a->mean, row),
                 a->mean ? saved(a->mean_low, row) : 0, a->rstd[row]);
        find_tangent(&r);
        contract_write(a->type, a->y_tangent, row * a->y_tangent_stride, 1, r.n, r.out);
    }
    free(r.memory);
}
