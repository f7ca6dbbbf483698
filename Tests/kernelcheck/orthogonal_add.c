// orthogonal_add.c: the family orthogonal_add: both directions of the orthogonal residual addition.

#include "calls.h"
#include "contract_orthogonal_add.h"
#include "families.h"

static const float epsilons[] = {1e-6f, 0.0f, 1.0f};

static void draw_forward(check *c, void *args) {
    ck_orthogonal_add_args *a = args;
    a->centred = (int32_t)random_below(&c->random, 2);
    a->epsilon = epsilons[random_below(&c->random, 3)];
}

static void draw_backward(check *c, void *args) {
    ck_orthogonal_add_backward_args *a = args;
    a->centred = (int32_t)random_below(&c->random, 2);
    a->epsilon = epsilons[random_below(&c->random, 3)];
}

static ck_status enter_forward(const void *args, ck_run run) { return ck_orthogonal_add(args, run); }
static ck_status enter_backward(const void *args, ck_run run) { return ck_orthogonal_add_backward(args, run); }

#define FIELD(name) offsetof(ck_orthogonal_add_args, name)
static const argument forward_arguments[] = {
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"update", FIELD(update), FIELD(update_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"h", FIELD(h), FIELD(h_stride), MATRIX, STORED, WRITTEN, REQUIRED, 0},
};
static const operator_table forward = {
    .name = "orthogonal_add",
    .entry = enter_forward,
    .arguments = forward_arguments,
    .count = 3,
    .rows = FIELD(rows),
    .cols = FIELD(cols),
    .type = FIELD(type),
    .parameter_type = NO_FIELD,
    .epsilon = FIELD(epsilon),
    .contract = contract_orthogonal_add,
    .draw = draw_forward,
};
#undef FIELD

#define FIELD(name) offsetof(ck_orthogonal_add_backward_args, name)
static const argument backward_arguments[] = {
    {"dh", FIELD(dh), FIELD(dh_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"update", FIELD(update), FIELD(update_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"dx", FIELD(dx), FIELD(dx_stride), MATRIX, STORED, WRITTEN, OPTIONAL, 0},
    {"dupdate", FIELD(dupdate), FIELD(dupdate_stride), MATRIX, STORED, WRITTEN, OPTIONAL, NOWHERE},
};
static const operator_table backward = {
    .name = "orthogonal_add_backward",
    .entry = enter_backward,
    .arguments = backward_arguments,
    .count = 5,
    .rows = FIELD(rows),
    .cols = FIELD(cols),
    .type = FIELD(type),
    .parameter_type = NO_FIELD,
    .epsilon = FIELD(epsilon),
    .contract = contract_orthogonal_add_backward,
    .draw = draw_backward,
};
#undef FIELD

void check_orthogonal_add(check *c) {
    check_operator(c, &forward);
    check_operator(c, &backward);
    check_operator_arguments(c, &forward);
    check_operator_arguments(c, &backward);
}
