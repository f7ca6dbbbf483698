// row_moments.c: the family row_moments: ck_row_moments and ck_normalize_rows on one instruction set against the
// contract's words, merged moments, and what the entry points refuse.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "arguments.h"
#include "channel_problem.h"
#include "contract_moments.h"
#include "families.h"
#include "patterns.h"
#include "storage_types.h"

enum { MAX_ROWS = 40, MAX_COLS = 20000, MAX_ELEMENTS = 60000 };

static ck_status enter_row_moments(const void *args, ck_run run) { return ck_row_moments(args, run); }
static ck_status enter_normalize_rows(const void *args, ck_run run) { return ck_normalize_rows(args, run); }

typedef struct rows_memory {
    guarded x, y, weight, bias;
    void *packed_x, *packed_y;
    float *weights, *biases;
    ck_moments moments[MAX_ROWS], found[MAX_ROWS];
} rows_memory;

static void draw(check *c, rows_memory *m, ck_type type, int64_t rows, int64_t cols) {
    static float row[MAX_COLS];
    for (int64_t k = 0; k < rows; k++) {
        pattern_fill((pattern)random_below(&c->random, PATTERNS), row, cols, &c->random);
        for (int64_t i = 0; i < cols; i++) {
            if (type == CK_F32)
                ((float *)m->packed_x)[k * cols + i] = row[i];
            else
                ((uint16_t *)m->packed_x)[k * cols + i] = (uint16_t)type_round(type, row[i]);
        }
    }
    pattern_fill(PATTERN_NORMAL, m->weights, cols, &c->random);
    pattern_fill(PATTERN_NORMAL, m->biases, cols, &c->random);
}

static void compare(check *c, rows_memory *m, ck_type type, int64_t rows, int64_t cols) {
    static const int64_t gaps[] = {0, 0, 1, 16, 37}, threads[] = {1, 1, 2, 3, 8};
    static const float epsilons[] = {1e-5f, 0, 1, 1e30f};
    check_begin(c);
    check_describe(c, "%s, rows %" PRId64 ", cols %" PRId64, type_name(type), rows, cols);
    draw(c, m, type, rows, cols);
    ck_row_moments_args find = {rows, cols, type, m->packed_x, cols, m->moments};
    ck_normalize_rows_args normal = {
        .rows = rows,
        .cols = cols,
        .type = type,
        .x = m->packed_x,
        .x_stride = cols,
        .moments = m->moments,
        .weight = random_below(&c->random, 2) ? m->weights : NULL,
        .bias = random_below(&c->random, 2) ? m->biases : NULL,
        .epsilon = epsilons[random_below(&c->random, 4)],
        .y = m->packed_y,
        .y_stride = cols,
    };
    contract_row_moments(&find);
    contract_normalize_rows(&normal);

    ck_run run = {c->isa, (int32_t)random_choice(&c->random, threads, 5)};
    int in_place = random_below(&c->random, 3) == 0;
    matrix x = matrix_place(&m->x, type, rows, cols, cols + random_choice(&c->random, gaps, 5),
                            (int)random_below(&c->random, PLACES));
    matrix y = in_place ? x
                        : matrix_place(&m->y, type, rows, cols, cols + random_choice(&c->random, gaps, 5),
                                       (int)random_below(&c->random, PLACES));
    matrix weight = {0}, bias = {0};
    if (normal.weight) weight = matrix_place(&m->weight, CK_F32, 1, cols, cols, (int)random_below(&c->random, PLACES));
    if (normal.bias) bias = matrix_place(&m->bias, CK_F32, 1, cols, cols, (int)random_below(&c->random, PLACES));
    matrix_fill(x, m->packed_x);
    matrix_fill(weight, m->weights);
    matrix_fill(bias, m->biases);
    find.x = normal.x = x.base;
    find.x_stride = normal.x_stride = x.stride;
    find.moments = m->found;
    normal.weight = weight.base;
    normal.bias = bias.base;
    normal.y = y.base;
    normal.y_stride = y.stride;
    if (!check_call(c, enter_row_moments, &find, run, CK_OK)) return;
    check_moments(c, m->found, m->moments, rows);
    if (!check_call(c, enter_normalize_rows, &normal, run, CK_OK)) return;
    matrix_expect(c, "y", y, m->packed_y);
    if (!in_place) matrix_expect(c, "x", x, m->packed_x);
    matrix_expect(c, "weight", weight, m->weights);
    matrix_expect(c, "bias", bias, m->biases);
}

static void check_merging(check *c) {
    ck_moments parts[5], result;
    check_begin(c);
    check_describe(c, "ck_moments_merge");
    for (int repeat = 0; repeat < 200; repeat++) {
        int64_t count = random_below(&c->random, 6);
        ck_moments total = {0};
        for (int64_t i = 0; i < count; i++) {
            double spread = (double)random_uniform(&c->random);
            parts[i] =
                (ck_moments){random_below(&c->random, 4), (double)random_normal(&c->random) * 1e6, spread * spread};
            total = contract_merged(total, parts[i]);
        }
        check_that(c, ck_moments_merge(parts, count, &result) == CK_OK, "parts were refused");
        check_moments(c, &result, &total, 1);
    }
}

static ck_row_moments_args right_find(const board *b) {
    return (ck_row_moments_args){3, 5, CK_F32, b->floats, 7, (ck_moments *)(b->floats + PLACE)};
}

