// contract_rows.c: rows and sums over them, one element at a time.

#include "contract_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "contract_sums.h"

float *contract_floats(int64_t count) {
    float *p = calloc((size_t)count, sizeof *p);
    if (p) return p;
    perror("kernelcheck: memory");
    exit(2);
}

void contract_read(float *to, ck_type type, const void *array, int64_t first, int64_t stride, int64_t count,
                   float value) {
    for (int64_t i = 0; i < count; i++)
        to[i] = array ? type_widen(type, type_bits(type, array, first + i * stride)) : value;
}

void contract_write(ck_type type, void *array, int64_t first, int64_t stride, int64_t count, const float *values) {
    for (int64_t i = 0; array && i < count; i++)
        type_set_bits(type, array, first + i * stride, type_round(type, values[i]));
}

float contract_sum_of(const float *a, int64_t n) {
    contract_sum sum = {0};
    for (int64_t i = 0; i < n; i++) contract_add(&sum, a[i]);
    return contract_total(&sum);
}

float contract_dot(const float *a, const float *b, int64_t n) {
    contract_sum sum = {0};
    for (int64_t i = 0; i < n; i++) contract_add_product(&sum, a[i], b[i]);
    return contract_total(&sum);
}

float contract_sample_mean(const float *x, int64_t n, float scale) {
    contract_sum sum = {0};
    for (int64_t j = 0; j < contract_sample_size(n); j++) contract_add(&sum, x[contract_sample_column(n, j)] * scale);
    return contract_total(&sum) / (float)contract_sample_size(n);
}

float contract_scale_of(const float *x, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) return 1;
        largest = fmaxf(largest, fabsf(x[i]));
    }
    if (largest == 0) return 1;
    int e;
    frexpf(largest, &e);
    e -= 1;
    if (e < -126) e = -126;
    if (e > 126) e = 126;
    return ldexpf(1, -e);
}

int64_t contract_rows_in_block(int64_t rows) {
    int64_t size = 16;
    while ((rows + size - 1) / size > 64) size += 4;
    return size;
}

contract_columns contract_columns_make(int64_t rows, int64_t cols) {
    return (contract_columns){
        .cols = cols,
        .rows_in_block = contract_rows_in_block(rows),
        .total = contract_floats(cols),
        .block = contract_floats(cols),
    };
}

/// The block's sums into those of all rows: the first ones as they are.
static void merge_block(contract_columns *s) {
    int is_first = s->row <= s->rows_in_block;
    for (int64_t i = 0; i < s->cols; i++) {
        s->total[i] = is_first ? s->block[i] : s->total[i] + s->block[i];
        s->block[i] = 0;
    }
}

void contract_columns_add(contract_columns *s, const float *a, const float *b) {
    if (s->row > 0 && s->row % s->rows_in_block == 0) merge_block(s);
    for (int64_t i = 0; i < s->cols; i++) s->block[i] = fmaf(a[i], b[i], s->block[i]);
    s->row++;
}

void contract_columns_put(contract_columns *s, float *result, int accumulate) {
    merge_block(s);
    for (int64_t i = 0; result && i < s->cols; i++) result[i] = accumulate ? result[i] + s->total[i] : s->total[i];
    free(s->total);
    free(s->block);
}
