// strided_rows.h: the checks of tensors [batch, heads, rows, columns] that have strides of their own for all but
// columns.

#ifndef CK_STRIDED_ROWS_H
#define CK_STRIDED_ROWS_H

#include "ck_mask.h"
#include "entry/arguments.h"

typedef struct ck_grid {
    const void *base;
    int64_t size;  // of an element
    int64_t batch, heads, rows, cols;
    ck_strides strides;
} ck_grid;

static inline ck_status ck_add_reach(int64_t *elements, int64_t extent, int64_t stride) {
    int64_t reach;
    if (extent < 0) return CK_BAD_SHAPE;
    if (extent > 1 && stride < 0) return CK_BAD_STRIDE;
    if (extent <= 1) return CK_OK;
    return __builtin_mul_overflow(extent - 1, stride, &reach) || __builtin_add_overflow(*elements, reach, elements)
               ? CK_SIZE_OVERFLOW
               : CK_OK;
}

/// Counts, strides and size. Rows may meet.
static inline ck_status ck_check_grid(ck_grid g) {
    int64_t elements = g.cols, rows, all;
    if (g.cols <= 0) return CK_BAD_SHAPE;
    CK_CHECK(ck_add_reach(&elements, g.batch, g.strides.batch));
    CK_CHECK(ck_add_reach(&elements, g.heads, g.strides.head));
    CK_CHECK(ck_add_reach(&elements, g.rows, g.strides.row));
    if (__builtin_mul_overflow(elements, 8 * (int64_t)sizeof(float), &all)) return CK_SIZE_OVERFLOW;
    return __builtin_mul_overflow(g.batch, g.heads, &rows) || __builtin_mul_overflow(rows, g.rows, &rows) ||
                   __builtin_mul_overflow(rows, g.cols, &all) ||
                   __builtin_mul_overflow(all, 8 * (int64_t)sizeof(float), &all)
               ? CK_SIZE_OVERFLOW
               : CK_OK;
}

/// Elements from the first to after the last one of a grid that has been checked and has rows.
static inline int64_t ck_grid_span(ck_grid g) {
    int64_t batch = g.batch > 1 ? (g.batch - 1) * g.strides.batch : 0;
    int64_t head = g.heads > 1 ? (g.heads - 1) * g.strides.head : 0;
    return batch + head + (g.rows > 1 ? (g.rows - 1) * g.strides.row : 0) + g.cols;
}

/// CK_BAD_STRIDE if two rows of a checked grid may meet: a stride must reach past all that lies at smaller ones.
static inline ck_status ck_check_rows_apart(ck_grid g) {
    int64_t extents[] = {g.batch, g.heads, g.rows}, strides[] = {g.strides.batch, g.strides.head, g.strides.row};
    int64_t reach = g.cols;
    if (g.batch == 0 || g.heads == 0 || g.rows == 0) return CK_OK;
    for (int done = 0; done < 3; done++) {
        int least = -1;
        for (int axis = 0; axis < 3; axis++)
            if (extents[axis] > 1 && (least < 0 || strides[axis] < strides[least])) least = axis;
        if (least < 0) return CK_OK;
        if (strides[least] < reach) return CK_BAD_STRIDE;
        reach += (extents[least] - 1) * strides[least];
        extents[least] = 1;
    }
    return CK_OK;
}

/// Exact if all rows are one stride apart; otherwise all that lies from the first to the last row. Strides of what is
/// not given may be anything.
static inline ck_area ck_grid_area(ck_grid g) {
    if (!g.base) return (ck_area){0};
    ck_strides s = g.strides;
    int is_even = s.row >= g.cols && (g.heads == 1 || s.head == g.rows * s.row) &&
                  (g.batch == 1 || s.batch == g.heads * g.rows * s.row);
    if (is_even) return (ck_area){g.base, g.batch * g.heads * g.rows, g.cols, s.row, g.size};
    return (ck_area){g.base, 1, ck_grid_span(g), ck_grid_span(g), g.size};
}

/// Whether an output replaces an input of the same shape element by element.
static inline int ck_is_in_place(ck_grid output, ck_grid input) {
    ck_strides a = output.strides, b = input.strides;
    return output.base == input.base && output.size == input.size && (output.batch == 1 || a.batch == b.batch) &&
           (output.heads == 1 || a.head == b.head) && (output.rows == 1 || a.row == b.row);
}

/// CK_OVERLAP if an output meets an input, unless it is exactly that.
static inline ck_status ck_check_replacing(ck_grid output, ck_grid input) {
    ck_area area = ck_grid_area(input);
    return ck_is_in_place(output, input) ? CK_OK : ck_check_output(ck_grid_area(output), &area, 1, -1);
}

/// Whether every row starts at a cache line.
static inline int ck_is_grid_line_aligned(ck_grid g) {
    int64_t steps =
        (g.batch > 1 ? g.strides.batch : 0) | (g.heads > 1 ? g.strides.head : 0) | (g.rows > 1 ? g.strides.row : 0);
    return (uintptr_t)g.base % 64 == 0 && steps * g.size % 64 == 0;
}

#endif
