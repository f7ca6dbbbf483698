// norm_streaming.c: the family norm_streaming: batches so large that outputs bypass the caches, and ones that fit them
// if they are there (reach_probe.h), against the same rows solved by portable in small batches.

#include "families.h"
#include "norm_trial.h"

/// Rows of a portable call: far too few for streaming stores.
enum { SMALL_BATCH = 3 };

/// What a batch takes of the last cache: all of it, and so is large on any number of threads, forward and backward; or
/// an eighth, which is near.
static const int64_t shares[] = {1, 8};

static int64_t large_rows(norm_kind kind, int64_t cols, int64_t share) {
    int64_t tensors = 2 + kind.is_residual;  // that every call reads and writes
    return ck_inspect().last_cache / share / (tensors * cols * type_size(kind.type)) + 5;
}

/// Whole numbers are never streamed.
static const norm_set streamed = ~(NORM_SET(NORM_QUANTIZED) | NORM_SET(NORM_QUANTIZED_SCALE));

/// The whole backward pass for the sums over rows, all else from small batches.
static void solve(check *c, norm_problem *p) {
    for (int64_t row = 0; row < p->rows; row += SMALL_BATCH) {
        int64_t left = p->rows - row;
        norm_problem some = norm_part(p, row, left < SMALL_BATCH ? left : SMALL_BATCH);
        norm_solve(c, &some, NORM_FORWARD, streamed, norm_portable);
        norm_solve(c, &some, NORM_BACKWARD, ~norm_sums, norm_portable);
    }
    norm_solve(c, p, NORM_BACKWARD, norm_sums, norm_portable);
}

/// Outputs at a 64-byte line with rows of whole lines stream; `place` 1 is the same without streaming.
static void compare(check *c, const norm_problem *p, const norm_memory *m, int32_t threads, int place) {
    int64_t in_line = 64 / type_size(p->kind.type), gap = (in_line - p->cols % in_line) % in_line;
    for (norm_pass pass = NORM_FORWARD; pass <= NORM_BACKWARD; pass++) {
        norm_layout l = norm_layout_draw(c, p, pass);
        l.wanted = norm_writes(p, pass) & streamed;
        if (pass == NORM_FORWARD && random_below(&c->random, 2)) l.wanted &= ~NORM_SET(NORM_SUM);
        l.run.threads = threads;
        for (norm_array a = 0; a < NORM_WEIGHT; a++) {
            l.at[a] = a;
            l.place[a] = place;
            l.gap[a] = gap;
        }
        norm_try(c, p, pass, m, &l);
    }
}

static void check_batch(check *c, norm_kind kind, int64_t rows, int64_t cols) {
    static const int64_t threads[] = {2, 3, 8};
    norm_problem p = norm_problem_make(rows, cols, rows * cols, kind.is_residual);
    check_begin(c);
    norm_draw(c, &p, kind, rows, cols, random_below(&c->random, 2) ? WILD : TAME);
    norm_set written = norm_writes(&p, NORM_FORWARD) | norm_writes(&p, NORM_BACKWARD);
    written |= NORM_SET(NORM_WORKSPACE);
    norm_memory m = norm_memory_make(rows, cols, rows * cols, written & streamed);
    solve(c, &p);
    compare(c, &p, &m, 1, 0);
    compare(c, &p, &m, (int32_t)random_choice(&c->random, threads, 3), 0);
    compare(c, &p, &m, 2, 1);
    norm_memory_free(&m);
    norm_problem_free(&p);
}

void check_norm_streaming(check *c) {
    static const int64_t cols[] = {1000, 300, 65, 4000, 4099, 50257};  // one for each size of a group
    for (int i = 0; i < (c->quick ? 5 : 6); i++)
        for (int k = 0; k < NORM_KINDS; k++) {
            // The first kind, which has most bodies, for every width; the others for some.
            if (k > 0 && (c->quick ? k != 5 * i % NORM_KINDS : k % 4 != i % 4)) continue;
            for (int s = 0; s < 2; s++)
                check_batch(c, norm_kinds[k], large_rows(norm_kinds[k], cols[i], shares[s]), cols[i]);
        }
}
