// contract_orthogonal_add.c: both directions of the orthogonal residual addition, step by step as the contract numbers
// them.

#include "contract_orthogonal_add.h"

#include <math.h>
#include <stdlib.h>

#include "contract_rows.h"

/// One of the rows x, f and g; `e` are its deviations.
typedef struct part {
    float *row, *e, scale, centre, delta, sum;
} part;

enum { X, F, G, PARTS };

typedef struct rows {
    int64_t n;
    int count, is_centred;  // PARTS with a gradient, or one less
    part part[PARTS];
    float xx, xf, ff, xg, gg;
    int is_far, is_scaled;
    float a, b;
} rows;

static void take_centres(rows *r) {
    for (int k = 0; k < r->count && r->is_centred; k++)
        r->part[k].centre = contract_sample_mean(r->part[k].row, r->n, r->part[k].scale);
}

/// A sum of squares less what the mean has of them, or +0.
static float rest_of_squares(rows *r, const part *p, float squares) {
    float rest = fmaf(-p->delta, p->sum, squares);
    if (rest < 0) rest = 0;
    if (fmaf(-4 * p->delta, p->sum, rest) < 0) r->is_far = 1;
    return rest;
}

/// Steps 2 and 3.
static void take_sums(rows *r) {
    part *x = &r->part[X], *f = &r->part[F], *g = &r->part[G];
    for (int k = 0; k < r->count; k++) {
        part *p = &r->part[k];
        for (int64_t i = 0; i < r->n; i++) p->e[i] = fmaf(p->row[i], p->scale, -p->centre);
        p->sum = contract_sum_of(p->e, r->n);
        p->delta = r->is_centred ? p->sum / (float)r->n : 0;
    }
    r->xx = contract_dot(x->e, x->e, r->n);
    r->xf = contract_dot(x->e, f->e, r->n);
    r->ff = contract_dot(f->e, f->e, r->n);
    r->xg = r->count == PARTS ? contract_dot(x->e, g->e, r->n) : 0;
    r->gg = r->count == PARTS ? contract_dot(g->e, g->e, r->n) : 1;
    r->is_far = 0;
    if (!r->is_centred) return;
    r->xx = rest_of_squares(r, x, r->xx);
    r->ff = rest_of_squares(r, f, r->ff);
    r->xf = fmaf(-x->delta, f->sum, r->xf);
    if (r->count < PARTS) return;
    r->gg = rest_of_squares(r, g, r->gg);
    r->xg = fmaf(-x->delta, g->sum, r->xg);
}

static int is_ordinary(float q) { return q >= 0x1p-100f && q <= 0x1p120f; }

static void project_scaled(rows *r, float epsilon) {
    r->is_scaled = 1;
    for (int k = 0; k < r->count; k++) r->part[k].scale = contract_scale_of(r->part[k].row, r->n);
    take_centres(r);
    take_sums(r);
    if (r->is_far) {
        for (int k = 0; k < r->count; k++) r->part[k].centre += r->part[k].delta;
        take_sums(r);
    }
    double scale = r->part[X].scale, q = r->xx + ((double)epsilon * scale) * scale;
    r->a = q == 0 ? 0 : (float)(r->xf / q);
    r->b = q == 0 ? 0 : (float)(r->xg / q);
    if (!r->is_centred && r->a == 0) r->part[F].scale = 1;
    if (!r->is_centred && r->b == 0) r->part[G].scale = 1;
}

static void project(rows *r, float epsilon) {
    r->is_scaled = 0;
    for (int k = 0; k < PARTS; k++) {
        r->part[k].scale = 1;
        r->part[k].centre = r->part[k].delta = 0;
    }
    take_centres(r);
    take_sums(r);
    float q = r->xx + epsilon;
    if (is_ordinary(q) && is_ordinary(r->ff) && is_ordinary(r->gg) && !r->is_far) {
        r->a = r->xf / q;
        r->b = r->xg / q;
    } else {
        project_scaled(r, epsilon);
    }
}

static float about_mean(const part *p, int64_t i) { return fmaf(p->row[i], p->scale, -p->centre) - p->delta; }

/// Step 5.
static float orthogonal(const rows *r, int which, float along, int64_t i) {
    return fmaf(-along, about_mean(&r->part[X], i), about_mean(&r->part[which], i));
}

static rows rows_make(int64_t n, int count, int is_centred) {
    rows r = {.n = n, .count = count, .is_centred = is_centred};
    for (int k = 0; k < PARTS; k++) {
        r.part[k].row = contract_floats(n);
        r.part[k].e = contract_floats(n);
    }
    return r;
}

static void rows_free(rows *r) {
    for (int k = 0; k < PARTS; k++) {
        free(r->part[k].row);
        free(r->part[k].e);
    }
}

void contract_orthogonal_add(const void *args) {
    const ck_orthogonal_add_args *a = args;
    rows r = rows_make(a->cols, PARTS - 1, a->centred != 0);
    float *h = contract_floats(a->cols);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_read(r.part[X].row, a->type, a->x, row * a->x_stride, 1, r.n, 0);
        contract_read(r.part[F].row, a->type, a->update, row * a->update_stride, 1, r.n, 0);
        project(&r, a->epsilon);
        for (int64_t i = 0; i < r.n; i++) h[i] = r.part[X].row[i] + orthogonal(&r, F, r.a, i) * (1 / r.part[F].scale);
        contract_write(a->type, a->h, row * a->h_stride, 1, r.n, h);
    }
    rows_free(&r);
    free(h);
}

void contract_orthogonal_add_backward(const void *args) {
    const ck_orthogonal_add_backward_args *a = args;
    rows r = rows_make(a->cols, PARTS, a->centred != 0);
    float *dx = contract_floats(a->cols), *df = contract_floats(a->cols);
    for (int64_t row = 0; row < a->rows; row++) {
        contract_read(r.part[X].row, a->type, a->x, row * a->x_stride, 1, r.n, 0);
        contract_read(r.part[F].row, a->type, a->update, row * a->update_stride, 1, r.n, 0);
        contract_read(r.part[G].row, a->type, a->dh, row * a->dh_stride, 1, r.n, 0);
        project(&r, a->epsilon);
        int e = ilogbf(r.part[X].scale) - ilogbf(r.part[F].scale) - ilogbf(r.part[G].scale);
        e = e < -252 ? -252 : e > 252 ? 252 : e;
        for (int64_t i = 0; i < r.n; i++) {
            float u = orthogonal(&r, F, r.a, i), k = orthogonal(&r, G, r.b, i), g = r.part[G].row[i];
            df[i] = k * (1 / r.part[G].scale);
            dx[i] = r.is_scaled ? g - (fmaf(r.a, k, r.b * u) * ldexpf(1, e / 2)) * ldexpf(1, e - e / 2)
                                : fmaf(-r.a, k, fmaf(-r.b, u, g));
        }
        contract_write(a->type, a->dx, row * a->dx_stride, 1, r.n, dx);
        contract_write(a->type, a->dupdate, row * a->dupdate_stride, 1, r.n, df);
    }
    rows_free(&r);
    free(dx);
    free(df);
}
