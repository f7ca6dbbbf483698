// matmul_plan.h: how a product of matrices is cut into units of work, and what they need of memory. Results do not
// depend on it, except on CK_PRODUCT_DEPTH.

#ifndef CK_MATMUL_PLAN_H
#define CK_MATMUL_PLAN_H

#include <stdint.h>

/// Terms in a chain of a sum; the sums of chains are added in order. Part of the arithmetic contract.
#define CK_PRODUCT_DEPTH 512

/// Columns and, at most, rows in a unit of work.
#define CK_PRODUCT_COLUMNS 64
#define CK_PRODUCT_ROWS 192

typedef struct ck_matmul_plan {
    int64_t rows_per_unit;
    int64_t row_units, column_units;  // of a matrix
    int64_t depth;                    // floats that a row of a takes: whole vectors of a chain
} ck_matmul_plan;

/// Floats that a thread works in: rows of a, a panel of b, and the sums; whole vectors of rows.
static inline int64_t ck_matmul_floats(const ck_matmul_plan *p) {
    int64_t rows = (p->rows_per_unit + 15) / 16 * 16;
    return rows * p->depth + (p->depth + rows) * CK_PRODUCT_COLUMNS;
}

#endif
