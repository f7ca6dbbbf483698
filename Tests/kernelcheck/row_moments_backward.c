// row_moments_backward.c: the family row_moments_backward: ck_row_gradient_moments, ck_gradient_moments_merge and
// ck_normalize_rows_backward on one instruction set against the contract's words, and what they refuse.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "contract_moments.h"
#include "families.h"
#include "patterns.h"

enum { MAX_ROWS = 300, MAX_COLS = 20000, MAX_ELEMENTS = 60000, MAX_GAP = 37 };

static ck_status enter_moments(const void *args, ck_run run) { return ck_row_gradient_moments(args, run); }
static ck_status enter_backward(const void *args, ck_run run) { return ck_normalize_rows_backward(args, run); }

enum { DY, X, DX, TENSORS, WEIGHT = TENSORS, DWEIGHT, DBIAS, WORKSPACE, ARRAYS };
static const char *const names[ARRAYS] = {"dy", "x", "dx", "weight", "dweight", "dbias", "workspace"};

/// Guarded memory, and packed arrays with what is read and the answers.
typedef struct rows_memory {
    guarded home[ARRAYS];
    void *packed[WORKSPACE];
    float *before;
    ck_moments moments[MAX_ROWS];
    ck_gradient_moments expected[MAX_ROWS], found[MAX_ROWS];
} rows_memory;

static void draw_rows(check *c, void *to, ck_type type, int64_t rows, int64_t cols, int64_t patterns) {
    float *row = malloc((size_t)cols * sizeof *row);
    for (int64_t k = 0; k < rows; k++) {
        pattern_fill((pattern)random_below(&c->random, patterns), row, cols, &c->random);
        for (int64_t i = 0; i < cols; i++) type_set_bits(type, to, k * cols + i, type_round(type, row[i]));
    }
    free(row);
}

static int is_same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

static void check_gradient_moments(check *c, const ck_gradient_moments *found, const ck_gradient_moments *expected,
                                   int64_t count) {
    check_count(c);
    for (int64_t i = 0; i < count; i++) {
        ck_gradient_moments a = found[i], b = expected[i];
        if (a.count == b.count && is_same(a.gradient, b.gradient) && is_same(a.normalized, b.normalized) &&
            is_same(a.comoment, b.comoment))
            continue;
        check_fail(c,
                   "gradient moments[%" PRId64 "] are %" PRId64 ", %.17g, %.17g, %.17g, not %" PRId64
                   ", %.17g, %.17g, %.17g",
                   i, a.count, a.gradient, a.normalized, a.comoment, b.count, b.gradient, b.normalized, b.comoment);
        return;
    }
}

/// The whole problem in packed arrays, solved from the contract's words.
static ck_normalize_rows_backward_args draw(check *c, rows_memory *m, ck_type type, int64_t rows, int64_t cols) {
    static const float epsilons[] = {1e-5f, 0, 1, 1e30f};
    random_source *r = &c->random;
    int64_t patterns = random_below(r, 2) ? PATTERNS : TAME_PATTERNS;
    draw_rows(c, m->packed[X], type, rows, cols, patterns);
    draw_rows(c, m->packed[DY], type, rows, cols, patterns);
    draw_rows(c, m->packed[WEIGHT], CK_F32, 1, cols, TAME_PATTERNS);
    draw_rows(c, m->before, CK_F32, 1, cols, TAME_PATTERNS);
    memcpy(m->packed[DWEIGHT], m->before, (size_t)cols * sizeof(float));
    memcpy(m->packed[DBIAS], m->before, (size_t)cols * sizeof(float));
    ck_normalize_rows_backward_args a = {
        .rows = rows,
        .cols = cols,
        .type = type,
        .dy = m->packed[DY],
        .dy_stride = cols,
        .x = m->packed[X],
        .x_stride = cols,
        .moments = m->moments,
        .gradient_moments = m->expected,
        .weight = random_below(r, 2) ? m->packed[WEIGHT] : NULL,
        .epsilon = epsilons[random_below(r, 4)],
        .dx = random_below(r, 4) ? m->packed[DX] : NULL,
        .dx_stride = cols,
        .dweight = random_below(r, 3) ? m->packed[DWEIGHT] : NULL,
        .dbias = random_below(r, 3) ? m->packed[DBIAS] : NULL,
        .accumulate = (int32_t)random_below(r, 2),
    };
    contract_row_moments(&(ck_row_moments_args){rows, cols, type, a.x, cols, m->moments});
    contract_row_gradient_moments(&(ck_row_gradient_moments_args){rows, cols, type, a.dy, cols, a.x, cols, a.moments,
                                                                  a.weight, a.epsilon, m->expected});
    contract_normalize_rows_backward(&a);
    return a;
}

