// guarded.c: guard pages by mmap and mprotect; canaries around and between rows.

#include "guarded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/// Canaries before and after a matrix, in elements: whole cache lines, as many elements as a kernel's block.
enum { MARGIN = 64 };

guarded guarded_make(int64_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = ((size_t)bytes + page - 1) / page * page;
    guarded g = {.mapped = body + 2 * page, .bytes = (int64_t)body};
    g.mapping = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.mapping == MAP_FAILED || mprotect((char *)g.mapping + page, body, PROT_READ | PROT_WRITE) != 0) {
        perror("kernelcheck: guarded memory");
        exit(2);
    }
    g.first = (char *)g.mapping + page;
    return g;
}

void guarded_free(guarded *g) { munmap(g->mapping, g->mapped); }

int64_t matrix_needs(ck_type type, int64_t rows, int64_t stride) {
    return (rows * stride + 2 * MARGIN + FLUSH_START) * type_size(type);
}

/// Element i of a row; rows may be counted beyond the first and last column.
static char *element(matrix m, int64_t row, int64_t i) {
    return (char *)m.base + (row * m.stride + i) * type_size(m.type);
}
static char *end_of(matrix m) { return m.rows > 0 ? element(m, m.rows - 1, m.cols) : m.base; }

/// The canaries of a matrix: from `*begin` to `*end`, but for the rows.
static void surroundings(matrix m, char **begin, char **end) {
    int64_t margin = MARGIN * type_size(m.type), before = (char *)m.base - (char *)m.home->first;
    int64_t after = m.home->bytes - (end_of(m) - (char *)m.home->first);
    *begin = (char *)m.base - (before < margin ? before : margin);
    *end = end_of(m) + (after < margin ? after : margin);
}

matrix matrix_place(const guarded *home, ck_type type, int64_t rows, int64_t cols, int64_t stride, int place) {
    matrix m = {home->first, type, rows, cols, stride, home};
    if (place < FLUSH_START) m.base = element(m, 0, MARGIN + place);
    if (place == FLUSH_END) m.base = (char *)home->first + home->bytes - (end_of(m) - (char *)m.base);
    char *begin, *end;
    surroundings(m, &begin, &end);
    type_set_bits(type, begin, 0, type_canary(type));
    for (int64_t done = type_size(type), all = end - begin; done < all; done *= 2)  // doubles what there is
        memcpy(begin + done, begin, (size_t)(all - done < done ? all - done : done));
    return m;
}

void matrix_fill(matrix m, const void *rows) {
    size_t bytes = (size_t)(m.cols * type_size(m.type));
    for (int64_t row = 0; m.base && row < m.rows; row++)
        memcpy(element(m, row, 0), (const char *)rows + (size_t)row * bytes, bytes);
}

static int expect_canaries(check *c, const char *name, const char *where, ck_type type, const char *begin,
                           const char *end) {
    int64_t count = (end - begin) / type_size(type);
    for (int64_t i = 0; i < count; i++)
        if (type_bits(type, begin, i) != type_canary(type)) {
            check_fail(c, "%s: element %" PRId64 " of the %" PRId64 " %s changed", name, i, count, where);
            return 0;
        }
    return 1;
}

void matrix_expect_around(check *c, const char *name, matrix m) {
    if (!m.base) return;
    char *begin, *end;
    surroundings(m, &begin, &end);
    check_count(c);
    int intact = expect_canaries(c, name, "before it", m.type, begin, m.base) &&
                 expect_canaries(c, name, "after it", m.type, end_of(m), end);
    for (int64_t row = 0; intact && row + 1 < m.rows; row++)
        intact = expect_canaries(c, name, "between rows", m.type, element(m, row, m.cols), element(m, row + 1, 0));
}

void matrix_expect(check *c, const char *name, matrix m, const void *rows) {
    int64_t bytes = m.cols * type_size(m.type);
    int equal = 1;
    for (int64_t row = 0; m.base && equal && row < m.rows; row++)
        equal = check_row(c, name, m.type, row, element(m, row, 0), (const char *)rows + row * bytes, m.cols);
    matrix_expect_around(c, name, m);
}
