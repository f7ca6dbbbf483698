// convert_layouts.c: the family convert_layouts: ck_convert between all types over shapes, places, strides and thread
// counts, in place, and beyond the caches.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert_entry.h"
#include "families.h"
#include "guarded.h"

enum { MAX_ROWS = 9, MAX_COLS = 12345, MAX_GAP = 37 };

/// Packed rows in one type and in another.
typedef struct conversion {
    ck_type from, to;
    int64_t rows, cols;
    void *x, *y;
} conversion;

static void *array(int64_t elements) {
    void *p = calloc((size_t)elements, sizeof(float));
    if (p) return p;
    perror("kernelcheck: memory");
    exit(2);
}

/// Any bits, or a number that every type has about.
static void draw(check *c, conversion *v, int64_t rows, int64_t cols) {
    v->rows = rows;
    v->cols = cols;
    for (int64_t i = 0; i < rows * cols; i++) {
        uint32_t bits = (uint32_t)random_bits(&c->random);
        if (bits % 2) bits = type_round(v->from, random_normal(&c->random));
        type_set_bits(v->from, v->x, i, bits);
        bits = type_bits(v->from, v->x, i);
        type_set_bits(v->to, v->y, i, type_round(v->to, type_widen(v->from, bits)));
    }
}

static void call(check *c, const conversion *v, matrix x, matrix y, int32_t threads) {
    check_describe(c,
                   "%s to %s, rows %" PRId64 ", cols %" PRId64 ", strides %" PRId64 " and %" PRId64
                   ", threads %d, x ... %03x, y ... %03x",
                   type_name(v->from), type_name(v->to), v->rows, v->cols, x.stride, y.stride, threads,
                   (unsigned)((uintptr_t)x.base & 0xfff), (unsigned)((uintptr_t)y.base & 0xfff));
    ck_convert_args args = {v->rows, v->cols, x.base, x.type, x.stride, y.base, y.type, y.stride};
    if (!check_call(c, enter_convert, &args, (ck_run){c->isa, threads}, CK_OK)) return;
    matrix_expect(c, "y", y, v->y);
    if (x.base != y.base) matrix_expect(c, "x", x, v->x);
}

static matrix place(check *c, const guarded *home, ck_type type, const conversion *v) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, MAX_GAP};
    int64_t stride = v->cols + random_choice(&c->random, gaps, 6);
    return matrix_place(home, type, v->rows, v->cols, stride, (int)random_below(&c->random, PLACES));
}

static void compare(check *c, conversion *v, const guarded *home_x, const guarded *home_y, int64_t cols) {
    static const int64_t threads[] = {1, 1, 1, 2, 3, 8};
    check_begin(c);
    draw(c, v, 1 + random_below(&c->random, MAX_ROWS), cols);
    matrix x = place(c, home_x, v->from, v), y = place(c, home_y, v->to, v);
    if (type_size(v->from) == type_size(v->to) && random_below(&c->random, 3) == 0) {  // in place
        x = y;
        x.type = v->from;
    }
    matrix_fill(x, v->x);
    call(c, v, x, y, (int32_t)random_choice(&c->random, threads, 6));
}

static void compare_widths(check *c, conversion *v) {
    static const int64_t wide[] = {127, 128, 129, 1000, 4095, 4096, 4097, 8192, 8193, MAX_COLS};  // up to four blocks
    int64_t needs = matrix_needs(CK_F32, MAX_ROWS, MAX_COLS + MAX_GAP);
    guarded home_x = guarded_make(needs), home_y = guarded_make(needs);
    for (int repeat = 0; repeat < (c->quick ? 1 : 3); repeat++) {
        for (int64_t cols = 1; cols <= 70; cols++) compare(c, v, &home_x, &home_y, cols);
        for (int w = 0; w < 10; w++) compare(c, v, &home_x, &home_y, wide[w]);
    }
    guarded_free(&home_x);
    guarded_free(&home_y);
}

/// The numbers that v holds once, again and again.
static void repeat(void *array, int64_t bytes, const void *numbers, int64_t period) {
    for (int64_t at = 0; at < bytes; at += period)
        memcpy((char *)array + at, numbers, (size_t)(bytes - at < period ? bytes - at : period));
}

/// Traffic beyond the last cache on any number of threads: outputs at a cache line stream, in one vector or in rows of
/// whole lines; others do not. The numbers repeat after an odd count, so that they meet every place in a line.
static void compare_streaming(check *c, const conversion *once) {
    enum { IN_ROW = 2000, STRIDE = 2048 };
    int64_t x_size = type_size(once->from), y_size = type_size(once->to);
    int64_t rows = ck_inspect().last_cache / (x_size + y_size) / IN_ROW + 1, elements = rows * IN_ROW;
    guarded home_x = guarded_make(matrix_needs(once->from, rows, IN_ROW));
    guarded home_y = guarded_make(matrix_needs(once->to, rows, STRIDE));
    conversion v = {once->from, once->to, 1, elements, array(elements), array(elements)};
    repeat(v.x, elements * x_size, once->x, once->cols * x_size);
    repeat(v.y, elements * y_size, once->y, once->cols * y_size);
    for (int at = 0; at < 2; at++)
        for (int in_rows = 0; in_rows < 2; in_rows++) {
            v.rows = in_rows ? rows : 1;
            v.cols = in_rows ? IN_ROW : elements - 3;
            check_begin(c);
            matrix x = matrix_place(&home_x, v.from, v.rows, v.cols, v.cols, at);
            matrix y = matrix_place(&home_y, v.to, v.rows, v.cols, in_rows ? STRIDE : v.cols, at);
            matrix_fill(x, v.x);
            call(c, &v, x, y, at == in_rows ? 1 : 3);
        }
    guarded_free(&home_x);
    guarded_free(&home_y);
    free(v.x);
    free(v.y);
}

void check_convert_layouts(check *c) {
    conversion v = {.x = array(MAX_ROWS * MAX_COLS), .y = array(MAX_ROWS * MAX_COLS)};
    for (v.from = CK_F32; v.from <= CK_F16; v.from++)
        for (v.to = CK_F32; v.to <= CK_F16; v.to++) {
            compare_widths(c, &v);
            check_begin(c);
            draw(c, &v, 1, 10007);
            compare_streaming(c, &v);
        }
    free(v.x);
    free(v.y);
}
