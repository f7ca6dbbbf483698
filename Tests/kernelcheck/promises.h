// promises.h: the parts of the family promises.

#ifndef KERNELCHECK_PROMISES_H
#define KERNELCHECK_PROMISES_H

#include "norm_problem.h"

enum { PROMISE_ROWS = 3, PROMISE_COLS = 4097 };

/// Draws a problem without a dropout, of rows of everyday numbers, and describes it.
void promise_draw(check *c, norm_problem *p, norm_kind kind, int64_t cols, const char *what);

/// Writes the answers of the instruction set under test, all or all but whole numbers, to the packed arrays.
int promise_run(check *c, norm_problem *p, int quantizes);

/// Special rows against float64.
void check_promised_accuracy(check *c, norm_problem *p);

#endif
