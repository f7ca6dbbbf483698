// forks.c: fork() beside the first call of a process, which looks at the machine: the child has no thread that could
// end the look, and must not wait for one. Each try is a process that has not called the library yet.

#include "forks.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckernels.h"

enum { TRIES = 200, COUNT = 64, SECONDS = 60 };

/// Whether a call answers what it must: 64 numbers, half of them 1 and half -1, are their own LayerNorm.
static int first_call(void) {
    float x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++) x[i] = i % 2 ? 1 : -1;
    ck_norm_args args = {.rows = 1, .cols = COUNT, .x = x, .x_stride = COUNT, .y = y, .y_stride = COUNT};
    return ck_layer_norm(&args, (ck_run){CK_ISA_AUTO, 1}) == CK_OK && memcmp(x, y, sizeof x) == 0;
}

static void *call(void *unused) {
    first_call();
    return unused;
}

/// A child's exit code: 0 if it came back by itself and was right.
static int code_of(pid_t child) {
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int fork_beside_a_call(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, call, NULL) != 0) return 2;
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        _exit(!first_call());
    }
    int code = code_of(child);
    pthread_join(thread, NULL);
    return code;
}

int check_forks(void) {
    int failures = 0;
    for (int k = 0; k < TRIES; k++) {
        pid_t child = fork();
        if (child == 0) _exit(fork_beside_a_call());
        failures += code_of(child) != 0;
    }
    printf("threadcheck: %d forks beside a first call, %d wrong\n", TRIES, failures);
    return failures > 0;
}
