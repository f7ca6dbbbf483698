// teams.c: what CKernels uses of an OpenMP runtime, by plain threads: for ThreadSanitizer, which cannot see into a
// runtime that it did not compile, and so would neither find a race nor believe that there is none. Linked in place of
// the runtime, with nothing suppressed.

#include <pthread.h>
#include <stdlib.h>

enum { MOST = 64 };

typedef struct member {
    void (*function)(void *);
    void *data;
    int number, count;
} member;

static _Thread_local member current = {.count = 1};

int omp_get_thread_num(void) { return current.number; }
int omp_get_num_threads(void) { return current.count; }
int omp_get_max_threads(void) { return 4; }
int omp_in_parallel(void) { return current.count > 1; }

static void *run(void *argument) {
    member before = current;
    current = *(member *)argument;
    current.function(current.data);
    current = before;
    return NULL;
}

void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags) {
    member members[MOST];
    pthread_t handles[MOST];
    int count = threads < MOST ? (int)threads : MOST;
    (void)flags;
    for (int k = 0; k < count; k++) members[k] = (member){function, data, k, count};
    for (int k = 1; k < count; k++)
        if (pthread_create(&handles[k], NULL, run, &members[k]) != 0) abort();
    run(&members[0]);
    for (int k = 1; k < count; k++) pthread_join(handles[k], NULL);
}