static matrix place(check *c, rows_memory *m, int array, ck_type type, int64_t rows, int64_t cols,
                    const void *content) {
    static const int64_t gaps[] = {0, 0, 1, 16, MAX_GAP}, lines[] = {0, FLUSH_START, FLUSH_END};
    int64_t gap = array < TENSORS ? random_choice(&c->random, gaps, 5) : 0;
    int64_t at = array == WORKSPACE ? random_choice(&c->random, lines, 3) : random_below(&c->random, PLACES);
    matrix placed = matrix_place(&m->home[array], type, rows, cols, cols + gap, (int)at);
    if (content) matrix_fill(placed, content);
    return placed;
}

static void compare(check *c, rows_memory *m, ck_type type, int64_t rows, int64_t cols) {
    static const int64_t threads[] = {1, 1, 2, 3, 8};
    check_begin(c);
    check_describe(c, "%s, rows %" PRId64 ", cols %" PRId64, type_name(type), rows, cols);
    ck_normalize_rows_backward_args a = draw(c, m, type, rows, cols);
    ck_run run = {c->isa, (int32_t)random_choice(&c->random, threads, 5)};
    matrix at[ARRAYS] = {0};
    at[DY] = place(c, m, DY, type, rows, cols, m->packed[DY]);
    at[X] = place(c, m, X, type, rows, cols, m->packed[X]);
    if (a.weight) at[WEIGHT] = place(c, m, WEIGHT, CK_F32, 1, cols, m->packed[WEIGHT]);
    ck_row_gradient_moments_args find = {rows,       cols,         type,       at[DY].base,     at[DY].stride,
                                         at[X].base, at[X].stride, m->moments, at[WEIGHT].base, a.epsilon,
                                         m->found};
    if (!check_call(c, enter_moments, &find, run, CK_OK)) return;
    check_gradient_moments(c, m->found, m->expected, rows);

    int in_place = a.dx && random_below(&c->random, 3) == 0;
    if (a.dx) at[DX] = in_place ? at[DY] : place(c, m, DX, type, rows, cols, NULL);
    if (a.dweight) at[DWEIGHT] = place(c, m, DWEIGHT, CK_F32, 1, cols, m->before);
    if (a.dbias) at[DBIAS] = place(c, m, DBIAS, CK_F32, 1, cols, m->before);
    a.workspace_size = ck_normalize_rows_backward_workspace(rows, cols);
    at[WORKSPACE] = place(c, m, WORKSPACE, CK_F32, 1, (int64_t)(a.workspace_size / sizeof(float)), NULL);
    a.dy = at[DY].base;
    a.dy_stride = at[DY].stride;
    a.x = at[X].base;
    a.x_stride = at[X].stride;
    a.dx = at[DX].base;
    a.dx_stride = at[DX].base ? at[DX].stride : cols;
    a.weight = at[WEIGHT].base;
    a.dweight = at[DWEIGHT].base;
    a.dbias = at[DBIAS].base;
    a.workspace = at[WORKSPACE].base;
    if (!check_call(c, enter_backward, &a, run, CK_OK)) return;
    for (int k = 0; k < WORKSPACE; k++)
        if (!(in_place && k == DY)) matrix_expect(c, names[k], at[k], m->packed[k]);
    matrix_expect_around(c, names[WORKSPACE], at[WORKSPACE]);
}

