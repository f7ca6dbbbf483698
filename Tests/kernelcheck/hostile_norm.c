// hostile_norm.c: hostile calls of LayerNorm and RMSNorm: forward, backward, tangents and second order.

#include "hostile.h"

typedef struct forward {
    ck_norm_args a;
    ck_residual r;
} forward;

static int64_t draw_first_row(hostile_call *h) { return draw_hostile(h) ? INT64_MAX - 2 : draw_below(h, 1000); }

/// The inputs of a residual sum; answers its branch.
static const hostile_area *draw_residual(hostile_call *h, ck_residual *r, ck_type type, ck_type parameter_type,
                                         int64_t rows, int64_t cols) {
    const hostile_area *branch = draw_matrix(h, "branch", &r->branch, &r->branch_stride, type, rows, cols, READ, NULL);
    draw_vector(h, "branch_bias", &r->branch_bias, parameter_type, cols, OPTIONAL);
    draw_vector(h, "branch_scale", &r->branch_scale, parameter_type, cols, OPTIONAL);
    r->scale = draw_parameter(h, 1.5f);
    r->dropout = draw_dropout(h);
    r->seed = (uint64_t)draw_below(h, 65536);
    r->first_row = draw_first_row(h);
    return branch;
}

static void draw_forward(hostile_call *h) {
    forward *f = (forward *)h->args;
    ck_norm_args *a = &f->a;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    a->parameter_type = draw_type(h);
    const hostile_area *x = draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    const hostile_area *branch = NULL;
    if (draw_below(h, 2)) {
        a->residual = &f->r;
        branch = draw_residual(h, &f->r, a->type, a->parameter_type, rows, cols);
    }
    draw_vector(h, "weight", &a->weight, a->parameter_type, cols, OPTIONAL);
    draw_vector(h, "bias", &a->bias, a->parameter_type, cols, OPTIONAL);
    a->weight_offset = draw_parameter(h, 1.0f);
    a->epsilon = draw_parameter(h, 1e-5f);
    const hostile_area *addend =
        draw_matrix(h, "addend", &a->addend, &a->addend_stride, a->type, rows, cols, OPTIONAL, NULL);
    int quantizes = draw_below(h, 4) == 0;
    draw_matrix(h, "y", &a->y, &a->y_stride, a->type, rows, cols, quantizes ? WRITTEN | OPTIONAL : WRITTEN,
                draw_below(h, 2) ? x : addend);
    if (branch) draw_matrix(h, "sum", &f->r.sum, &f->r.sum_stride, a->type, rows, cols, WRITTEN | OPTIONAL, branch);
    if (quantizes) {
        draw_matrix(h, "quantized", &a->quantized, &a->quantized_stride, TYPE_S8, rows, cols, WRITTEN, NULL);
        draw_vector(h, "quantized_scale", &a->quantized_scale, CK_F32, rows, WRITTEN);
    }
    draw_vector(h, "mean", &a->mean, CK_F32, rows, WRITTEN | OPTIONAL);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, rows, WRITTEN | OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, rows, WRITTEN | OPTIONAL);
}

typedef struct backward {
    ck_norm_backward_args a;
    ck_residual r;
} backward;

static void draw_backward(hostile_call *h) {
    backward *f = (backward *)h->args;
    ck_norm_backward_args *a = &f->a;
    int64_t rows = a->rows = draw_count(h, 0, 40), cols = a->cols = draw_width(h);
    ck_type type = a->type = draw_type(h), parameter_type = a->parameter_type = draw_type(h);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, type, rows, cols, READ, NULL);
    const hostile_area *dsum = draw_matrix(h, "dsum", &a->dsum, &a->dsum_stride, type, rows, cols, OPTIONAL, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, type, rows, cols, READ, NULL);
    if (draw_below(h, 2)) {
        a->residual = &f->r;
        draw_residual(h, &f->r, type, parameter_type, rows, cols);
    }
    draw_vector(h, "weight", &a->weight, parameter_type, cols, OPTIONAL);
    a->weight_offset = draw_parameter(h, 1.0f);
    draw_vector(h, "mean", &a->mean, CK_F32, rows, READ);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, rows, OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, rows, READ);
    draw_matrix(h, "dx", &a->dx, &a->dx_stride, type, rows, cols, WRITTEN | OPTIONAL, dy);
    draw_vector(h, "dweight", &a->dweight, CK_F32, cols, WRITTEN | OPTIONAL);
    draw_vector(h, "dbias", &a->dbias, CK_F32, cols, WRITTEN | OPTIONAL);
    if (a->residual || draw_hostile(h)) {
        draw_matrix(h, "dbranch", &a->dbranch, &a->dbranch_stride, type, rows, cols, WRITTEN | OPTIONAL, dsum);
        draw_vector(h, "dbranch_bias", &a->dbranch_bias, CK_F32, cols, WRITTEN | OPTIONAL);
        draw_vector(h, "dbranch_scale", &a->dbranch_scale, CK_F32, cols, WRITTEN | OPTIONAL);
    }
    a->accumulate = draw_flag(h);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_norm_backward_workspace(rows, cols, a->residual != NULL));
}

