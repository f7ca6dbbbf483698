// softmax_streaming.c: the family softmax_streaming: batches so large that outputs bypass the caches, with rows that
// begin at cache lines and within them, against the contract's words: forward, backward, and by given states.

#include <inttypes.h>
#include <stdlib.h>

#include "contract_softmax_state.h"
#include "families.h"
#include "repeated_rows.h"
#include "softmax_entry.h"

/// Memory of a batch: rows of x (or dy and y) lie packed, those of the output `stride` elements apart.
typedef struct batch {
    int64_t rows, cols, stride;
    ck_type type;
    int place, logarithmic;
    void *x, *y, *dy, *dx;  // DIFFERENT packed rows each
    ck_softmax_state states[DIFFERENT];
} batch;

static void draw(check *c, batch *b) {
    float *x = malloc(4 * (size_t)b->cols * sizeof *x), *y = x + b->cols, *dy = y + b->cols, *dx = dy + b->cols;
    if (!x) exit(2);
    b->x = repeated_make(b->type, b->cols);
    b->y = repeated_make(b->type, b->cols);
    b->dy = repeated_make(b->type, b->cols);
    b->dx = repeated_make(b->type, b->cols);
    for (int64_t row = 0; row < DIFFERENT; row++) {
        int64_t at = row * b->cols * type_size(b->type);
        for (int64_t i = 0; i < b->cols; i++) {
            x[i] = (1 + 30 * (row % 3)) * random_normal(&c->random);
            dy[i] = 5 + random_normal(&c->random);
        }
        type_store(b->type, (char *)b->x + at, x, b->cols);
        type_store(b->type, (char *)b->dy + at, dy, b->cols);
        b->states[row] = contract_state(x, y, b->cols);
        contract_softmax(x, y, b->cols, b->logarithmic);
        type_store(b->type, (char *)b->y + at, y, b->cols);
        if (b->logarithmic)
            contract_log_softmax_backward(dy, y, dx, b->cols);
        else
            contract_softmax_backward(dy, y, dx, b->cols);
        type_store(b->type, (char *)b->dx + at, dx, b->cols);
    }
    free(x);
}

static void describe(check *c, const batch *b, const char *what, int32_t threads) {
    check_describe(
        c, "%s, %s, rows %" PRId64 ", cols %" PRId64 ", stride %" PRId64 ", place %d, logarithmic %d, threads %d", what,
        type_name(b->type), b->rows, b->cols, b->stride, b->place, b->logarithmic, threads);
}

static void compare_forward(check *c, const batch *b, const guarded *from, const guarded *to) {
    matrix x = repeated_place(from, b->type, b->x, b->rows, b->cols, b->cols, 3);
    for (int32_t threads = 1; threads <= 3; threads++) {
        matrix y = matrix_place(to, b->type, b->rows, b->cols, b->stride, b->place);
        describe(c, b, "forward", threads);
        ck_softmax_args args = softmax_forward_args(x, y, b->logarithmic);
        if (check_call(c, enter_softmax, &args, (ck_run){c->isa, threads}, CK_OK)) repeated_expect(c, "y", y, b->y);
    }
}

/// By the states of whole rows: the same bits.
static void compare_with_states(check *c, const batch *b, const guarded *from, const guarded *to) {
    matrix x = repeated_place(from, b->type, b->x, b->rows, b->cols, b->cols, 3);
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
    if (check_call(c, enter_softmax_with_states, &args, (ck_run){c->isa, 2}, CK_OK)) repeated_expect(c, "y", y, b->y);
    free(states);
}

static void compare_backward(check *c, const batch *b, const guarded *from, const guarded *to) {
    guarded home_y = guarded_make(from->bytes);
    matrix dy = repeated_place(from, b->type, b->dy, b->rows, b->cols, b->cols, 3);
    matrix y = repeated_place(&home_y, b->type, b->y, b->rows, b->cols, b->cols, 5);
    for (int32_t threads = 1; threads <= 3; threads++) {
        matrix dx = matrix_place(to, b->type, b->rows, b->cols, b->stride, b->place);
        describe(c, b, "backward", threads);
        ck_softmax_backward_args args = softmax_backward_args(dy, y, dx, b->logarithmic);
        if (check_call(c, enter_softmax_backward, &args, (ck_run){c->isa, threads}, CK_OK))
            repeated_expect(c, "dx", dx, b->dx);
    }
    guarded_free(&home_y);
}

static void compare(check *c, ck_type type, int64_t cols, int64_t gap, int place, int logarithmic) {
    batch b = {
        .rows = repeated_rows(type, cols),
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
    void *all[] = {b.x, b.y, b.dy, b.dx};
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