static void check_merging(check *c) {
    ck_gradient_moments parts[5], total = {0}, result;
    check_begin(c);
    check_describe(c, "ck_gradient_moments_merge");
    for (int repeat = 0; repeat < 200; repeat++) {
        int64_t count = random_below(&c->random, 6);
        total = (ck_gradient_moments){0};
        for (int64_t i = 0; i < count; i++) {
            parts[i] = (ck_gradient_moments){random_below(&c->random, 4), (double)random_normal(&c->random) * 1e6,
                                             (double)random_normal(&c->random), (double)random_normal(&c->random)};
            total = contract_gradient_merged(total, parts[i]);
        }
        check_that(c, ck_gradient_moments_merge(parts, count, &result) == CK_OK, "parts were refused");
        check_gradient_moments(c, &result, &total, 1);
    }
    static const ck_gradient_moments negative[] = {{1, 0, 0, 0}, {-1, 0, 0, 0}},
                                     many[] = {{INT64_MAX, 0, 0, 0}, {1, 0, 0, 0}};
    check_that(c, ck_gradient_moments_merge(parts, 1, NULL) == CK_NULL_POINTER, "no result was accepted");
    check_that(c, ck_gradient_moments_merge(NULL, 1, &result) == CK_NULL_POINTER, "no parts were accepted");
    check_that(c, ck_gradient_moments_merge(parts, -1, &result) == CK_BAD_SHAPE,
               "a negative number of parts was accepted");
    check_that(c, ck_gradient_moments_merge(parts, INT64_MAX, &result) == CK_SIZE_OVERFLOW,
               "too many parts were accepted");
    check_that(c, ck_gradient_moments_merge(negative, 2, &result) == CK_BAD_MOMENTS, "a negative count was accepted");
    check_that(c, ck_gradient_moments_merge(many, 2, &result) == CK_SIZE_OVERFLOW,
               "an overflow of counts was accepted");
    check_that(c, ck_gradient_moments_merge(MISALIGNED(parts), 1, &result) == CK_MISALIGNED_POINTER,
               "misaligned parts were accepted");
}

static const ck_moments three[] = {{3, 0, 1}, {1, 1, 0}, {2, -1, 2}}, empty[] = {{3, 0, 1}, {0, 1, 0}, {2, -1, 2}};
static const ck_gradient_moments gradients[] = {{3, 0, 0, 1}, {1, 1, 0, 0}, {2, 0, 1, 1}},
                                 none[] = {{3, 0, 0, 1}, {0}, {2, 0, 1, 1}};

static ck_row_gradient_moments_args right_moments(const board *b) {
    float *f = b->floats;
    return (ck_row_gradient_moments_args){
        3, 5, CK_F32, f, 7, f + PLACE, 7, three, f + 2 * PLACE, 1e-5f, (ck_gradient_moments *)(f + 3 * PLACE)};
}

static ck_normalize_rows_backward_args right_backward(const board *b) {
    float *f = b->floats;
    return (ck_normalize_rows_backward_args){3,
                                             5,
                                             CK_F32,
                                             f,
                                             7,
                                             f + PLACE,
                                             7,
                                             three,
                                             gradients,
                                             f + 2 * PLACE,
                                             1e-5f,
                                             f + 3 * PLACE,
                                             7,
                                             f + 4 * PLACE,
                                             f + 5 * PLACE,
                                             0,
                                             f + 6 * PLACE,
                                             ck_normalize_rows_backward_workspace(3, 5)};
}

#define MOMENTS_REFUSES(status, ...)                                                                                  \
    CHANGED_CALL(ck_row_gradient_moments_args, right_moments(b), board_refuses(c, b, enter_moments, &a, run, status), \
                 __VA_ARGS__)
#define BACKWARD_REFUSES(status, ...)                                \
    CHANGED_CALL(ck_normalize_rows_backward_args, right_backward(b), \
                 board_refuses(c, b, enter_backward, &a, run, status), __VA_ARGS__)
#define BACKWARD_ACCEPTS(...)                                                                                      \
    CHANGED_CALL(ck_normalize_rows_backward_args, right_backward(b), board_accepts(c, b, enter_backward, &a, run), \
                 __VA_ARGS__)

static void check_refused_moments(check *c, board *b) {
    MOMENTS_REFUSES(CK_BAD_SHAPE, a.rows = -1);
    MOMENTS_REFUSES(CK_BAD_SHAPE, a.cols = 0);
    MOMENTS_REFUSES(CK_BAD_STRIDE, a.dy_stride = 4);
    MOMENTS_REFUSES(CK_BAD_STRIDE, a.x_stride = 4);
    MOMENTS_REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX);
    MOMENTS_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)9);
    MOMENTS_REFUSES(CK_BAD_EPSILON, a.epsilon = -1);
    MOMENTS_REFUSES(CK_BAD_MOMENTS, a.moments = empty);
    MOMENTS_REFUSES(CK_NULL_POINTER, a.dy = NULL);
    MOMENTS_REFUSES(CK_NULL_POINTER, a.x = NULL);
    MOMENTS_REFUSES(CK_NULL_POINTER, a.moments = NULL);
    MOMENTS_REFUSES(CK_NULL_POINTER, a.gradient_moments = NULL);
    MOMENTS_REFUSES(CK_MISALIGNED_POINTER, a.weight = MISALIGNED(a.weight));
    MOMENTS_REFUSES(CK_MISALIGNED_POINTER, a.gradient_moments = MISALIGNED(a.gradient_moments));
    MOMENTS_REFUSES(CK_OVERLAP, a.gradient_moments = (ck_gradient_moments *)b->floats);
    MOMENTS_REFUSES(CK_BAD_THREADS, run.threads = -1);
    MOMENTS_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)99);
    MOMENTS_REFUSES(CK_OK, a.rows = 0; a.dy = NULL; a.x = NULL; a.moments = NULL; a.gradient_moments = NULL);
}

