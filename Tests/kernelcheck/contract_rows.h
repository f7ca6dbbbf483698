// contract_rows.h: rows of any storage type in scalar C, and the sums over them that the contract defines.

#ifndef KERNELCHECK_CONTRACT_ROWS_H
#define KERNELCHECK_CONTRACT_ROWS_H

#include "storage_types.h"

/// Memory for `count` floats; ends the program if there is none.
float *contract_floats(int64_t count);

/// Elements first ... first + count - 1 of an array, `stride` apart, widened; `value` for all of them if there is no
/// array.
void contract_read(float *to, ck_type type, const void *array, int64_t first, int64_t stride, int64_t count,
                   float value);

/// Writes them, rounded; nothing if there is no array.
void contract_write(ck_type type, void *array, int64_t first, int64_t stride, int64_t count, const float *values);

/// The row sum of a, or of a * b; the mean of the sample of x * scale.
float contract_sum_of(const float *a, int64_t n);
float contract_dot(const float *a, const float *b, int64_t n);
float contract_sample_mean(const float *x, int64_t n, float scale);

/// 2^-e for a largest magnitude in [2^e, 2^(e+1)), |e| <= 126; 1 for a row of zeros, or with Inf or NaN.
float contract_scale_of(const float *x, int64_t n);

/// Rows in a partial sum over rows: the smallest multiple of 4, at least 16, that cuts the rows into at most 64 blocks.
int64_t contract_rows_in_block(int64_t rows);

/// A sum over rows, column by column: begin with zeros, add rows in their order, then put.
typedef struct contract_columns {
    int64_t cols, rows_in_block, row;
    float *total, *block;
} contract_columns;

contract_columns contract_columns_make(int64_t rows, int64_t cols);
/// Adds a * b, rounded once together with the sum, of the next row.
void contract_columns_add(contract_columns *s, const float *a, const float *b);
/// Writes the sums, or adds them to what is there; nothing if `result` is NULL. Frees them.
void contract_columns_put(contract_columns *s, float *result, int accumulate);

#endif
