// norm.c: the family norm: ck_layer_norm and ck_rms_norm on one instruction set against portable, over kinds, shapes,
// layouts, options and thread counts; and rows against themselves at other places of a batch.

#include "families.h"
#include "norm_trial.h"

enum { MAX_ROWS = 70, MAX_COLS = 4097 };

/// A few rows; for half of the narrow batches several times as many as a kernel takes together.
static int64_t draw_rows(check *c, int64_t cols) {
    if (cols <= 600 && random_below(&c->random, 2)) return 10 + random_below(&c->random, 40);
    return 1 + random_below(&c->random, 9);
}

/// Every width with every kind, several times.
static void compare_widths(check *c, norm_problem *p, const norm_memory *m) {
    for (int w = 0; w < check_width_count; w++)
        for (int i = 0; i < (c->quick ? 1 : 3) * NORM_KINDS; i++) {
            if (c->quick && check_widths[w] > 80 && (i + w) % 3 != 0) continue;
            check_begin(c);
            norm_draw(c, p, norm_kinds[i % NORM_KINDS], draw_rows(c, check_widths[w]), check_widths[w], WILD);
            norm_solve(c, p, NORM_FORWARD, ~(norm_set)0, norm_portable);
            for (int repeat = 0; repeat < 2; repeat++) {
                norm_layout l = norm_layout_draw(c, p, NORM_FORWARD);
                norm_try(c, p, NORM_FORWARD, m, &l);
            }
        }
}

/// Batches whose rows were solved one by one: neither a row's place nor the threads may show.
static void compare_places(check *c, norm_problem *p, const norm_memory *m) {
    static const int64_t rows[] = {2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, MAX_ROWS};
    static const int64_t cols[] = {1, 5, 16, 33, 64, 100, 257, 1024, MAX_COLS};
    static const int32_t threads[] = {0, 1, 2, 3, 8};
    for (int i = 0; i < 14; i++)
        for (int j = 0; j < 9; j++) {
            if (c->quick && rows[i] * cols[j] > 20000 && rows[i] < MAX_ROWS) continue;
            check_begin(c);
            norm_draw(c, p, norm_kinds[(5 * i + j) % NORM_KINDS], rows[i], cols[j], WILD);
            for (int64_t row = 0; row < p->rows; row++) {
                norm_problem one = norm_part(p, row, 1);
                norm_solve(c, &one, NORM_FORWARD, ~(norm_set)0, norm_portable);
            }
            for (int t = 0; t < 5; t++) {
                norm_layout l = norm_layout_draw(c, p, NORM_FORWARD);
                l.run.threads = threads[t];
                norm_try(c, p, NORM_FORWARD, m, &l);
            }
        }
}

void check_norm(check *c) {
    norm_problem p = norm_problem_make(MAX_ROWS, MAX_COLS, MAX_ROWS * MAX_COLS, 1);
    norm_memory m = norm_memory_make(MAX_ROWS, MAX_COLS, MAX_ROWS * MAX_COLS, ~(norm_set)0);
    compare_widths(c, &p, &m);
    compare_places(c, &p, &m);
    norm_memory_free(&m);
    norm_problem_free(&p);
}
