// softmax_states.c: the family softmax_states: states of rows and of their parts, merged, and rows normalized by them,
// against the contract's words, by bits; what a merge promises; what the entry points refuse.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "contract_softmax_state.h"
#include "families.h"
#include "patterns.h"
#include "softmax_entry.h"

enum { MOST_ROWS = 24, MOST_COLS = 20000, MOST_ELEMENTS = 40000, MOST_GAP = 37, MOST_PARTS = 4 };

/// Floats that are exact in `type`, in packed rows that are cut into parts at `cuts`.
typedef struct states_problem {
    int64_t rows, cols, parts, cuts[MOST_PARTS + 1];
    ck_type type;
    float *x, *y;
    ck_softmax_state part[MOST_PARTS][MOST_ROWS], whole[MOST_ROWS];
} states_problem;

typedef struct states_memory {
    guarded x, y, states;
} states_memory;

static int same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static int same_state(ck_softmax_state a, ck_softmax_state b) {
    return same(a.sum, b.sum) && (isnan(a.sum) || same(a.max, b.max));
}

static void draw(check *c, states_problem *p, int64_t rows, int64_t cols) {
    static const float scales[] = {1, 8, 40, 1e4f, 3e5f};
    random_source *r = &c->random;
    p->rows = rows;
    p->cols = cols;
    p->type = (ck_type)random_below(r, 3);
    p->parts = 1 + random_below(r, cols < MOST_PARTS ? cols : MOST_PARTS);
    for (int64_t k = 0; k <= p->parts; k++) p->cuts[k] = k * cols / p->parts;
    for (int64_t row = 0; row < rows; row++) {
        float *x = p->x + row * cols, scale = scales[random_below(r, 5)];
        if (random_below(r, 4) == 0)
            pattern_fill((pattern)random_below(r, PATTERNS), x, cols, r);
        else
            for (int64_t i = 0; i < cols; i++) x[i] = scale * random_normal(r);
        int64_t masked = random_below(r, 5) == 0 ? p->cuts[1 + random_below(r, p->parts)] : 0;
        for (int64_t i = 0; i < masked; i++) x[i] = -INFINITY;
        for (int64_t i = 0; i < cols; i++) x[i] = type_widen(p->type, type_round(p->type, x[i]));
        p->whole[row] = (ck_softmax_state){-INFINITY, 0};
        for (int64_t k = 0; k < p->parts; k++) {
            p->part[k][row] = contract_state(x + p->cuts[k], p->y, p->cuts[k + 1] - p->cuts[k]);
            p->whole[row] = contract_merged(p->whole[row], p->part[k][row]);
        }
    }
}

/// Columns of the packed rows, laid out somewhere.
static matrix place(check *c, const guarded *home, const states_problem *p, const float *values, int64_t first,
                    int64_t last) {
    int64_t cols = last - first, stride = cols + random_below(&c->random, MOST_GAP);
    matrix m = matrix_place(home, p->type, p->rows, cols, stride, (int)random_below(&c->random, PLACES));
    for (int64_t row = 0; values && row < p->rows; row++)
        for (int64_t i = 0; i < cols; i++)
            type_set_bits(p->type, m.base, row * stride + i, type_round(p->type, values[row * p->cols + first + i]));
    return m;
}

static ck_run any_threads(check *c) { return (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}; }

static void compare_states(check *c, const states_problem *p, const states_memory *m, int64_t k) {
    ck_softmax_state found[MOST_ROWS];
    matrix x = place(c, &m->x, p, p->x, p->cuts[k], p->cuts[k + 1]);
    ck_softmax_args args = {
        .rows = p->rows,
        .cols = x.cols,
        .type = p->type,
        .x = x.base,
        .x_stride = x.stride,
        .states = found,
    };
    if (!check_call(c, enter_softmax, &args, any_threads(c), CK_OK)) return;
    int all = 1;
    for (int64_t row = 0; row < p->rows; row++) all = all && same_state(found[row], p->part[k][row]);
    check_that(c, all, "a state");
}

static void compare_merged(check *c, const states_problem *p, int64_t row) {
    ck_softmax_state parts[MOST_PARTS], merged, pair[2], exchanged;
    for (int64_t k = 0; k < p->parts; k++) parts[k] = p->part[k][row];
    check_that(c, ck_softmax_states_merge(parts, p->parts, &merged) == CK_OK && same_state(merged, p->whole[row]),
               "merged states");
    pair[0] = parts[0];
    pair[1] = parts[p->parts - 1];
    if (ck_softmax_states_merge(pair, 2, &merged) != CK_OK) check_fail(c, "a merge is refused");
    pair[0] = parts[p->parts - 1];
    pair[1] = parts[0];
    if (ck_softmax_states_merge(pair, 2, &exchanged) != CK_OK) check_fail(c, "a merge is refused");
    check_that(c, same_state(merged, exchanged), "the order of a merge shows");
}

