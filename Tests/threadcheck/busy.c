// busy.c: LayerNorm of 1024 x 1024, made a fixed number of times in all by several callers at once, alone or beside
// threads that do something else on every core: how long that takes with the automatic thread count, and with counts
// asked for, in the time of calls that stay on their callers' threads.
//
// On a busy machine threads cannot help, so the ratio is the price of asking for threads all the same. Runs alternate,
// and the median of their ratios is what counts.

#include "busy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ckernels.h"

enum { ROWS = 1024, COLS = 1024, CALLS = 320, REPEATS = 7, MOST_CALLERS = 16, MOST_OTHERS = 256 };

typedef struct worker {
    pthread_t thread;
    float *x, *y;
    int calls;
    int32_t threads;
    ck_status status;
} worker;

static void *work(void *argument) {
    worker *w = argument;
    ck_norm_args args = {
        .rows = ROWS, .cols = COLS, .x = w->x, .x_stride = COLS, .epsilon = 1e-5f, .y = w->y, .y_stride = COLS};
    for (int call = 0; call < w->calls && w->status == CK_OK; call++)
        w->status = ck_layer_norm(&args, (ck_run){CK_ISA_AUTO, w->threads});
    return NULL;
}

/// Seconds until all callers have made their calls.
static double seconds(worker *workers, int count, int32_t threads) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int k = 0; k < count; k++) {
        workers[k].threads = threads;
        workers[k].calls = CALLS / count;
        if (pthread_create(&workers[k].thread, NULL, work, &workers[k]) != 0) exit(2);
    }
    for (int k = 0; k < count; k++) {
        pthread_join(workers[k].thread, NULL);
        if (workers[k].status != CK_OK) exit(2);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static atomic_int others_stop;

static void *keep_busy(void *unused) {
    while (!atomic_load_explicit(&others_stop, memory_order_relaxed)) {
    }
    return unused;
}

/// One line: the median ratios; the one of the automatic count is the answer.
static double measure(worker *workers, int callers, int others) {
    static const int32_t counts[] = {0, 2, 8};
    double serial[REPEATS], ratios[3][REPEATS];
    pthread_t busy[MOST_OTHERS];
    atomic_store(&others_stop, 0);
    for (int k = 0; k < others; k++)
        if (pthread_create(&busy[k], NULL, keep_busy, NULL) != 0) exit(2);
    for (int r = 0; r < REPEATS; r++) {
        serial[r] = seconds(workers, callers, 1);
        for (int k = 0; k < 3; k++) ratios[k][r] = seconds(workers, callers, counts[k]) / serial[r];
    }
    atomic_store(&others_stop, 1);
    for (int k = 0; k < others; k++) pthread_join(busy[k], NULL);
    qsort(serial, REPEATS, sizeof *serial, compare_doubles);
    for (int k = 0; k < 3; k++) qsort(ratios[k], REPEATS, sizeof *ratios[k], compare_doubles);
    printf("%7d %7d %10.1f  %9.2f  %9.2f  %9.2f\n", callers, others, serial[REPEATS / 2] * 1e3, ratios[0][REPEATS / 2],
           ratios[1][REPEATS / 2], ratios[2][REPEATS / 2]);
    return ratios[0][REPEATS / 2];
}

int measure_busy(void) {
    static worker workers[MOST_CALLERS];
    static const int callers[] = {1, 2, 4, MOST_CALLERS};
    int cores = ck_inspect().max_threads < MOST_OTHERS ? ck_inspect().max_threads : MOST_OTHERS;
    double worst = 0;
    for (int k = 0; k < MOST_CALLERS; k++) {
        workers[k].x = aligned_alloc(64, ROWS * COLS * sizeof(float));
        workers[k].y = aligned_alloc(64, ROWS * COLS * sizeof(float));
        if (!workers[k].x || !workers[k].y) return 2;
        for (int i = 0; i < ROWS * COLS; i++) workers[k].x[i] = (float)(i % 1009);
    }
    printf("LayerNorm %d x %d, %d calls in all, threads: %s, %d cores\n", ROWS, COLS, CALLS, ck_inspect().threading,
           cores);
    printf("callers  others  serial ms  automatic  2 threads  8 threads   in the time of serial\n");
    for (int n = 0; n < 8; n++) {
        double ratio = measure(workers, callers[n % 4], n < 4 ? 0 : cores);
        worst = ratio > worst ? ratio : worst;
    }
    printf("%s: the automatic count takes at most %.2f of the time of serial\n", worst > 2 ? "FAILED" : "passed",
           worst);
    return worst > 2;
}
