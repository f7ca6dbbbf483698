// blas.h: the BLAS that a build may link. blas.c is the only file that knows it.

#ifndef CK_BLAS_H
#define CK_BLAS_H

#include <stdint.h>

/// What is linked, or "none".
const char *ck_blas(void);
int ck_has_blas(void);

/// Around calls of ck_sgemm: between them, on any number of threads, BLAS starts no threads of its own.
void ck_blas_begin(void);
void ck_blas_end(void);

/// A matrix of floats, `pitch` from row to row of what is in memory.
typedef struct ck_blas_matrix {
    const float *at;
    int transposed, pitch;
} ck_blas_matrix;

/// c = scale * a b, [rows, columns], without regard to what c held.
void ck_sgemm(int rows, int columns, int depth, float scale, ck_blas_matrix a, ck_blas_matrix b, float *c, int c_pitch);

#endif
