// blocks.c: threads, through OpenMP's C entry point, libdispatch, or none.
//
// OpenMP is called by its runtime function, GOMP_parallel, which GNU's and LLVM's runtime both export:
// no compiler flag, and no outlined function that would lose a target region. Results never depend on
// the number of threads, because what a block computes depends on the block alone.

#include "parallel/blocks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#if defined(CK_OPENMP)
void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
int omp_get_num_threads(void);
int omp_get_max_threads(void);
int omp_in_parallel(void);
#elif defined(__APPLE__)
#include <dispatch/dispatch.h>
#include <unistd.h>
#endif

/// Memory traffic that is worth a thread of its own: LayerNorm of 32x768 (2 x 96 KiB) takes as long on two threads as on
/// one, 48x768 (2 x 144 KiB) 0.88 of the time, 64x768 0.75 (Zen 4, libgomp, 2026-11-25).
static const int64_t bytes_per_thread = 128 << 10;

/// A part of more than this is timed by its thread's processor time, which leaves out the time that it was stopped, and
/// costs about a microsecond; smaller ones are seldom stopped half way.
static const int64_t bytes_for_processor_time = 2 << 20;

typedef struct job {
    ck_block_function work;
    const void *context;
    int64_t count;
    int parts;
    clockid_t clock;      // of the parts
    atomic_llong worked;  // nanoseconds that they took, one after the other
} job;

static int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run_part(job *j, int part, int parts) {
    int64_t share = j->count / parts, rest = j->count % parts;
    int64_t begin = part * share + (part < rest ? part : rest);
    int64_t end = begin + share + (part < rest), start = nanoseconds(j->clock);
    if (begin < end) j->work(j->context, begin, end);
    atomic_fetch_add_explicit(&j->worked, nanoseconds(j->clock) - start, memory_order_relaxed);
}

#if defined(CK_OPENMP)

const char *ck_threading(void) { return "openmp"; }
int32_t ck_max_threads(void) { return omp_get_max_threads(); }
static int inside_region(void) { return omp_in_parallel(); }

static void member(void *data) { run_part(data, omp_get_thread_num(), omp_get_num_threads()); }
static void run_team(job *j) { GOMP_parallel(member, j, (unsigned)j->parts, 0); }

#elif defined(__APPLE__)

const char *ck_threading(void) { return "dispatch"; }
int32_t ck_max_threads(void) { return (int32_t)sysconf(_SC_NPROCESSORS_ONLN); }
static int inside_region(void) { return 0; }

static void member(void *data, size_t part) { run_part(data, (int)part, ((job *)data)->parts); }
static void run_team(job *j) { dispatch_apply_f((size_t)j->parts, DISPATCH_APPLY_AUTO, j, member); }

#else

const char *ck_threading(void) { return "serial"; }
int32_t ck_max_threads(void) { return 1; }
static int inside_region(void) { return 1; }

static void run_team(job *j) { run_part(j, 0, 1); }

#endif

/// Threads beyond the calling ones that run now. Automatic calls share the machine by it: sixteen
/// Swift tasks on two cores must not start sixteen teams.
static atomic_int helpers;

/// Nanoseconds that automatic calls still work on one thread, because threads lost time. A runtime lets the caller wait
/// until every thread of its team has been scheduled; where others use the cores, that is many times the work. A team
/// that took longer than its parts one after the other has lost the difference, and ten times as much work is then done
/// without a team: callers lose a tenth of their time at most, whatever the machine is busy with. A team that took more
/// than a tenth of a second too long was in a process that was stopped, and no more than that is counted.
static atomic_llong debt;
static const int64_t serial_for_lost = 10, most_lost = 100000000;

static void count_lost(int64_t lost) {
    if (lost <= 0) return;
    atomic_fetch_add_explicit(&debt, serial_for_lost * (lost < most_lost ? lost : most_lost), memory_order_relaxed);
}

/// A forked child has none of its parent's threads, and GNU's runtime would wait forever for those of a team
/// that anybody in the parent had. `forked`: this is the child of a process that had threads.
static atomic_int had_threads, forked;
static void before_fork(void) {
    struct stat tasks;  // a folder of a folder a thread
    atomic_store(&had_threads, stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 3);
}
static void after_fork(void) {
    if (atomic_load(&had_threads)) atomic_store(&forked, 1);
    atomic_store(&helpers, 0);
}
__attribute__((constructor)) static void watch_forks(void) { (void)pthread_atfork(before_fork, 0, after_fork); }

/// Threads for a call, before what others use is counted; 1 to stay on the calling thread.
static int64_t wanted_threads(int64_t count, int64_t bytes, int32_t threads) {
    int64_t wanted = threads > 0 ? threads : bytes / bytes_per_thread;
    if (wanted > count) wanted = count;
    if (wanted <= 1 || inside_region() || atomic_load_explicit(&forked, memory_order_relaxed)) return 1;
    return wanted;
}

int ck_is_shared(int64_t count, int64_t bytes, int32_t threads) {
    return wanted_threads(count, bytes, threads) > 1 && (threads > 0 || ck_max_threads() > 1);
}

int32_t ck_most_threads(void) {
    int32_t cores = ck_max_threads();
    return cores > 4 ? 4 * cores : 16;
}

/// Threads beyond the calling one for a call that wants some, taken from `helpers`.
static int take_helpers(int64_t wanted, int32_t threads) {
    int64_t most = ck_most_threads();
    if (threads == 0) most = ck_max_threads() - atomic_load_explicit(&helpers, memory_order_relaxed);
    if (wanted > most) wanted = most;
    if (wanted <= 1) return 0;
    atomic_fetch_add_explicit(&helpers, (int)wanted - 1, memory_order_relaxed);
    return (int)wanted - 1;
}

void ck_run_blocks(int64_t count, int64_t bytes, int32_t threads, ck_block_function work, const void *context) {
    if (count <= 0) return;
    int64_t wanted = wanted_threads(count, bytes, threads);
    int pays = wanted > 1 && threads == 0 && atomic_load_explicit(&debt, memory_order_relaxed) > 0;
    int taken = wanted > 1 && !pays ? take_helpers(wanted, threads) : 0;
    int64_t start = taken > 0 || pays ? nanoseconds(CLOCK_MONOTONIC) : 0;
    if (taken == 0) {
        work(context, 0, count);
        if (pays) atomic_fetch_sub_explicit(&debt, nanoseconds(CLOCK_MONOTONIC) - start, memory_order_relaxed);
        return;
    }
    clockid_t clock = bytes / (taken + 1) > bytes_for_processor_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    job j = {work, context, count, taken + 1, clock, 0};
    run_team(&j);
    atomic_fetch_sub_explicit(&helpers, taken, memory_order_relaxed);
    if (threads == 0) count_lost(nanoseconds(CLOCK_MONOTONIC) - start - atomic_load(&j.worked));
}