static void check_refused_backward(check *c, board *b) {
    BACKWARD_REFUSES(CK_BAD_SHAPE, a.rows = -1);
    BACKWARD_REFUSES(CK_BAD_SHAPE, a.cols = 0);
    BACKWARD_REFUSES(CK_BAD_STRIDE, a.dy_stride = 4);
    BACKWARD_REFUSES(CK_BAD_STRIDE, a.x_stride = 4);
    BACKWARD_REFUSES(CK_BAD_STRIDE, a.dx_stride = 4);
    BACKWARD_REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)9);
    BACKWARD_REFUSES(CK_BAD_EPSILON, a.epsilon = NAN);
    BACKWARD_REFUSES(CK_BAD_MOMENTS, a.moments = empty);
    BACKWARD_REFUSES(CK_BAD_MOMENTS, a.gradient_moments = none);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.dy = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.x = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.moments = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.gradient_moments = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    BACKWARD_REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size -= 1);
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.workspace = MISALIGNED(a.workspace));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.dweight = MISALIGNED(a.dweight));
    BACKWARD_REFUSES(CK_OVERLAP, a.dx = b->floats + 1);
    BACKWARD_REFUSES(CK_OVERLAP, a.dx = b->floats + PLACE);
    BACKWARD_REFUSES(CK_OVERLAP, a.dbias = a.dweight + 1);
    BACKWARD_REFUSES(CK_OVERLAP, a.dweight = (float *)a.weight);
    BACKWARD_REFUSES(CK_OVERLAP, a.workspace = b->floats);
    BACKWARD_REFUSES(CK_BAD_THREADS, run.threads = -1);
    BACKWARD_REFUSES(CK_OK, a.dx = NULL; a.dweight = NULL; a.dbias = NULL);
    BACKWARD_ACCEPTS(a.dx = b->floats);
    BACKWARD_ACCEPTS(a.weight = NULL; a.dweight = NULL);
    BACKWARD_ACCEPTS(a.dweight = NULL; a.dbias = NULL; a.workspace = NULL);
    BACKWARD_ACCEPTS(a.rows = 0; a.dy = NULL; a.x = NULL; a.moments = NULL; a.workspace = NULL);
}

void check_row_moments_backward(check *c) {
    static const int64_t widths[] = {1,   2,   7,   15,   16,   17,   31,   33,   63,    64,      65,
                                     100, 129, 300, 1023, 1024, 1025, 2049, 4097, 16385, MAX_COLS};
    rows_memory m = {.before = malloc(MAX_COLS * sizeof(float))};
    for (int k = 0; k < ARRAYS; k++) {
        int64_t count = k < TENSORS      ? MAX_ELEMENTS + MAX_GAP * MAX_ROWS
                        : k == WORKSPACE ? 40 * (MAX_ELEMENTS + 16)
                                         : MAX_COLS;
        m.home[k] = guarded_make(matrix_needs(CK_F32, 1, count));
        if (k < WORKSPACE) m.packed[k] = malloc((size_t)count * sizeof(float));
    }
    for (int w = 0; w < 21; w++)
        for (int repeat = 0; repeat < (c->quick ? 6 : 60); repeat++) {
            int64_t rows = 1 + random_below(&c->random, repeat % 4 ? 20 : MAX_ROWS), most = MAX_ELEMENTS / widths[w];
            compare(c, &m, (ck_type)(repeat % 3), rows < most ? rows : most, widths[w]);
        }
    check_merging(c);
    board b = board_make();
    check_refused_moments(c, &b);
    check_refused_backward(c, &b);
    board_free(&b);
    for (int k = 0; k < ARRAYS; k++) guarded_free(&m.home[k]);
    for (int k = 0; k < WORKSPACE; k++) free(m.packed[k]);
    free(m.before);
}
