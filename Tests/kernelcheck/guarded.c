// guarded.c: guard pages by mmap and mprotect; canaries around and between rows.

#include "guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/// Canaries before and after a matrix, in floats: four cache lines, as many as a kernel's block.
enum { MARGIN = 64 };

/// A quiet NaN that no kernel makes.
static const uint32_t canary_bits = 0x7fdeadc5;

static float canary(void) {
    float value;
    memcpy(&value, &canary_bits, sizeof value);
    return value;
}

static int is_canary(const float *p) { return memcmp(p, &canary_bits, sizeof canary_bits) == 0; }

guarded guarded_make(int64_t floats) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = ((size_t)floats * sizeof(float) + page - 1) / page * page;
    guarded g = {.mapped = body + 2 * page, .floats = (int64_t)(body / sizeof(float))};
    g.mapping = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.mapping == MAP_FAILED || mprotect((char *)g.mapping + page, body, PROT_READ | PROT_WRITE) != 0) {
        perror("kernelcheck: guarded memory");
        exit(2);
    }
    g.first = (float *)((char *)g.mapping + page);
    return g;
}

void guarded_free(guarded *g) { munmap(g->mapping, g->mapped); }

int64_t matrix_needs(int64_t rows, int64_t stride) { return rows * stride + 2 * MARGIN + FLUSH_START; }

static int64_t span(matrix m) { return (m.rows - 1) * m.stride + m.cols; }

/// The canaries of a matrix: from `*begin` to `*end`, but for the rows.
static void surroundings(matrix m, float **begin, float **end) {
    int64_t before = m.base - m.home->first, after = m.home->floats - before - span(m);
    *begin = m.base - (before < MARGIN ? before : MARGIN);
    *end = m.base + span(m) + (after < MARGIN ? after : MARGIN);
}

matrix matrix_place(const guarded *home, int64_t rows, int64_t cols, int64_t stride, int place) {
    matrix m = {home->first, rows, cols, stride, home};
    if (place < FLUSH_START) m.base = home->first + MARGIN + place;
    if (place == FLUSH_END) m.base = home->first + home->floats - span(m);
    float *begin, *end;
    surroundings(m, &begin, &end);
    for (float *p = begin; p < end; p++) *p = canary();
    return m;
}

void matrix_fill(matrix m, const float *rows) {
    for (int64_t row = 0; m.base && row < m.rows; row++)
        memcpy(m.base + row * m.stride, rows + row * m.cols, (size_t)m.cols * sizeof(float));
}

static int expect_canaries(check *c, const char *name, const char *where, const float *begin, const float *end) {
    for (const float *p = begin; p < end; p++)
        if (!is_canary(p)) {
            check_fail(c, "%s: float %td of the %td %s changed", name, p - begin, end - begin, where);
            return 0;
        }
    return 1;
}

void matrix_expect_around(check *c, const char *name, matrix m) {
    if (!m.base) return;
    float *begin, *end, *after = m.base + span(m);
    surroundings(m, &begin, &end);
    check_count(c);
    int intact =
        expect_canaries(c, name, "before it", begin, m.base) && expect_canaries(c, name, "after it", after, end);
    for (int64_t row = 0; intact && row + 1 < m.rows; row++)
        intact =
            expect_canaries(c, name, "between rows", m.base + row * m.stride + m.cols, m.base + (row + 1) * m.stride);
}

void matrix_expect(check *c, const char *name, matrix m, const float *rows) {
    int equal = 1;
    for (int64_t row = 0; m.base && equal && row < m.rows; row++)
        equal = check_row(c, name, row, m.base + row * m.stride, rows + row * m.cols, m.cols);
    matrix_expect_around(c, name, m);
}
