// norm_problem.h: one LayerNorm or RMSNorm in packed arrays, forward and backward: how it is drawn, the arguments
// of its calls, and the answers of an instruction set.

#ifndef KERNELCHECK_NORM_PROBLEM_H
#define KERNELCHECK_NORM_PROBLEM_H

#include "guarded.h"

/// Every array that a call is given, forward or backward.
typedef enum norm_array {
    NORM_X,  // from here on [rows, cols], of the storage type
    NORM_BRANCH,
    NORM_DY,
    NORM_DSUM,
    NORM_Y,
    NORM_SUM,
    NORM_DX,
    NORM_DBRANCH,
    NORM_QUANTIZED,  // [rows, cols] of whole numbers
    NORM_WEIGHT,     // from here on [cols], of the parameters' type
    NORM_BIAS,
    NORM_BRANCH_BIAS,
    NORM_BRANCH_SCALE,
    NORM_DWEIGHT,  // from here on [cols], of floats
    NORM_DBIAS,
    NORM_DBRANCH_BIAS,
    NORM_DBRANCH_SCALE,
    NORM_MEAN,  // from here on [rows], of floats
    NORM_MEAN_LOW,
    NORM_RSTD,
    NORM_QUANTIZED_SCALE,
    NORM_WORKSPACE,
    NORM_ARRAYS
} norm_array;

/// "x" for NORM_X, and so on.
extern const char *const norm_array_names[NORM_ARRAYS];

/// Some of the arrays: bit 1 << array.
typedef uint32_t norm_set;
#define NORM_SET(array) ((norm_set)1 << (array))
static inline int norm_has(norm_set set, norm_array array) { return set >> array & 1; }

typedef enum norm_pass { NORM_FORWARD, NORM_BACKWARD } norm_pass;

/// What the kernels have a copy of their loops for, and which statistics.
typedef struct norm_kind {
    int is_rms;       // RMSNorm; else LayerNorm
    int is_residual;  // of a residual sum; else of x
    ck_type type;
} norm_kind;

typedef struct norm_problem {
    norm_kind kind;
    ck_type parameter_type;
    int64_t rows, cols;
    float epsilon, weight_offset;
    ck_residual residual;  // its numbers; no pointers
    int accumulate;
    norm_set given;            // the inputs that there are
    void *array[NORM_ARRAYS];  // packed; NULL for those of a residual sum if the problem is made without
    float *sums_before;        // [cols]: what each sum over rows holds before a call that accumulates
} norm_problem;

/// Arrays for up to `rows` and up to `cols`, with no more than `elements` in a matrix.
norm_problem norm_problem_make(int64_t rows, int64_t cols, int64_t elements, int is_residual);
void norm_problem_free(norm_problem *p);

/// Wide variety, or rows whose sums over a batch stay finite and therefore telling.
typedef enum variety { WILD, TAME } variety;

/// Draws all numbers, the parameters' type, and which inputs there are. Of large batches, rows repeat.
void norm_draw(check *c, norm_problem *p, norm_kind kind, int64_t rows, int64_t cols, variety v);

/// Writes a row of floats, rounded, to the row of a packed array.
void norm_put_row(norm_problem *p, norm_array array, int64_t row, const float *values);

/// Element `i` of a packed array.
static inline float norm_value(const norm_problem *p, norm_array array, ck_type type, int64_t i) {
    if (type == CK_F32) return ((const float *)p->array[array])[i];
    return type_widen(type, type_bits(type, p->array[array], i));
}

/// Rows `row` ... of a problem as one of their own, in the same arrays.
norm_problem norm_part(const norm_problem *p, int64_t row, int64_t rows);

/// The arrays that a pass reads, those that it can write, and those that are sums over rows.
norm_set norm_reads(const norm_problem *p, norm_pass pass);
norm_set norm_writes(const norm_problem *p, norm_pass pass);
extern const norm_set norm_sums;

/// A packed array as a matrix.
matrix norm_packed(const norm_problem *p, norm_array array);

/// The arguments of a call, `r` included, with the arrays at the places `m`.
ck_norm_args norm_forward_args(const norm_problem *p, const matrix *m, ck_residual *r);
ck_norm_backward_args norm_backward_args(const norm_problem *p, const matrix *m, ck_residual *r);

/// The entry points.
ck_status enter_layer_norm(const void *args, ck_run run);
ck_status enter_rms_norm(const void *args, ck_run run);
ck_status enter_layer_norm_backward(const void *args, ck_run run);
ck_status enter_rms_norm_backward(const void *args, ck_run run);

/// Calls with the arrays at the places `m`; whether it was accepted.
int norm_call(check *c, const norm_problem *p, norm_pass pass, const matrix *m, ck_run run);

/// Writes the answers `wanted` of an instruction set to the packed arrays. Backward needs those of forward.
int norm_solve(check *c, norm_problem *p, norm_pass pass, norm_set wanted, ck_run run);

/// Portable's answers, all of them, to both passes.
void norm_solve_both(check *c, norm_problem *p);

extern const ck_run norm_portable;

/// All kinds, LayerNorm first.
enum { NORM_KINDS = 12 };
extern const norm_kind norm_kinds[NORM_KINDS];

/// The widths that every comparison goes through: all small ones, then around each border of blocks.
extern const int64_t check_widths[];
extern const int check_width_count;

#endif
