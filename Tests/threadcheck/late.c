// late.c: what automatic calls lose to a runtime whose threads come late: a tenth of their time at most. The runtime's
// functions are here, in place of the real ones: a team is the calling thread, which does every part, after a delay.
//
// A call that asks for threads gets a team each time. Automatic ones get them as long as nothing is lost, and after a
// delay none until the work done without is ten times as long. This follows from what the library measures itself, so
// it holds on a busy machine, too.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ckernels.h"

enum { ROWS = 256, COLS = 1024, CALLS = 2000, DELAY = 1000000, EXPLICIT = 5, ENOUGH = 200 };
static const int64_t limit = 60000000000;  // nanoseconds of the processor

static int member, members = 1, teams;
static int64_t delay;

static int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int omp_get_thread_num(void) { return member; }
int omp_get_num_threads(void) { return members; }
int omp_get_max_threads(void) { return 4; }
int omp_in_parallel(void) { return members > 1; }

void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags) {
    int64_t end = nanoseconds(CLOCK_MONOTONIC) + delay;
    (void)flags;
    while (nanoseconds(CLOCK_MONOTONIC) < end) {
    }
    teams++;
    members = (int)threads;
    for (member = 0; member < members; member++) function(data);
    members = 1;
    member = 0;
}

static _Alignas(64) float x[ROWS * COLS], y[ROWS * COLS];

/// Makes calls; how many teams they had.
static int make_calls(int count, int32_t threads) {
    ck_norm_args args = {
        .rows = ROWS, .cols = COLS, .x = x, .x_stride = COLS, .epsilon = 1e-5f, .y = y, .y_stride = COLS};
    teams = 0;
    for (int k = 0; k < count; k++)
        if (ck_layer_norm(&args, (ck_run){CK_ISA_AUTO, threads}) != CK_OK) exit(2);
    return teams;
}

/// Whether automatic calls have teams. Some have none: a team of one thread loses a little by itself, and much if that
/// thread is stopped at the wrong moment.
static int have_teams(void) {
    int64_t end = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) + limit;
    int count = 0;
    while (count < ENOUGH && nanoseconds(CLOCK_PROCESS_CPUTIME_ID) < end) count += make_calls(1, 0);
    return count == ENOUGH;
}

static int check(int holds, const char *what) {
    if (!holds) printf("FAILED: %s\n", what);
    return !holds;
}

int main(void) {
    int failures = 0;
    for (int i = 0; i < ROWS * COLS; i++) x[i] = (float)(i % 1009);
    failures += check(have_teams(), "automatic calls hardly have teams where nothing is lost");

    delay = DELAY;
    int64_t start = nanoseconds(CLOCK_MONOTONIC);
    int late = make_calls(CALLS, 0);
    int64_t took = nanoseconds(CLOCK_MONOTONIC) - start, lost = (int64_t)late * DELAY;
    // Before each team but the first, ten times as much work as was lost is done; the last team is not made up yet.
    failures += check(late >= 1 && lost - DELAY <= took / 10, "automatic calls go on with threads that come late");
    failures += check(make_calls(EXPLICIT, 2) == EXPLICIT, "calls that ask for threads do without");

    delay = 0;
    failures += check(have_teams(), "automatic calls stay without threads that are there again");
    printf("late: of %d calls %d had late threads, %.3f of the time lost\n", CALLS, late, (double)lost / (double)took);
    return failures > 0;
}
