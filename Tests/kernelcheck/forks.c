// forks.c: the family forks: a call in a forked child comes back, with the same bits, whether or not the parent had a
// team of threads before, has one at work, or is in a product by BLAS. (GNU's OpenMP runtime would wait forever for the
// parent's threads, and a mutex for the parent's thread that has it.)

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "families.h"
#include "norm_problem.h"

enum { ROWS = 512, COLS = 1024 };

/// Normalizes x to `y` on some threads.
static ck_status run(check *c, const norm_problem *p, void *y, int32_t threads) {
    const void *x = p->array[NORM_X];
    ck_norm_args args = {
        .rows = ROWS, .cols = COLS, .x = x, .x_stride = COLS, .epsilon = 1e-5f, .y = y, .y_stride = COLS};
    return ck_layer_norm(&args, (ck_run){c->isa, threads});
}

/// Whether two threads give these bits.
static int has_bits(check *c, const norm_problem *p, const void *expected) {
    void *y = p->array[NORM_Y];
    return run(c, p, y, 2) == CK_OK && memcmp(y, expected, ROWS * COLS * sizeof(float)) == 0;
}

/// A product by BLAS, of two matrices that begin at x; CK_BLAS_UNAVAILABLE without one.
static ck_status run_blas(check *c, const norm_problem *p, void *y) {
    enum { N = 16 };
    const void *x = p->array[NORM_X];
    ck_strides strides = {N * N, N * N, N};
    ck_matmul_args args = {.batch = 1,
                           .heads = 1,
                           .b_heads = 1,
                           .rows = N,
                           .columns = N,
                           .depth = N,
                           .scale = 1,
                           .a = x,
                           .a_strides = strides,
                           .b = x,
                           .b_strides = strides,
                           .c = y,
                           .c_strides = strides};
    return ck_matmul_blas(&args, (ck_run){c->isa, 1});
}

/// The child ends by a signal if the call does not come back.
static void check_child(check *c, const norm_problem *p, const void *expected, const char *when) {
    check_begin(c);
    check_describe(c, "forked %s", when);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        ck_status blas = run_blas(c, p, p->array[NORM_Y]);
        _exit(has_bits(c, p, expected) && (blas == CK_OK || blas == CK_BLAS_UNAVAILABLE) ? 0 : 1);
    }
    int waited = child > 0 && waitpid(child, &status, 0) == child;
    check_that(c, waited && WIFEXITED(status), "the call in the child did not come back");
    check_that(c, waited && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child has other bits");
}

/// A thread that makes calls, by teams or by BLAS, until it is told to stop.
typedef struct caller {
    check *check;
    const norm_problem *problem;
    void *y;
    int by_blas;
    atomic_int stops;
} caller;

static void *keep_calling(void *argument) {
    caller *o = argument;
    while (!atomic_load(&o->stops) &&
           (o->by_blas ? run_blas(o->check, o->problem, o->y) : run(o->check, o->problem, o->y, 2)) == CK_OK) {
    }
    return NULL;
}

static void check_beside_calls(check *c, const norm_problem *p, const void *expected, int by_blas) {
    caller other = {c, p, malloc(ROWS * COLS * sizeof(float)), by_blas, 0};
    pthread_t thread;
    if (!other.y || pthread_create(&thread, NULL, keep_calling, &other) != 0) exit(2);
    for (int k = 0; k < 20; k++)
        check_child(c, p, expected, by_blas ? "while another thread is in BLAS" : "while another thread calls");
    atomic_store(&other.stops, 1);
    pthread_join(thread, NULL);
    free(other.y);
}

void check_forks(check *c) {
    norm_problem p = norm_problem_make(ROWS, COLS, ROWS * COLS, 0);
    void *expected = p.array[NORM_DX];
    check_begin(c);
    norm_draw(c, &p, norm_kinds[0], ROWS, COLS, TAME);
    check_that(c, run(c, &p, expected, 1) == CK_OK, "a call on one thread is refused");
    check_child(c, &p, expected, "before any team");
    check_that(c, has_bits(c, &p, expected), "a team has other bits");
    check_child(c, &p, expected, "after a team");
    check_beside_calls(c, &p, expected, 0);
    if (run_blas(c, &p, p.array[NORM_Y]) == CK_OK) check_beside_calls(c, &p, expected, 1);
    norm_problem_free(&p);
}
