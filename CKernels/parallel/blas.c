// blas.c: OpenBLAS, called from threads of ours.
//
// Its number of threads is one of the process. While calls of ours run it is 1, so that each of our threads computes by
// itself; the first of them saves it and the last one puts it back. (OpenBLAS's count of a thread of its own is newer
// than the versions of current distributions, and means the process there, too.)

#include "parallel/blas.h"

#if defined(CK_OPENBLAS)

#include <pthread.h>

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };  // of the C interface to BLAS
void cblas_sgemm(int order, int a_form, int b_form, int rows, int columns, int depth, float scale, const float *a,
                 int a_pitch, const float *b, int b_pitch, float c_scale, float *c, int c_pitch);
char *openblas_get_config(void);
int openblas_get_num_threads(void);
void openblas_set_num_threads(int threads);

const char *ck_blas(void) { return openblas_get_config(); }
int ck_has_blas(void) { return 1; }

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;  // calls became 0, or a fork ended
static int calls, forks, threads_before;

static void take(void) { pthread_mutex_lock(&lock); }
static void give(void) { pthread_mutex_unlock(&lock); }

void ck_blas_begin(void) {
    take();
    while (forks > 0) pthread_cond_wait(&changed, &lock);
    if (calls++ == 0) {
        threads_before = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    give();
}

void ck_blas_end(void) {
    take();
    if (--calls == 0) {
        openblas_set_num_threads(threads_before);
        pthread_cond_broadcast(&changed);
    }
    give();
}

/// fork() waits for the calls that are on their way, and calls wait for it: a child has none of its parent's other
/// threads, and would wait forever for a lock that one of them had in OpenBLAS.
static void before_fork(void) {
    take();
    forks++;
    while (calls > 0) pthread_cond_wait(&changed, &lock);
}
static void after_fork(void) {
    forks--;
    pthread_cond_broadcast(&changed);
    give();
}
static void begin_child(void) {
    forks = 0;
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;  // whoever waited is not here
    give();
}
__attribute__((constructor)) static void watch_forks(void) {
    (void)pthread_atfork(before_fork, after_fork, begin_child);
}

void ck_sgemm(int rows, int columns, int depth, float scale, ck_blas_matrix a, ck_blas_matrix b, float *c,
              int c_pitch) {
    cblas_sgemm(ROW_MAJOR, a.transposed ? TRANSPOSED : PLAIN, b.transposed ? TRANSPOSED : PLAIN, rows, columns, depth,
                scale, a.at, a.pitch, b.at, b.pitch, 0.0f, c, c_pitch);
}

#else

const char *ck_blas(void) { return "none"; }
int ck_has_blas(void) { return 0; }
void ck_blas_begin(void) {}
void ck_blas_end(void) {}
void ck_sgemm(int rows, int columns, int depth, float scale, ck_blas_matrix a, ck_blas_matrix b, float *c,
              int c_pitch) {
    (void)rows, (void)columns, (void)depth, (void)scale, (void)a, (void)b, (void)c, (void)c_pitch;
}

#endif
