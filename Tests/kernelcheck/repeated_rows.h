// repeated_rows.h: batches far larger than the caches, made of a few different rows, so that what they must give is
// known from those few.

#ifndef KERNELCHECK_REPEATED_ROWS_H
#define KERNELCHECK_REPEATED_ROWS_H

#include "guarded.h"

/// Different rows in a batch: row k is row k % DIFFERENT.
enum { DIFFERENT = 5 };

/// Rows of two tensors that fill the last cache together, and so are streamed on any number of threads: a multiple of
/// DIFFERENT.
int64_t repeated_rows(ck_type type, int64_t cols);

/// Memory for DIFFERENT packed rows. Ends the program if there is none.
void *repeated_make(ck_type type, int64_t cols);

/// Places a matrix whose rows repeat the packed ones.
matrix repeated_place(const guarded *home, ck_type type, const void *packed, int64_t rows, int64_t cols, int64_t stride,
                      int place);

/// Compares a matrix with the packed rows repeated, and the canaries around it.
void repeated_expect(check *c, const char *name, matrix m, const void *packed);

#endif
