// guarded.h: memory between two inaccessible pages, and matrices of any type laid out in it with canaries around.
//
// Reading or writing past either end of the memory is a crash; a write between or beside the rows of a
// matrix changes a canary. Canaries are NaNs, so that a kernel that reads one shows it in its results.

#ifndef KERNELCHECK_GUARDED_H
#define KERNELCHECK_GUARDED_H

#include "check.h"

typedef struct guarded {
    void *first;
    int64_t bytes;
    void *mapping;
    size_t mapped;
} guarded;

/// At least `bytes` bytes. Ends the program if there is no memory.
guarded guarded_make(int64_t bytes);
void guarded_free(guarded *g);

/// Where a matrix lies in its memory: k elements after a 64-byte line for k in 0 ..< 16, or flush.
enum { FLUSH_START = 16, FLUSH_END = 17, PLACES = 18 };

typedef struct matrix {
    void *base;  // NULL: an argument that is not given
    ck_type type;
    int64_t rows, cols, stride;  // in elements
    const guarded *home;
} matrix;

/// Bytes of memory that a matrix needs at any place.
int64_t matrix_needs(ck_type type, int64_t rows, int64_t stride);

/// Lays a matrix out and fills its surroundings and its rows with canaries.
matrix matrix_place(const guarded *home, ck_type type, int64_t rows, int64_t cols, int64_t stride, int place);

/// Writes the rows, which lie packed one after the other. Nothing if the matrix is not given.
void matrix_fill(matrix m, const void *rows);

/// Compares the rows with packed ones by bits, and the canaries around them. A matrix that is not given passes.
void matrix_expect(check *c, const char *name, matrix m, const void *rows);

/// Compares the canaries alone.
void matrix_expect_around(check *c, const char *name, matrix m);

#endif
