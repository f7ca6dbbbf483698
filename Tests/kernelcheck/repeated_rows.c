// repeated_rows.c: places and compares batches of repeated rows.

#include "repeated_rows.h"

#include <stdlib.h>
#include <string.h>

int64_t repeated_rows(ck_type type, int64_t cols) {
    return (ck_inspect().last_cache / (2 * cols * type_size(type)) / DIFFERENT + 2) * DIFFERENT;
}

void *repeated_make(ck_type type, int64_t cols) {
    void *rows = malloc((size_t)(DIFFERENT * cols * type_size(type)));
    if (!rows) exit(2);
    return rows;
}

static void *row_of(matrix m, int64_t row) { return (char *)m.base + row * m.stride * type_size(m.type); }

static const void *repeated(matrix m, const void *packed, int64_t row) {
    return (const char *)packed + row % DIFFERENT * m.cols * type_size(m.type);
}

matrix repeated_place(const guarded *home, ck_type type, const void *packed, int64_t rows, int64_t cols, int64_t stride,
                      int place) {
    matrix m = matrix_place(home, type, rows, cols, stride, place);
    for (int64_t row = 0; row < rows; row++)
        memcpy(row_of(m, row), repeated(m, packed, row), (size_t)(cols * type_size(type)));
    return m;
}

void repeated_expect(check *c, const char *name, matrix m, const void *packed) {
    int equal = 1;
    for (int64_t row = 0; equal && row < m.rows; row++)
        equal = check_row(c, name, m.type, row, row_of(m, row), repeated(m, packed, row), m.cols);
    matrix_expect_around(c, name, m);
}
