// forks.c: the family forks: a call in a forked child comes back, with the same bits, whether or not the
// parent had a team of threads before. (GNU's OpenMP runtime would wait forever for the parent's threads.)

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "families.h"
#include "layer_norm_problem.h"

enum { ROWS = 512, COLS = 1024 };

static ck_status run(check *c, const layer_norm_problem *p, float *y) {
    ck_norm_args args = {
        .rows = ROWS, .cols = COLS, .x = p->x, .x_stride = COLS, .epsilon = 1e-5f, .y = y, .y_stride = COLS};
    return ck_layer_norm(&args, (ck_run){c->isa, 2});
}

/// The child ends by a signal if the call does not come back.
static void check_child(check *c, const layer_norm_problem *p, const float *expected, const char *when) {
    check_begin(c);
    check_describe(c, "forked %s", when);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        int same = run(c, p, p->dx) == CK_OK && memcmp(p->dx, expected, ROWS * COLS * sizeof(float)) == 0;
        _exit(same ? 0 : 1);
    }
    int waited = child > 0 && waitpid(child, &status, 0) == child;
    check_that(c, waited && WIFEXITED(status), "the call in the child did not come back");
    check_that(c, waited && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child has other bits");
}

void check_forks(check *c) {
    layer_norm_problem p = problem_make(ROWS, COLS, ROWS * COLS);
    check_begin(c);
    problem_draw(c, &p, ROWS, COLS, TAME);
    ck_norm_args serial = {
        .rows = ROWS, .cols = COLS, .x = p.x, .x_stride = COLS, .epsilon = 1e-5f, .y = p.dy, .y_stride = COLS};
    check_call(c, enter_layer_norm, &serial, (ck_run){c->isa, 1}, CK_OK);
    check_child(c, &p, p.dy, "before any team");
    check_that(c, run(c, &p, p.y) == CK_OK && memcmp(p.y, p.dy, ROWS * COLS * sizeof(float)) == 0, "a team has other bits");
    check_child(c, &p, p.dy, "after a team");
    problem_free(&p);
}
