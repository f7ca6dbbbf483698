// layer_norm_streaming.c: the family layer_norm_streaming: batches so large that outputs bypass the
// caches, against the same rows solved by portable in small batches.

#include <inttypes.h>
#include <stdlib.h>

#include "families.h"
#include "guarded.h"
#include "layer_norm_problem.h"

/// Rows of a portable call: far too few for streaming stores.
enum { SMALL_BATCH = 3 };

/// Rows of `cols` floats that, read and written, do not fit the last cache: large on any number of threads.
static int64_t large_rows(int64_t cols) { return ck_inspect().last_cache / (2 * cols * (int64_t)sizeof(float)) + 5; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/// A problem's rows from `row` on, as a problem of their own. The sums over rows stay behind.
static layer_norm_problem part(const layer_norm_problem *p, int64_t row) {
    layer_norm_problem some = *p;
    int64_t first = row * p->cols;
    some.rows = least(SMALL_BATCH, p->rows - row);
    some.x += first;
    some.y += first;
    some.dy += first;
    some.dx += first;
    some.mean += row;
    some.mean_low += row;
    some.rstd += row;
    if (some.mean_low_given) some.mean_low_given += row;
    return some;
}

/// The whole backward pass for the sums over rows, then dx anew from small batches.
static void solve(check *c, layer_norm_problem *p) {
    for (int64_t row = 0; row < p->rows; row += SMALL_BATCH) {
        layer_norm_problem some = part(p, row);
        problem_solve(c, &some);
    }
    problem_solve_backward(c, p);
    float *dweight = p->dweight, *dbias = p->dbias;
    float *spare = malloc(2 * (size_t)p->cols * sizeof *spare);
    p->dweight = spare;
    p->dbias = spare + p->cols;
    for (int64_t row = 0; row < p->rows; row += SMALL_BATCH) {
        layer_norm_problem some = part(p, row);
        problem_solve_backward(c, &some);
    }
    p->dweight = dweight;
    p->dbias = dbias;
    free(spare);
}

/// Outputs at a 64-byte line with rows of whole lines stream; `place` 1 is the same without streaming.
static void compare(check *c, const layer_norm_problem *p, const guarded *output, int32_t threads, int place) {
    int64_t stride = (p->cols + 15) / 16 * 16;
    ck_run run = {c->isa, threads};
    matrix y = matrix_place(output, CK_F32, p->rows, p->cols, stride, place);
    float *statistics = malloc(3 * (size_t)p->rows * sizeof *statistics);
    ck_norm_args forward = {
        .rows = p->rows,
        .cols = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .bias = p->bias_given,
        .epsilon = p->epsilon,
        .y = y.base,
        .y_stride = stride,
        .mean = statistics,
        .mean_low = statistics + p->rows,
        .rstd = statistics + 2 * p->rows,
    };
    check_describe(c, "forward, rows %" PRId64 ", cols %" PRId64 ", weight %d, bias %d, threads %d, place %d", p->rows,
                   p->cols, p->weight_given != NULL, p->bias_given != NULL, threads, place);
    if (check_call(c, enter_layer_norm, &forward, run, CK_OK)) {
        matrix_expect(c, "y", y, p->y);
        check_row(c, "mean", CK_F32, 0, forward.mean, p->mean, p->rows);
        check_row(c, "mean_low", CK_F32, 0, forward.mean_low, p->mean_low, p->rows);
        check_row(c, "rstd", CK_F32, 0, forward.rstd, p->rstd, p->rows);
        check_count(c);
    }
    free(statistics);

    matrix dx = matrix_place(output, CK_F32, p->rows, p->cols, stride, place);
    size_t floats = ck_norm_backward_workspace(p->rows, p->cols, 0) / sizeof(float);
    float *memory = aligned_alloc(64, (floats + 2 * (size_t)stride) * sizeof *memory);
    float *dweight = memory + floats, *dbias = dweight + stride;
    for (int64_t i = 0; i < p->cols; i++) {
        dweight[i] = p->dweight_before[i];
        dbias[i] = p->dbias_before[i];
    }
    ck_norm_backward_args backward = {
        .rows = p->rows,
        .cols = p->cols,
        .dy = p->dy,
        .dy_stride = p->cols,
        .x = p->x,
        .x_stride = p->cols,
        .weight = p->weight_given,
        .mean = p->mean,
        .mean_low = p->mean_low_given,
        .rstd = p->rstd,
        .dx = dx.base,
        .dx_stride = stride,
        .dweight = dweight,
        .dbias = dbias,
        .accumulate = p->accumulate,
        .workspace = memory,
        .workspace_size = floats * sizeof *memory,
    };
    check_describe(c, "backward, rows %" PRId64 ", cols %" PRId64 ", weight %d, threads %d, place %d", p->rows, p->cols,
                   p->weight_given != NULL, threads, place);
    if (check_call(c, enter_layer_norm_backward, &backward, run, CK_OK)) {
        matrix_expect(c, "dx", dx, p->dx);
        check_row(c, "dweight", CK_F32, 0, dweight, p->dweight, p->cols);
        check_row(c, "dbias", CK_F32, 0, dbias, p->dbias, p->cols);
        check_count(c);
    }
    free(memory);
}

void check_layer_norm_streaming(check *c) {
    static const int64_t cols[] = {1000, 300, 65, 4000, 4099, 50257};  // one for each size of a group
    static const int32_t threads[] = {1, 2, 3, 8};
    for (int i = 0; i < (c->quick ? 5 : 6); i++)
        for (int weights = 0; weights < 2; weights++) {
            int64_t rows = large_rows(cols[i]);
            layer_norm_problem p = problem_make(rows, cols[i], rows * cols[i]);
            guarded output = guarded_make(matrix_needs(CK_F32, rows, cols[i] + 16));
            check_begin(c);
            check_describe(c, "rows %" PRId64 ", cols %" PRId64, rows, cols[i]);
            problem_draw(c, &p, rows, cols[i], weights ? WILD : TAME);
            p.weight_given = weights ? p.weight : NULL;
            p.bias_given = weights ? p.bias : NULL;
            solve(c, &p);
            for (int t = 0; t < 4; t++) compare(c, &p, &output, threads[t], 0);
            compare(c, &p, &output, 2, 1);
            guarded_free(&output);
            problem_free(&p);
        }
}