/// The same part of every row, by the states of the whole rows, and in one part the bits of ck_softmax.
static void compare_output(check *c, states_problem *p, const states_memory *m, int64_t k) {
    int logarithmic = (int)random_below(&c->random, 2), in_place = random_below(&c->random, 3) == 0;
    int64_t first = p->cuts[k], cols = p->cuts[k + 1] - first;
    for (int64_t row = 0; row < p->rows; row++) {
        float *y = p->y + row * p->cols, *x = p->x + row * p->cols;
        contract_softmax_with_state(x + first, p->whole[row], y + first, cols, logarithmic);
        if (p->parts > 1) continue;
        float *direct = malloc((size_t)cols * sizeof *direct);
        if (!direct) exit(2);
        contract_softmax(x, direct, cols, logarithmic);
        check_row(c, "y of ck_softmax", CK_F32, row, y, direct, cols);
        free(direct);
    }
    matrix x = place(c, &m->x, p, p->x, first, first + cols), expected = place(c, &m->y, p, p->y, first, first + cols);
    void *packed = malloc((size_t)(p->rows * cols * type_size(p->type)));
    if (!packed) exit(2);
    for (int64_t i = 0; i < p->rows * cols; i++)
        type_set_bits(p->type, packed, i, type_bits(p->type, expected.base, i / cols * expected.stride + i % cols));
    matrix y = in_place ? x : place(c, &m->y, p, NULL, first, first + cols);
    size_t bytes = (size_t)p->rows * sizeof(ck_softmax_state);
    ck_softmax_with_states_args args = {
        .rows = p->rows,
        .cols = cols,
        .type = p->type,
        .x = x.base,
        .x_stride = x.stride,
        .states = memcpy((char *)m->states.first + m->states.bytes - bytes, p->whole, bytes),
        .y = y.base,
        .y_stride = y.stride,
        .logarithmic = logarithmic,
    };
    if (check_call(c, enter_softmax_with_states, &args, any_threads(c), CK_OK)) matrix_expect(c, "y", y, packed);
    free(packed);
}

static void compare(check *c, states_problem *p, const states_memory *m, int64_t rows, int64_t cols) {
    check_begin(c);
    draw(c, p, rows, cols);
    check_describe(c, "%s, rows %" PRId64 ", cols %" PRId64 ", parts %" PRId64, type_name(p->type), rows, cols,
                   p->parts);
    for (int64_t k = 0; k < p->parts; k++) compare_states(c, p, m, k);
    for (int64_t row = 0; row < rows; row++) compare_merged(c, p, row);
    for (int64_t k = 0; k < p->parts; k++) compare_output(c, p, m, k);
}

/// Against long double: each merge is off by at most 2^-50 of the sum; and what merges do with nothing and with NaNs.
static void check_merges(check *c) {
    static const float distances[] = {0, 1e-30f, 0.1f, 1, 30, 80, 600, 1e4f};
    ck_softmax_state nothing = {-INFINITY, 0}, broken = {3, NAN}, merged;
    check_begin(c);
    for (int k = 0; k < 2000; k++) {
        ck_softmax_state pair[2] = {{random_normal(&c->random), 1 + 50 * fabs(random_normal(&c->random))}, {0, 1}};
        pair[1].max = pair[0].max + distances[random_below(&c->random, 8)] * random_normal(&c->random);
        pair[1].sum = 1 + fabs(random_normal(&c->random));
        check_describe(c, "max %a and %a, sum %a and %a", pair[0].max, pair[1].max, pair[0].sum, pair[1].sum);
        if (ck_softmax_states_merge(pair, 2, &merged) != CK_OK) check_fail(c, "a merge is refused");
        long double most = fmaxf(pair[0].max, pair[1].max);
        long double truth = pair[0].sum * expl(pair[0].max - most) + pair[1].sum * expl(pair[1].max - most);
        check_that(c, merged.max == (float)most && fabsl(merged.sum - truth) <= 0x1p-50L * truth, "a merge");
        for (int side = 0; side < 2; side++) {
            ck_softmax_state with[2] = {side ? nothing : pair[0], side ? pair[0] : nothing};
            if (ck_softmax_states_merge(with, 2, &merged) != CK_OK) check_fail(c, "a merge is refused");
            check_that(c, same_state(merged, pair[0]), "merged with nothing");
            with[!side] = broken;
            if (ck_softmax_states_merge(with, 2, &merged) != CK_OK) check_fail(c, "a merge is refused");
            check_that(c, isnan(merged.sum), "merged with a NaN");
        }
    }
}

