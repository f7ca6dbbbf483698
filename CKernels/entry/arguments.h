// arguments.h: the checks that entry points share. Each answers a status; the first that is not CK_OK
// ends the call before anything is written.

#ifndef CK_ARGUMENTS_H
#define CK_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "ck_base.h"

/// Evaluates to the caller's return when a check fails.
#define CK_CHECK(expression)                  \
    do {                                      \
        ck_status status_ = (expression);     \
        if (status_ != CK_OK) return status_; \
    } while (0)

/// Memory of an argument: rows of `length` elements, `stride` elements apart, of `size` bytes each, a power of two.
typedef struct ck_area {
    const void *base;
    int64_t rows, length, stride, size;
} ck_area;

static inline int64_t ck_size_of(ck_type type) { return type == CK_F32 ? 4 : 2; }

static inline ck_area ck_matrix_area(const void *base, ck_type type, int64_t rows, int64_t cols, int64_t stride) {
    return (ck_area){base, rows, cols, stride, ck_size_of(type)};
}
static inline ck_area ck_vector_area(const void *base, ck_type type, int64_t length) {
    return ck_matrix_area(base, type, 1, length, length);
}

static inline ck_status ck_check_type(ck_type type) {
    return type == CK_F32 || type == CK_BF16 || type == CK_F16 ? CK_OK : CK_UNKNOWN_TYPE;
}

/// Counts, stride and size: rows of at least one element that neither overlap nor leave the address space.
static inline ck_status ck_check_shape(int64_t rows, int64_t cols, int64_t stride) {
    int64_t last, elements, bytes;
    if (rows < 0 || cols <= 0) return CK_BAD_SHAPE;
    if (stride < cols) return CK_BAD_STRIDE;
    if (__builtin_mul_overflow(rows > 0 ? rows - 1 : 0, stride, &last) ||
        __builtin_add_overflow(last, cols, &elements) ||
        __builtin_mul_overflow(elements, 8 * (int64_t)sizeof(float), &bytes))  // the traffic of eight tensors
        return CK_SIZE_OVERFLOW;
    return CK_OK;
}

/// From the first to after the last byte of an area with rows.
static inline uintptr_t ck_area_bytes(ck_area a) {
    return ((uintptr_t)(a.rows - 1) * (uintptr_t)a.stride + (uintptr_t)a.length) * (uintptr_t)a.size;
}

/// Bytes from row to row. A single row may have any stride.
static inline uintptr_t ck_area_pitch(ck_area a) { return (uintptr_t)a.stride * (uintptr_t)a.size; }

/// A pointer to an area whose shape has been checked: there, aligned, and not wrapping around.
static inline ck_status ck_check_pointer(ck_area a) {
    uintptr_t end;
    if (!a.base) return CK_NULL_POINTER;
    if (((uintptr_t)a.base & (uintptr_t)(a.size - 1)) != 0) return CK_MISALIGNED_POINTER;
    return __builtin_add_overflow((uintptr_t)a.base, ck_area_bytes(a), &end) ? CK_SIZE_OVERFLOW : CK_OK;
}

/// As ck_check_pointer, but NULL is fine.
static inline ck_status ck_check_optional(ck_area a) { return a.base ? ck_check_pointer(a) : CK_OK; }

/// Whether two areas share a byte. Exact for areas of equal stride (columns of one matrix may lie side
/// by side); areas of different strides whose spans meet are taken to overlap.
static inline int ck_areas_overlap(ck_area a, ck_area b) {
    if (!a.base || !b.base || a.rows == 0 || b.rows == 0) return 0;
    uintptr_t a0 = (uintptr_t)a.base, b0 = (uintptr_t)b.base;
    if (a0 + ck_area_bytes(a) <= b0 || b0 + ck_area_bytes(b) <= a0) return 0;
    uintptr_t pitch = ck_area_pitch(a);
    if (pitch != ck_area_pitch(b)) return 1;
    uintptr_t shift = b0 >= a0 ? (b0 - a0) % pitch : (pitch - (a0 - b0) % pitch) % pitch;
    return shift < (uintptr_t)(a.length * a.size) || shift + (uintptr_t)(b.length * b.size) > pitch;
}

/// CK_OVERLAP if `output` meets any of `others`, unless it is exactly the one at index `in_place` (-1: none).
static inline ck_status ck_check_output(ck_area output, const ck_area *others, int count, int in_place) {
    for (int i = 0; output.base && i < count; i++) {
        int same = i == in_place && others[i].base == output.base && others[i].size == output.size &&
                   (others[i].stride == output.stride || output.rows == 1);
        if (!same && ck_areas_overlap(output, others[i])) return CK_OVERLAP;
    }
    return CK_OK;
}

/// Scratch memory of at least `needed` bytes; 0 of them means that their number overflowed.
static inline ck_status ck_check_workspace(const void *workspace, size_t size, size_t needed) {
    if (needed == 0) return CK_SIZE_OVERFLOW;
    if (!workspace) return CK_NULL_POINTER;
    if ((uintptr_t)workspace % 64 != 0) return CK_MISALIGNED_POINTER;
    return size < needed ? CK_WORKSPACE_TOO_SMALL : CK_OK;
}

static inline ck_status ck_check_epsilon(float epsilon) {
    return epsilon >= 0.0f && epsilon <= 0x1.fffffep127f ? CK_OK : CK_BAD_EPSILON;
}

static inline int ck_is_finite(float a) { return a >= -0x1.fffffep127f && a <= 0x1.fffffep127f; }

static inline ck_status ck_check_threads(ck_run run) { return run.threads < 0 ? CK_BAD_THREADS : CK_OK; }

/// Whether rows written there may use streaming stores: every one starts at a cache line.
static inline int ck_is_line_aligned(ck_area a) { return (uintptr_t)a.base % 64 == 0 && ck_area_pitch(a) % 64 == 0; }

#endif
