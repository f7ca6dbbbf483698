// softmax.c: the family softmax: ck_softmax and ck_softmax_backward against the contract's words, by bits, over types,
// shapes, layouts, options and thread counts; and what the header promises of special rows.

#include <inttypes.h>
#include <stdlib.h>

#include "contract_softmax.h"
#include "families.h"
#include "guarded.h"
#include "patterns.h"
#include "softmax_entry.h"
#include "storage_types.h"

enum { MAX_ROWS = 40, MAX_COLS = 70000, MAX_ELEMENTS = 140000, MAX_GAP = 37 };

/// One softmax in packed rows: floats that are exact in `type`, results as floats, and their bits in `type`.
typedef struct softmax_problem {
    int64_t rows, cols;
    ck_type type;
    int logarithmic;
    float *x, *y, *dy, *dx, *log_sum_exp;
    void *stored_x, *stored_y, *stored_dy, *stored_dx;
} softmax_problem;

typedef struct softmax_memory {
    guarded x, y, dx, log_sum_exp;
} softmax_memory;

static void *store(ck_type type, void *to, float *numbers, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = type_round(type, numbers[i]);
        if (type == CK_F32)
            ((uint32_t *)to)[i] = bits;
        else
            ((uint16_t *)to)[i] = (uint16_t)bits;
        numbers[i] = type_widen(type, bits);
    }
    return to;
}

/// Scores of a row: tame or wide ones, any pattern, some of them -infinity.
static void draw_row(float *x, int64_t n, random_source *r) {
    static const float scales[] = {1, 8, 40, 1e4f, 3e5f};
    float scale = scales[random_below(r, 5)];
    if (random_below(r, 4) == 0)
        pattern_fill((pattern)random_below(r, PATTERNS), x, n, r);
    else
        for (int64_t i = 0; i < n; i++) x[i] = scale * random_normal(r);
    int masked = (int)random_below(r, 12);
    for (int64_t i = 0; i < n && masked < 2; i++)
        if (masked == 0 || random_below(r, 2)) x[i] = -INFINITY;
}

static void draw(check *c, softmax_problem *p, int64_t rows, int64_t cols) {
    p->rows = rows;
    p->cols = cols;
    p->type = (ck_type)random_below(&c->random, 3);
    p->logarithmic = (int)random_below(&c->random, 3) == 0;
    float offset = random_below(&c->random, 3) == 0 ? 1e6f : 0;
    for (int64_t row = 0; row < rows; row++) draw_row(p->x + row * cols, cols, &c->random);
    for (int64_t i = 0; i < rows * cols; i++) p->dy[i] = random_normal(&c->random) + offset;
    store(p->type, p->stored_x, p->x, rows * cols);
    store(p->type, p->stored_dy, p->dy, rows * cols);
    for (int64_t row = 0; row < rows; row++) {
        float *x = p->x + row * cols, *y = p->y + row * cols, *dy = p->dy + row * cols, *dx = p->dx + row * cols;
        p->log_sum_exp[row] = contract_softmax(x, y, cols, p->logarithmic);
        store(p->type, (char *)p->stored_y + row * cols * type_size(p->type), y, cols);
        if (p->logarithmic)
            contract_log_softmax_backward(dy, y, dx, cols);
        else
            contract_softmax_backward(dy, y, dx, cols);
    }
    store(p->type, p->stored_dx, p->dx, rows * cols);
}

static matrix place(check *c, const guarded *home, ck_type type, int64_t rows, int64_t cols) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, MAX_GAP};
    return matrix_place(home, type, rows, cols, cols + random_choice(&c->random, gaps, 6),
                        (int)random_below(&c->random, PLACES));
}

static void compare_forward(check *c, const softmax_problem *p, const softmax_memory *m, ck_run run) {
    int wants = (int)random_below(&c->random, 4);  // 0: log_sum_exp alone; 1: y alone; else both
    int in_place = wants != 0 && random_below(&c->random, 3) == 0;
    matrix x = place(c, &m->x, p->type, p->rows, p->cols), y = {0}, log_sum_exp = {0};
    if (wants != 0) y = in_place ? x : place(c, &m->y, p->type, p->rows, p->cols);
    if (wants != 1) log_sum_exp = place(c, &m->log_sum_exp, CK_F32, 1, p->rows);
    matrix_fill(x, p->stored_x);
    check_describe(c, "%s, rows %" PRId64 ", cols %" PRId64 ", logarithmic %d, in place %d, log_sum_exp %d, threads %d",
                   type_name(p->type), p->rows, p->cols, p->logarithmic, in_place, wants != 1, run.threads);
    ck_softmax_args args = softmax_forward_args(x, y, p->logarithmic);
    args.log_sum_exp = log_sum_exp.base;
    if (!check_call(c, enter_softmax, &args, run, CK_OK)) return;
    matrix_expect(c, "y", y, p->stored_y);
    matrix_expect(c, "log_sum_exp", log_sum_exp, p->log_sum_exp);
    if (!in_place) matrix_expect(c, "x", x, p->stored_x);
}