static const ck_softmax_state three[] = {{1, 2}, {-INFINITY, 0}, {4, NAN}};
static const ck_softmax_state no_max[] = {{1, 2}, {NAN, 1}, {0, 1}}, negative[] = {{1, 2}, {0, -1}, {0, 1}},
                              infinite[] = {{1, 2}, {0, 1}, {0, INFINITY}};

static ck_softmax_with_states_args right(const board *b) {
    return (ck_softmax_with_states_args){3, 5, CK_F32, b->floats, 7, three, b->floats + PLACE, 7, 0};
}

#define REFUSES(status, ...)                            \
    CHANGED_CALL(ck_softmax_with_states_args, right(b), \
                 board_refuses(c, b, enter_softmax_with_states, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...)                                                                                             \
    CHANGED_CALL(ck_softmax_with_states_args, right(b), board_accepts(c, b, enter_softmax_with_states, &a, run), \
                 __VA_ARGS__)

static void check_refusals(check *c, board *b) {
    ck_softmax_state result;
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL);
    REFUSES(CK_NULL_POINTER, a.states = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.states = MISALIGNED(three));
    REFUSES(CK_BAD_PARAMETER, a.states = no_max);
    REFUSES(CK_BAD_PARAMETER, a.states = negative);
    REFUSES(CK_BAD_PARAMETER, a.states = infinite);
    REFUSES(CK_BAD_SHAPE, a.rows = -1);
    REFUSES(CK_BAD_SHAPE, a.cols = 0);
    REFUSES(CK_BAD_STRIDE, a.x_stride = 4);
    REFUSES(CK_BAD_STRIDE, a.y_stride = 4);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = INT64_MAX / 8);
    REFUSES(CK_OVERLAP, a.y = b->floats + 1);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_OK, a.rows = 0; a.x = NULL; a.y = NULL; a.states = NULL);
    ACCEPTS(a.y = b->floats);
    ACCEPTS(a.logarithmic = 1);
    board_refuses(c, b, enter_softmax_with_states, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_begin(c);
    check_describe(c, "ck_softmax_states_merge");
    check_that(c, ck_softmax_states_merge(three, -1, &result) == CK_BAD_SHAPE, "a negative count");
    check_that(c, ck_softmax_states_merge(three, INT64_MAX, &result) == CK_SIZE_OVERFLOW, "a huge count");
    check_that(c, ck_softmax_states_merge(NULL, 1, &result) == CK_NULL_POINTER, "no parts");
    check_that(c, ck_softmax_states_merge(three, 1, NULL) == CK_NULL_POINTER, "no result");
    check_that(c, ck_softmax_states_merge(MISALIGNED(three), 1, &result) == CK_MISALIGNED_POINTER, "misaligned parts");
    check_that(c, ck_softmax_states_merge(no_max, 3, &result) == CK_BAD_PARAMETER, "a max that is a NaN");
    check_that(c, ck_softmax_states_merge(negative, 3, &result) == CK_BAD_PARAMETER, "a negative sum");
    check_that(c, ck_softmax_states_merge(infinite, 3, &result) == CK_BAD_PARAMETER, "an infinite sum");
    check_that(c, ck_softmax_states_merge(NULL, 0, &result) == CK_OK && result.max == -INFINITY && result.sum == 0,
               "of nothing");
}

void check_softmax_states(check *c) {
    static const int64_t widths[] = {1,  2,  7,   15,   16,   17,   31,   33,   63,    64,
                                     65, 99, 300, 1000, 1023, 1025, 2049, 4097, 16385, MOST_COLS};
    static states_problem p;
    p.x = malloc(MOST_ELEMENTS * sizeof(float));
    p.y = malloc(MOST_ELEMENTS * sizeof(float));
    if (!p.x || !p.y) exit(2);
    int64_t bytes = matrix_needs(CK_F32, 1, MOST_ELEMENTS + MOST_ROWS * MOST_GAP);
    states_memory m = {guarded_make(bytes), guarded_make(bytes),
                       guarded_make(MOST_ROWS * (int64_t)sizeof(ck_softmax_state))};
    for (int w = 0; w < 20; w++)
        for (int repeat = 0; repeat < (c->quick ? 4 : 40); repeat++) {
            int64_t most = MOST_ELEMENTS / widths[w], rows = 1 + random_below(&c->random, MOST_ROWS);
            compare(c, &p, &m, rows < most ? rows : most, widths[w]);
        }
    check_merges(c);
    board b = board_make();
    check_refusals(c, &b);
    board_free(&b);
    guarded_free(&m.x);
    guarded_free(&m.y);
    guarded_free(&m.states);
    free(p.x);
    free(p.y);
}
