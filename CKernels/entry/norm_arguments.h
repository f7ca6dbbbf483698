// norm_arguments.h: the checks of residual sums, for forward and backward.

#ifndef CK_NORM_ARGUMENTS_H
#define CK_NORM_ARGUMENTS_H

#include "ck_norm.h"
#include "entry/arguments.h"

/// Counts, strides and numbers of a residual; NULL is fine. Its sum is forward's alone.
static inline ck_status ck_check_residual(const ck_residual *r, int64_t rows, int64_t cols) {
    int64_t last;
    if (!r) return CK_OK;
    CK_CHECK(ck_check_shape(rows, cols, r->branch_stride));
    if (r->first_row < 0 || __builtin_add_overflow(r->first_row, rows, &last)) return CK_BAD_SHAPE;
    if (!ck_is_finite(r->scale) || !(r->dropout >= 0.0f && r->dropout < 1.0f)) return CK_BAD_PARAMETER;
    return CK_OK;
}

/// The memory that a residual is read from. Without one, NULLs.
typedef struct ck_residual_areas {
    ck_area branch, bias, scale;
} ck_residual_areas;

static inline ck_residual_areas ck_areas_of_residual(const ck_residual *r, ck_type type, ck_type parameter_type,
                                                     int64_t rows, int64_t cols) {
    static const ck_residual none;
    const ck_residual *from = r ? r : &none;
    return (ck_residual_areas){
        ck_matrix_area(from->branch, type, rows, cols, from->branch_stride),
        ck_vector_area(from->branch_bias, parameter_type, cols),
        ck_vector_area(from->branch_scale, parameter_type, cols),
    };
}

#endif