static void compare_backward(check *c, const softmax_problem *p, const softmax_memory *m, ck_run run) {
    int in_place = (int)random_below(&c->random, 4);  // 0: dx is dy; 1: dx is y
    matrix dy = place(c, &m->x, p->type, p->rows, p->cols), y = place(c, &m->y, p->type, p->rows, p->cols);
    matrix dx = in_place == 0 ? dy : in_place == 1 ? y : place(c, &m->dx, p->type, p->rows, p->cols);
    matrix_fill(dy, p->stored_dy);
    matrix_fill(y, p->stored_y);
    check_describe(c, "backward, %s, rows %" PRId64 ", cols %" PRId64 ", logarithmic %d, in place %d, threads %d",
                   type_name(p->type), p->rows, p->cols, p->logarithmic, in_place, run.threads);
    ck_softmax_backward_args args = softmax_backward_args(dy, y, dx, p->logarithmic);
    if (!check_call(c, enter_softmax_backward, &args, run, CK_OK)) return;
    matrix_expect(c, "dx", dx, p->stored_dx);
    if (in_place != 0) matrix_expect(c, "dy", dy, p->stored_dy);
    if (in_place != 1) matrix_expect(c, "y", y, p->stored_y);
}

static void compare(check *c, softmax_problem *p, const softmax_memory *m, int64_t rows, int64_t cols) {
    static const int64_t threads[] = {1, 1, 2, 3, 8};
    check_begin(c);
    check_describe(c, "rows %" PRId64 ", cols %" PRId64, rows, cols);
    draw(c, p, rows, cols);
    compare_forward(c, p, m, (ck_run){c->isa, (int32_t)random_choice(&c->random, threads, 5)});
    compare_backward(c, p, m, (ck_run){c->isa, (int32_t)random_choice(&c->random, threads, 5)});
}

static float *floats(int64_t count) { return malloc((size_t)count * sizeof(float)); }

void check_softmax(check *c) {
    static const int64_t wide[] = {511,  512,   513,   1000,  1023,  1024,  1025,  1100,  2047,  2048,
                                   4097, 16383, 16384, 16385, 33000, 50257, 65535, 65536, 65537, MAX_COLS};
    softmax_problem p = {
        .x = floats(MAX_ELEMENTS),
        .y = floats(MAX_ELEMENTS),
        .dy = floats(MAX_ELEMENTS),
        .dx = floats(MAX_ELEMENTS),
        .log_sum_exp = floats(MAX_ROWS),
        .stored_x = floats(MAX_ELEMENTS),
        .stored_y = floats(MAX_ELEMENTS),
        .stored_dy = floats(MAX_ELEMENTS),
        .stored_dx = floats(MAX_ELEMENTS),
    };
    int64_t bytes = matrix_needs(CK_F32, 1, MAX_ELEMENTS + MAX_ROWS * MAX_GAP);
    softmax_memory m = {guarded_make(bytes), guarded_make(bytes), guarded_make(bytes),
                        guarded_make(matrix_needs(CK_F32, 1, MAX_ROWS))};
    for (int64_t cols = 1; cols <= 300; cols++)
        for (int repeat = 0; repeat < (c->quick ? 1 : 6); repeat++)
            compare(c, &p, &m, 1 + random_below(&c->random, MAX_ROWS), cols);
    for (int w = 0; w < 20; w++)
        for (int repeat = 0; repeat < (c->quick ? 2 : 12); repeat++)
            compare(c, &p, &m, 1 + random_below(&c->random, MAX_ELEMENTS / wide[w] < 9 ? MAX_ELEMENTS / wide[w] : 9),
                    wide[w]);
    void *all[] = {p.x, p.y, p.dy, p.dx, p.log_sum_exp, p.stored_x, p.stored_y, p.stored_dy, p.stored_dx};
    for (int i = 0; i < 9; i++) free(all[i]);
    guarded_free(&m.x);
    guarded_free(&m.y);
    guarded_free(&m.dx);
    guarded_free(&m.log_sum_exp);
}
