// segment_problem.h: rows that are cut into segments, in packed arrays: as parts of rows, or as the neighbourhoods of a
// graph, where rows are heads and segments nodes.

#ifndef KERNELCHECK_SEGMENT_PROBLEM_H
#define KERNELCHECK_SEGMENT_PROBLEM_H

#include "guarded.h"

enum { MAX_ROWS = 70, MAX_COLS = 3000, MAX_SEGMENTS = 64, MAX_GAP = 19, MAX_ELEMENTS = MAX_ROWS * MAX_COLS };

/// One problem, all of its arrays packed. Statistics are [segments, rows], for graphs [heads, nodes].
typedef struct segment_problem {
    int64_t rows, cols, segments, offsets[MAX_SEGMENTS + 1];
    ck_type type;
    int is_rms, shared, accumulate, given_weight, given_bias;
    float epsilon;
    float *x, *dy, *y, *dx, *weight, *bias, *mean, *mean_low, *rstd, *dweight, *dbias, *dweight_before, *dbias_before;
} segment_problem;

typedef struct segment_memory {
    guarded x, dy, y, mean, mean_low, rstd, dweight, dbias, workspace;
} segment_memory;

segment_problem segment_problem_make(void);
void segment_problem_free(segment_problem *p);
segment_memory segment_memory_make(void);
void segment_memory_free(segment_memory *m);

/// Draws everything that a problem of this shape is given, and describes it.
void segment_problem_draw(check *c, segment_problem *p, int64_t rows, int64_t cols, int64_t segments);

/// Draws problems and gives each to `compare`.
void segment_problems(check *c, segment_problem *p, const segment_memory *m,
                      void (*compare)(check *c, segment_problem *p, const segment_memory *m));

/// Lays an argument out at a random place with a random gap between its rows.
matrix segment_place(check *c, const guarded *home, ck_type type, int64_t rows, int64_t cols, const void *values);

/// Column `column` of a packed array of the problem's type.
void *segment_column(const segment_problem *p, float *base, int64_t column);

/// One to three threads of the instruction set under test.
ck_run segment_run(check *c);

#endif
