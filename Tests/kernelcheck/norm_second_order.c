// norm_second_order.c: the family norm_second_order: tangents and gradients of gradients of LayerNorm and RMSNorm.

#include <math.h>

#include "calls.h"
#include "contract_second_order.h"
#include "families.h"

static float draw_offset(check *c) { return (float)random_below(&c->random, 2); }

static void draw_tangent(check *c, void *args) { ((ck_norm_tangent_args *)args)->weight_offset = draw_offset(c); }
static void draw_double(check *c, void *args) {
    ck_norm_double_backward_args *a = args;
    a->weight_offset = draw_offset(c);
    a->accumulate = (int32_t)random_below(&c->random, 2);
}

static ck_status enter_tangent(const void *args, ck_run run) { return ck_layer_norm_tangent(args, run); }
static ck_status enter_rms_tangent(const void *args, ck_run run) { return ck_rms_norm_tangent(args, run); }
static ck_status enter_double(const void *args, ck_run run) { return ck_layer_norm_double_backward(args, run); }
static ck_status enter_rms_double(const void *args, ck_run run) { return ck_rms_norm_double_backward(args, run); }

static size_t workspace(const void *args) {
    const ck_norm_double_backward_args *a = args;
    return ck_norm_double_backward_workspace(a->rows, a->cols);
}

#define FIELD(name) offsetof(ck_norm_tangent_args, name)
static const argument tangent_arguments[] = {
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"x_tangent", FIELD(x_tangent), FIELD(x_tangent_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"weight", FIELD(weight), NO_FIELD, OF_COLS, PARAMETER, READ, OPTIONAL, NOWHERE},
    {"weight_tangent", FIELD(weight_tangent), NO_FIELD, OF_COLS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"bias_tangent", FIELD(bias_tangent), NO_FIELD, OF_COLS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"rstd", FIELD(rstd), NO_FIELD, OF_ROWS, FLOATS, READ, REQUIRED, NOWHERE},
    {"y_tangent", FIELD(y_tangent), FIELD(y_tangent_stride), MATRIX, STORED, WRITTEN, REQUIRED, 1},
    {"mean", FIELD(mean), NO_FIELD, OF_ROWS, FLOATS, READ, REQUIRED, NOWHERE},
    {"mean_low", FIELD(mean_low), NO_FIELD, OF_ROWS, FLOATS, READ, OPTIONAL, NOWHERE},
};
/// RMSNorm has no mean: the last two arguments are not given.
enum { TANGENT_ARGUMENTS = 9, RMS_TANGENT_ARGUMENTS = 7 };
static operator_table tangent(const char *name, entry_point entry, int count) {
    return (operator_table){
        .name = name,
        .entry = entry,
        .arguments = tangent_arguments,
        .count = count,
        .rows = FIELD(rows),
        .cols = FIELD(cols),
        .type = FIELD(type),
        .parameter_type = FIELD(parameter_type),
        .epsilon = NO_FIELD,
        .contract = contract_tangent,
        .draw = draw_tangent,
    };
}
#undef FIELD

#define FIELD(name) offsetof(ck_norm_double_backward_args, name)
static const argument double_arguments[] = {
    {"dx_cotangent", FIELD(dx_cotangent), FIELD(dx_cotangent_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"dweight_cotangent", FIELD(dweight_cotangent), NO_FIELD, OF_COLS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"dbias_cotangent", FIELD(dbias_cotangent), NO_FIELD, OF_COLS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"dy", FIELD(dy), FIELD(dy_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"weight", FIELD(weight), NO_FIELD, OF_COLS, PARAMETER, READ, OPTIONAL, NOWHERE},
    {"rstd", FIELD(rstd), NO_FIELD, OF_ROWS, FLOATS, READ, REQUIRED, NOWHERE},
    {"dy_gradient", FIELD(dy_gradient), FIELD(dy_gradient_stride), MATRIX, STORED, WRITTEN, OPTIONAL, 0},
    {"x_gradient", FIELD(x_gradient), FIELD(x_gradient_stride), MATRIX, STORED, WRITTEN, OPTIONAL, 3},
    {"weight_gradient", FIELD(weight_gradient), NO_FIELD, OF_COLS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"workspace", FIELD(workspace), NO_FIELD, SCRATCH, FLOATS, WRITTEN, REQUIRED, NOWHERE},
    {"mean", FIELD(mean), NO_FIELD, OF_ROWS, FLOATS, READ, REQUIRED, NOWHERE},
    {"mean_low", FIELD(mean_low), NO_FIELD, OF_ROWS, FLOATS, READ, OPTIONAL, NOWHERE},
};
enum { DOUBLE_ARGUMENTS = 13, RMS_DOUBLE_ARGUMENTS = 11 };
static operator_table double_backward(const char *name, entry_point entry, int count) {
    return (operator_table){
        .name = name,
        .entry = entry,
        .arguments = double_arguments,
        .count = count,
        .rows = FIELD(rows),
        .cols = FIELD(cols),
        .type = FIELD(type),
        .parameter_type = FIELD(parameter_type),
        .epsilon = NO_FIELD,
        .workspace_size = FIELD(workspace_size),
        .workspace = workspace,
        .sums = 1,
        .contract = contract_double_backward,
        .draw = draw_double,
    };
}
#undef FIELD

void check_norm_second_order(check *c) {
    operator_table tables[] = {
        tangent("layer_norm_tangent", enter_tangent, TANGENT_ARGUMENTS),
        tangent("rms_norm_tangent", enter_rms_tangent, RMS_TANGENT_ARGUMENTS),
        double_backward("layer_norm_double_backward", enter_double, DOUBLE_ARGUMENTS),
        double_backward("rms_norm_double_backward", enter_rms_double, RMS_DOUBLE_ARGUMENTS),
    };
    for (int i = 0; i < 4; i++) {
        check_operator(c, &tables[i]);
        check_operator_arguments(c, &tables[i]);
    }
}