static void draw_tangent(hostile_call *h) {
    ck_norm_tangent_args *a = (ck_norm_tangent_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 20), cols = a->cols = draw_width(h);
    a->type = draw_type(h);
    a->parameter_type = draw_type(h);
    draw_matrix(h, "x", &a->x, &a->x_stride, a->type, rows, cols, READ, NULL);
    const hostile_area *dx =
        draw_matrix(h, "x_tangent", &a->x_tangent, &a->x_tangent_stride, a->type, rows, cols, READ, NULL);
    draw_vector(h, "weight", &a->weight, a->parameter_type, cols, OPTIONAL);
    a->weight_offset = draw_parameter(h, 1.0f);
    draw_vector(h, "weight_tangent", &a->weight_tangent, CK_F32, cols, OPTIONAL);
    draw_vector(h, "bias_tangent", &a->bias_tangent, CK_F32, cols, OPTIONAL);
    draw_vector(h, "mean", &a->mean, CK_F32, rows, READ);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, rows, OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, rows, READ);
    draw_matrix(h, "y_tangent", &a->y_tangent, &a->y_tangent_stride, a->type, rows, cols, WRITTEN, dx);
}

static void draw_double_backward(hostile_call *h) {
    ck_norm_double_backward_args *a = (ck_norm_double_backward_args *)h->args;
    int64_t rows = a->rows = draw_count(h, 0, 40), cols = a->cols = draw_width(h);
    ck_type type = a->type = draw_type(h);
    a->parameter_type = draw_type(h);
    const hostile_area *v =
        draw_matrix(h, "dx_cotangent", &a->dx_cotangent, &a->dx_cotangent_stride, type, rows, cols, READ, NULL);
    draw_vector(h, "dweight_cotangent", &a->dweight_cotangent, CK_F32, cols, OPTIONAL);
    draw_vector(h, "dbias_cotangent", &a->dbias_cotangent, CK_F32, cols, OPTIONAL);
    const hostile_area *dy = draw_matrix(h, "dy", &a->dy, &a->dy_stride, type, rows, cols, READ, NULL);
    draw_matrix(h, "x", &a->x, &a->x_stride, type, rows, cols, READ, NULL);
    draw_vector(h, "weight", &a->weight, a->parameter_type, cols, OPTIONAL);
    a->weight_offset = draw_parameter(h, 1.0f);
    draw_vector(h, "mean", &a->mean, CK_F32, rows, READ);
    draw_vector(h, "mean_low", &a->mean_low, CK_F32, rows, OPTIONAL);
    draw_vector(h, "rstd", &a->rstd, CK_F32, rows, READ);
    draw_matrix(h, "dy_gradient", &a->dy_gradient, &a->dy_gradient_stride, type, rows, cols, WRITTEN | OPTIONAL, v);
    draw_matrix(h, "x_gradient", &a->x_gradient, &a->x_gradient_stride, type, rows, cols, WRITTEN | OPTIONAL, dy);
    draw_vector(h, "weight_gradient", &a->weight_gradient, CK_F32, cols, WRITTEN | OPTIONAL);
    a->accumulate = draw_flag(h);
    draw_workspace(h, &a->workspace, &a->workspace_size, ck_norm_double_backward_workspace(rows, cols));
}

HOSTILE_ENTRY(ck_layer_norm)
HOSTILE_ENTRY(ck_rms_norm)
HOSTILE_ENTRY(ck_layer_norm_backward)
HOSTILE_ENTRY(ck_rms_norm_backward)
HOSTILE_ENTRY(ck_layer_norm_tangent)
HOSTILE_ENTRY(ck_rms_norm_tangent)
HOSTILE_ENTRY(ck_layer_norm_double_backward)
HOSTILE_ENTRY(ck_rms_norm_double_backward)

const hostile_operator hostile_norms[] = {
    HOSTILE_OPERATOR(ck_layer_norm, draw_forward),
    HOSTILE_OPERATOR(ck_rms_norm, draw_forward),
    HOSTILE_OPERATOR(ck_layer_norm_backward, draw_backward),
    HOSTILE_OPERATOR(ck_rms_norm_backward, draw_backward),
    HOSTILE_OPERATOR(ck_layer_norm_tangent, draw_tangent),
    HOSTILE_OPERATOR(ck_rms_norm_tangent, draw_tangent),
    HOSTILE_OPERATOR(ck_layer_norm_double_backward, draw_double_backward),
    HOSTILE_OPERATOR(ck_rms_norm_double_backward, draw_double_backward),
    HOSTILE_END,
};
