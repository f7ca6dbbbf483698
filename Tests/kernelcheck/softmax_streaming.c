// softmax_streaming.c: the family softmax_streaming: batches so large that outputs bypass the caches, with rows that
// begin at cache lines and within them, against the contract's words: forward, backward, and by given states.

#include <inttypes.h>
#include <stdlib.h>

#include "contract_softmax_state.h"
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
            check_row(c, "output", m.type, row, (char *)m.base + row * m.stride * type_size(m.type), expected, m.cols);
    }
    free(expected);
    matrix_expect_around(c, "output", m);
}

/// Memory of a batch: rows of x (or dy and y) lie packed, those of the output `stride` elements apart.
typedef struct batch {
    int64_t rows, cols, stride;
    ck_type type;
    int place, logarithmic;
    float *x, *y, *dy, *dx;  // DIFFERENT rows each
    ck_softmax_state states[DIFFERENT];
} batch;

static float *numbers(const batch *b) {
    float *memory = malloc((size_t)(DIFFERENT * b->cols) * sizeof *memory);
    if (!memory) exit(2);
    return memory;
}

static void round_to(const batch *b, float *row) {
    for (int64_t i = 0; i < b->cols; i++) row[i] = type_widen(b->type, type_round(b->type, row[i]));
}

static void draw(check *c, batch *b) {
    b->x = numbers(b);
    b->y = numbers(b);
    b->dy = numbers(b);
    b->dx = numbers(b);
    for (int64_t row = 0; row < DIFFERENT; row++) {
        float *x = b->x + row * b->cols, *y = b->y + row * b->cols, *dy = b->dy + row * b->cols;
        for (int64_t i = 0; i < b->cols; i++) {
            x[i] = (1 + 30 * (row % 3)) * random_normal(&c->random);
            dy[i] = 5 + random_normal(&c->random);
        }
        round_to(b, x);
        round_to(b, dy);
        b->states[row] = contract_state(x, y, b->cols);
        contract_softmax(x, y, b->cols, b->logarithmic);
        round_to(b, y);
        if (b->logarithmic)
            contract_log_softmax_backward(dy, y, b->dx + row * b->cols, b->cols);
        else
            contract_softmax_backward(dy, y, b->dx + row * b->cols, b->cols);
    }
}

static void describe(check *c, const batch *b, const char *what, int32_t threads) {
    check_describe(
        c, "%s, %s, rows %" PRId64 ", cols %" PRId64 ", stride %" PRId64 ", place %d, logarithmic %d, threads %d", what,
        type_name(b->type), b->rows, b->cols, b->stride, b->place, b->logarithmic, threads);
}

static void compare_forward(check *c, const batch *b, const guarded *from, const guarded *to) {
    matrix x = repeated(from, b->type, b->x, b->rows, b->cols, b->cols, 3);
    for (int32_t threads = 1; threads <= 3; threads++) {
        matrix y = matrix_place(to, b->type, b->rows, b->cols, b->stride, b->place);
        describe(c, b, "forward", threads);
        ck_softmax_args args = softmax_forward_args(x, y, b->logarithmic);
        if (check_call(c, enter_softmax, &args, (ck_run){c->isa, threads}, CK_OK)) expect_repeated(c, y, b->y);
    }
}

/// By the states of whole rows: the same bits.
static void compare_with_states(check *c, const batch *b, const guarded *from, const guarded *to) {
    matrix x = repeated(from, b->type, b->x, b->rows, b->cols, b->cols, 3);
    matrix y = matrix_place(to, b->type, b->rows, b->cols, b->stride, b->place);
    ck_softmax_state *states = malloc((size_t)b->rows * sizeof *states);
    if (!states) exit(2);
    for (int64_t row = 0; row < b->rows; row++) states[row] = b->states[row % DIFFERENT];
    describe(c, b, "with states", 2);
    ck_softmax_with_states_args args = {
        .rows = b->rows,
        .cols = b->cols,
        .type = b->type,
        .x = x.base,
        .x_stride = x.stride,
        .states = states,
        .y = y.base,
        .y_stride = y.stride,
        .logarithmic = b->logarithmic,
    };
    if (check_call(c, enter_softmax_with_states, &args, (ck_run){c->isa, 2}, CK_OK)) expect_repeated(c, y, b->y);
    free(states);
}

static void compare_backward(check *c, const batch *b, const guarded *from, const guarded *to) {
    guarded home_y = guarded_make(from->bytes);
    matrix dy = repeated(from, b->type, b->dy, b->rows, b->cols, b->cols, 3);
    matrix y = repeated(&home_y, b->type, b->y, b->rows, b->cols, b->cols, 5);
    for (int32_t threads = 1; threads <= 3; threads++) {
        matrix dx = matrix_place(to, b->type, b->rows, b->cols, b->stride, b->place);
        describe(c, b, "backward", threads);
        ck_softmax_backward_args args = softmax_backward_args(dy, y, dx, b->logarithmic);
        if (check_call(c, enter_softmax_backward, &args, (ck_run){c->isa, threads}, CK_OK))
            expect_repeated(c, dx, b->dx);
    }
    guarded_free(&home_y);
}

static void compare(check *c, ck_type type, int64_t cols, int64_t gap, int place, int logarithmic) {
    batch b = {
        .rows = ck_inspect().last_cache / (2 * cols * type_size(type)) + 7,
        .cols = cols,
        .stride = cols + gap,
        .type = type,
        .place = place,
        .logarithmic = logarithmic,
    };
    guarded from = guarded_make(matrix_needs(type, b.rows, cols)),
            to = guarded_make(matrix_needs(type, b.rows, b.stride));
    check_begin(c);
    draw(c, &b);
    compare_forward(c, &b, &from, &to);
    compare_with_states(c, &b, &from, &to);
    compare_backward(c, &b, &from, &to);
    guarded_free(&from);
    guarded_free(&to);
    float *all[] = {b.x, b.y, b.dy, b.dx};
    for (int i = 0; i < 4; i++) free(all[i]);
}

/// Gradients bypass the caches only where rows begin at cache lines: gaps and widths of whole lines.
void check_softmax_streaming(check *c) {
    compare(c, CK_F32, 64, 0, 0, 0);
    compare(c, CK_F32, 1000, 8, 0, 0);
    compare(c, CK_F32, 4099, 0, 0, 0);
    compare(c, CK_BF16, 4099, 0, 5, 0);
    compare(c, CK_BF16, 4099, 29, 0, 0);
    if (c->quick) return;
    compare(c, CK_F32, 4096, 0, 0, 1);
    compare(c, CK_F16, 1024, 0, 0, 1);
    compare(c, CK_F32, 50257, 0, 7, 0);
    compare(c, CK_F32, 50257, 15, 0, 1);
    compare(c, CK_BF16, 50257, 0, 1, 1);
    compare(c, CK_F32, 70001, 0, 3, 0);
}
