// softmax_streaming.c: the family softmax_streaming: batches so large that outputs bypass the caches, with rows that
// begin at cache lines and within them, against the contract's words.

#include <inttypes.h>
#include <stdlib.h>

#include "contract_softmax.h"
#include "families.h"
#include "guarded.h"
#include "softmax_entry.h"
#include "storage_types.h"

/// Different rows in a batch; the others repeat them.
enum { DIFFERENT = 5 };

/// Packed rows of `type` in memory with guard pages: `numbers` are DIFFERENT rows.
static matrix repeated(const guarded *home, ck_type type, const float *numbers, int64_t rows, int64_t cols,
                       int64_t stride, int place) {
    matrix m = matrix_place(home, type, rows, cols, stride, place);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < cols; i++) {
            uint32_t bits = type_round(type, numbers[row % DIFFERENT * cols + i]);
            if (type == CK_F32)
                ((uint32_t *)m.base)[row * stride + i] = bits;
            else
                ((uint16_t *)m.base)[row * stride + i] = (uint16_t)bits;
        }
    return m;
}

static void expect_repeated(check *c, matrix m, const float *numbers) {
    void *expected = malloc((size_t)(m.cols * type_size(m.type)));
    for (int64_t different = 0; different < DIFFERENT; different++) {
        for (int64_t i = 0; i < m.cols; i++) {
            uint32_t bits = type_round(m.type, numbers[different * m.cols + i]);
            if (m.type == CK_F32)
                ((uint32_t *)expected)[i] = bits;
            else
                ((uint16_t *)expected)[i] = (uint16_t)bits;
        }
        for (int64_t row = different; row < m.rows; row += DIFFERENT)
            check_row(c, "y", m.type, row, (char *)m.base + row * m.stride * type_size(m.type), expected, m.cols);
    }
    free(expected);
    matrix_expect_around(c, "y", m);
}

static void compare(check *c, ck_type type, int64_t cols, int64_t gap, int place, int logarithmic) {
    int64_t rows = ck_inspect().last_cache / (2 * cols * type_size(type)) + 7, stride = cols + gap;
    float *x = malloc((size_t)(DIFFERENT * cols) * sizeof *x), *y = malloc((size_t)(DIFFERENT * cols) * sizeof *y);
    guarded home_x = guarded_make(matrix_needs(type, rows, cols)),
            home_y = guarded_make(matrix_needs(type, rows, stride));
    check_begin(c);
    for (int64_t row = 0; row < DIFFERENT; row++) {
        for (int64_t i = 0; i < cols; i++) {
            float number = (1 + 30 * (row % 3)) * random_normal(&c->random);
            x[row * cols + i] = type_widen(type, type_round(type, number));
        }
        contract_softmax(x + row * cols, y + row * cols, cols, logarithmic);
    }
    matrix from = repeated(&home_x, type, x, rows, cols, cols, 3);
    for (int32_t threads = 1; threads <= 3; threads++) {
        matrix to = matrix_place(&home_y, type, rows, cols, stride, place);
        check_describe(
            c, "%s, rows %" PRId64 ", cols %" PRId64 ", stride %" PRId64 ", place %d, logarithmic %d, threads %d",
            type_name(type), rows, cols, stride, place, logarithmic, threads);
        ck_softmax_args args = {
            .rows = rows,
            .cols = cols,
            .type = type,
            .x = from.base,
            .x_stride = cols,
            .y = to.base,
            .y_stride = stride,
            .logarithmic = logarithmic,
        };
        if (check_call(c, enter_softmax, &args, (ck_run){c->isa, threads}, CK_OK)) expect_repeated(c, to, y);
    }
    guarded_free(&home_x);
    guarded_free(&home_y);
    free(x);
    free(y);
}

void check_softmax_streaming(check *c) {
    compare(c, CK_F32, 64, 0, 0, 0);
    compare(c, CK_F32, 1000, 8, 0, 0);
    compare(c, CK_F32, 4099, 0, 0, 0);
    compare(c, CK_BF16, 4099, 0, 5, 0);
    if (c->quick) return;
    compare(c, CK_F32, 4096, 0, 0, 1);
    compare(c, CK_F16, 1024, 0, 0, 1);
    compare(c, CK_F32, 50257, 0, 7, 0);
    compare(c, CK_BF16, 50257, 0, 1, 1);
    compare(c, CK_F32, 70001, 0, 3, 0);
}
