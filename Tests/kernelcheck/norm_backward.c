// norm_backward.c: the family norm_backward: ck_layer_norm_backward and ck_rms_norm_backward on one instruction set
// against portable, over kinds, shapes, layouts, options and thread counts.

#include "families.h"
#include "norm_trial.h"

enum { MAX_ROWS = 4100, MAX_COLS = 4097, MAX_ELEMENTS = 500000 };

static void draw(check *c, norm_problem *p, norm_kind kind, int64_t rows, int64_t cols) {
    check_begin(c);
    norm_draw(c, p, kind, rows, cols, random_below(&c->random, 2) ? WILD : TAME);
    norm_solve_both(c, p);
}

/// Every width with every kind, several times.
static void compare_widths(check *c, norm_problem *p, const norm_memory *m) {
    for (int w = 0; w < check_width_count; w++)
        for (int i = 0; i < (c->quick ? 1 : 3) * NORM_KINDS; i++) {
            if (c->quick && check_widths[w] > 80 && (i + w) % 3 != 0) continue;
            draw(c, p, norm_kinds[i % NORM_KINDS], 1 + (int64_t)(c->cases % 9), check_widths[w]);
            for (int repeat = 0; repeat < 2; repeat++) {
                norm_layout l = norm_layout_draw(c, p, NORM_BACKWARD);
                norm_try(c, p, NORM_BACKWARD, m, &l);
            }
        }
}

/// Every number of rows up to 70, and more, so that there are many blocks of rows, also of more than 16.
static void compare_heights(check *c, norm_problem *p, const norm_memory *m) {
    static const int64_t cols[] = {1, 7, 16, 33, 65, 116};
    static const int64_t more_rows[] = {255, 256, 257, 700, 1023, 1024, 1025, 1100, 2049, MAX_ROWS};
    static const int32_t threads[] = {0, 1, 2, 3, 8};
    for (int64_t k = 1; k <= 80; k++)
        for (int i = 0; i < 6; i++) {
            int64_t rows = k <= 70 ? k : more_rows[k - 71];
            if (c->quick && rows * cols[i] > 20000) continue;
            draw(c, p, norm_kinds[(5 * k + i) % NORM_KINDS], rows, cols[i]);
            for (int t = 0; t < 5; t++) {
                norm_layout l = norm_layout_draw(c, p, NORM_BACKWARD);
                l.run.threads = threads[t];
                norm_try(c, p, NORM_BACKWARD, m, &l);
            }
        }
}

void check_norm_backward(check *c) {
    norm_problem p = norm_problem_make(MAX_ROWS, MAX_COLS, MAX_ELEMENTS, 1);
    norm_memory m = norm_memory_make(MAX_ROWS, MAX_COLS, MAX_ELEMENTS, ~(norm_set)0);
    compare_widths(c, &p, &m);
    compare_heights(c, &p, &m);
    norm_memory_free(&m);
    norm_problem_free(&p);
}