static const ck_moments three[] = {{3, 0, 1}, {1, 1, 0}, {2, -1, 2}}, empty[] = {{3, 0, 1}, {0, 1, 0}, {2, -1, 2}};

static ck_normalize_rows_args right_normal(const board *b) {
    float *f = b->floats;
    return (ck_normalize_rows_args){3, 5, CK_F32, f, 7, three, f + PLACE, f + 2 * PLACE, 1e-5f, f + 3 * PLACE, 7};
}

#define FIND_REFUSES(status, ...)                                                                             \
    CHANGED_CALL(ck_row_moments_args, right_find(b), board_refuses(c, b, enter_row_moments, &a, run, status), \
                 __VA_ARGS__)
#define NORMAL_REFUSES(status, ...)                                                                                   \
    CHANGED_CALL(ck_normalize_rows_args, right_normal(b), board_refuses(c, b, enter_normalize_rows, &a, run, status), \
                 __VA_ARGS__)
#define NORMAL_ACCEPTS(...)                                                                                   \
    CHANGED_CALL(ck_normalize_rows_args, right_normal(b), board_accepts(c, b, enter_normalize_rows, &a, run), \
                 __VA_ARGS__)

static void check_refusals(check *c, board *b) {
    FIND_REFUSES(CK_BAD_SHAPE, a.rows = -1);
    FIND_REFUSES(CK_BAD_SHAPE, a.cols = 0);
    FIND_REFUSES(CK_BAD_STRIDE, a.x_stride = 4);
    FIND_REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX);
    FIND_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)9);
    FIND_REFUSES(CK_NULL_POINTER, a.x = NULL);
    FIND_REFUSES(CK_NULL_POINTER, a.moments = NULL);
    FIND_REFUSES(CK_MISALIGNED_POINTER, a.moments = MISALIGNED(a.moments));
    FIND_REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    FIND_REFUSES(CK_OVERLAP, a.moments = (ck_moments *)b->floats);
    FIND_REFUSES(CK_BAD_THREADS, run.threads = -1);
    FIND_REFUSES(CK_OK, a.rows = 0; a.x = NULL; a.moments = NULL);
    NORMAL_REFUSES(CK_BAD_SHAPE, a.rows = -1);
    NORMAL_REFUSES(CK_BAD_SHAPE, a.cols = 0);
    NORMAL_REFUSES(CK_BAD_STRIDE, a.x_stride = 4);
    NORMAL_REFUSES(CK_BAD_STRIDE, a.y_stride = 4);
    NORMAL_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)9);
    NORMAL_REFUSES(CK_BAD_EPSILON, a.epsilon = NAN);
    NORMAL_REFUSES(CK_BAD_MOMENTS, a.moments = empty);
    NORMAL_REFUSES(CK_NULL_POINTER, a.x = NULL);
    NORMAL_REFUSES(CK_NULL_POINTER, a.y = NULL);
    NORMAL_REFUSES(CK_NULL_POINTER, a.moments = NULL);
    NORMAL_REFUSES(CK_MISALIGNED_POINTER, a.weight = MISALIGNED(a.weight));
    NORMAL_REFUSES(CK_OVERLAP, a.y = b->floats + 1);
    NORMAL_REFUSES(CK_OVERLAP, a.y = (float *)a.weight);
    NORMAL_REFUSES(CK_BAD_THREADS, run.threads = -1);
    NORMAL_ACCEPTS(a.y = b->floats);
    NORMAL_ACCEPTS(a.weight = NULL; a.bias = NULL);
}

void check_row_moments(check *c) {
    static const int64_t widths[] = {1,   2,   7,   15,  16,   17,   31,   33,   63,   64,    65,
                                     100, 127, 129, 300, 1023, 1024, 1025, 2049, 4097, 16385, MAX_COLS};
    rows_memory m = {
        .x = guarded_make(matrix_needs(CK_F32, 1, MAX_ELEMENTS + 40 * MAX_ROWS)),
        .y = guarded_make(matrix_needs(CK_F32, 1, MAX_ELEMENTS + 40 * MAX_ROWS)),
        .weight = guarded_make(matrix_needs(CK_F32, 1, MAX_COLS)),
        .bias = guarded_make(matrix_needs(CK_F32, 1, MAX_COLS)),
        .packed_x = aligned_alloc(64, MAX_ELEMENTS * sizeof(float)),
        .packed_y = aligned_alloc(64, MAX_ELEMENTS * sizeof(float)),
        .weights = aligned_alloc(64, MAX_COLS * sizeof(float)),
        .biases = aligned_alloc(64, MAX_COLS * sizeof(float)),
    };
    for (int w = 0; w < 22; w++)
        for (int repeat = 0; repeat < (c->quick ? 3 : 30); repeat++) {
            int64_t rows = 1 + random_below(&c->random, MAX_ROWS), most = MAX_ELEMENTS / widths[w];
            compare(c, &m, (ck_type)(repeat % 3), rows < most ? rows : most, widths[w]);
        }
    check_merging(c);
    board b = board_make();
    check_refusals(c, &b);
    board_free(&b);
    guarded *all[] = {&m.x, &m.y, &m.weight, &m.bias};
    for (int i = 0; i < 4; i++) guarded_free(all[i]);
    void *packed[] = {m.packed_x, m.packed_y, m.weights, m.biases};
    for (int i = 0; i < 4; i++) free(packed[i]);
}
