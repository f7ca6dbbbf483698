// segment_problem.c: draws problems, and the memory that they are laid out in.

#include "segment_problem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "patterns.h"

enum { ARRAYS = 13, MEMORIES = 9 };

segment_problem segment_problem_make(void) {
    segment_problem p = {0};
    for (int i = 0; i < ARRAYS; i++)
        if (!((&p.x)[i] = calloc(MAX_ELEMENTS, sizeof(float)))) exit(2);
    return p;
}

void segment_problem_free(segment_problem *p) {
    for (int i = 0; i < ARRAYS; i++) free((&p->x)[i]);
}

segment_memory segment_memory_make(void) {
    int64_t in_matrix = matrix_needs(CK_F32, MAX_ROWS, MAX_COLS + MAX_GAP);
    int64_t in_vector = matrix_needs(CK_F32, 1, MAX_ROWS * MAX_SEGMENTS + MAX_COLS);
    return (segment_memory){
        guarded_make(in_matrix), guarded_make(in_matrix), guarded_make(in_matrix),
        guarded_make(in_vector), guarded_make(in_vector), guarded_make(in_vector),
        guarded_make(in_vector), guarded_make(in_vector), guarded_make(matrix_needs(CK_F32, 1, 80 * MAX_COLS)),
    };
}

void segment_memory_free(segment_memory *m) {
    for (int i = 0; i < MEMORIES; i++) guarded_free(&m->x + i);
}

static void draw_array(check *c, float *to, ck_type type, int64_t rows, int64_t cols, int64_t patterns) {
    float *row = malloc((size_t)cols * sizeof *row);
    if (!row) exit(2);
    for (int64_t r = 0; r < rows; r++) {
        pattern_fill((pattern)random_below(&c->random, patterns), row, cols, &c->random);
        for (int64_t i = 0; i < cols; i++) {
            uint32_t bits = type_round(type, row[i]);
            memcpy((char *)to + (r * cols + i) * type_size(type), &bits, (size_t)type_size(type));
        }
    }
    free(row);
}

/// Segments of any width, empty ones too; equal ones where they share their parameters.
static void draw_offsets(check *c, segment_problem *p) {
    p->offsets[0] = 0;
    for (int64_t s = 1; s < p->segments; s++)
        p->offsets[s] = p->shared ? s * (p->cols / p->segments) : random_below(&c->random, p->cols + 1);
    p->offsets[p->segments] = p->cols;
    for (int64_t s = 1; s < p->segments; s++)
        for (int64_t t = s; t > 0 && p->offsets[t] < p->offsets[t - 1]; t--) {
            int64_t held = p->offsets[t];
            p->offsets[t] = p->offsets[t - 1];
            p->offsets[t - 1] = held;
        }
}

void segment_problem_draw(check *c, segment_problem *p, int64_t rows, int64_t cols, int64_t segments) {
    static const ck_type types[] = {CK_F32, CK_BF16, CK_F16};
    static const float epsilons[] = {1e-5f, 0.0f, 1e-12f};
    random_source *r = &c->random;
    p->shared = (int)random_below(r, 2);
    p->rows = rows;
    p->segments = segments;
    p->cols = p->shared ? (cols + segments - 1) / segments * segments : cols;
    p->type = types[random_below(r, 3)];
    p->is_rms = (int)random_below(r, 2);
    p->accumulate = (int)random_below(r, 2);
    p->given_weight = (int)random_below(r, 2);
    p->given_bias = (int)random_below(r, 2);
    p->epsilon = epsilons[random_below(r, 3)];
    draw_offsets(c, p);
    int64_t patterns = random_below(r, 2) ? PATTERNS : TAME_PATTERNS;
    draw_array(c, p->x, p->type, rows, p->cols, patterns);
    draw_array(c, p->dy, p->type, rows, p->cols, TAME_PATTERNS);
    draw_array(c, p->weight, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    draw_array(c, p->bias, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    draw_array(c, p->dweight_before, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    draw_array(c, p->dbias_before, CK_F32, 1, MAX_COLS, TAME_PATTERNS);
    memset(p->mean, 0, MAX_ELEMENTS * sizeof(float));
    memset(p->mean_low, 0, MAX_ELEMENTS * sizeof(float));
    memset(p->rstd, 0, MAX_ELEMENTS * sizeof(float));
    check_describe(c, "rows %" PRId64 ", cols %" PRId64 ", segments %" PRId64 ", %s, shared %d, rms %d", p->rows,
                   p->cols, p->segments, type_name(p->type), p->shared, p->is_rms);
}

void segment_problems(check *c, segment_problem *p, const segment_memory *m,
                      void (*compare)(check *c, segment_problem *p, const segment_memory *m)) {
    for (int64_t k = 0; k < (c->quick ? 150 : 900); k++) {
        check_begin(c);
        int64_t most = k % 3 ? 150 : MAX_COLS - MAX_SEGMENTS, cols = 1 + random_below(&c->random, most);
        int64_t rows = 1 + random_below(&c->random, cols > 1000 ? 8 : MAX_ROWS);
        segment_problem_draw(c, p, rows, cols, 1 + random_below(&c->random, MAX_SEGMENTS));
        compare(c, p, m);
    }
}

matrix segment_place(check *c, const guarded *home, ck_type type, int64_t rows, int64_t cols, const void *values) {
    int64_t gap = rows > 1 ? random_below(&c->random, MAX_GAP) : 0;
    matrix m = matrix_place(home, type, rows, cols, cols + gap, (int)random_below(&c->random, PLACES));
    if (values) matrix_fill(m, values);
    return m;
}

void *segment_column(const segment_problem *p, float *base, int64_t column) {
    return (char *)base + column * type_size(p->type);
}

ck_run segment_run(check *c) { return (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}; }
