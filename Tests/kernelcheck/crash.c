// crash.c: the checked call: signals of a crash become recorded failures, and the run goes on.

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/// The call in progress on the first thread, and the way out of it.
static volatile sig_atomic_t calling;
static sigjmp_buf escape;
static pthread_t first_thread;

/// The first crash on another thread of a team.
static atomic_int crash_elsewhere;

/// A crash on the first thread leaves the call by a jump. Another thread has nowhere to jump to: it
/// tells the first one, which waits for it at the team's end, and stays where it is for good.
static void crashed(int signal) {
    static const char outside[] = "kernelcheck: crash outside a checked call\n";
    int none = 0;
    if (pthread_equal(pthread_self(), first_thread)) {
        if (calling) siglongjmp(escape, signal);
        _exit(write(STDERR_FILENO, outside, sizeof outside - 1) < 0 ? 4 : 3);
    }
    if (atomic_compare_exchange_strong(&crash_elsewhere, &none, signal)) pthread_kill(first_thread, SIGUSR1);
    for (;;) pause();
}

static void told_of_crash(int signal) {
    (void)signal;
    if (calling) siglongjmp(escape, atomic_load(&crash_elsewhere));
}

void check_catch_crashes(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    first_thread = pthread_self();
    struct sigaction crash = {.sa_handler = crashed, .sa_flags = SA_NODEFER};
    struct sigaction told = {.sa_handler = told_of_crash, .sa_flags = SA_NODEFER};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &crash, NULL);
    sigaction(SIGUSR1, &told, NULL);
}

/// A team that was left by a jump stays open. Its other threads are given time to come to rest; to the
/// runtime all later calls are made inside of it, so they run on one thread.
static void record_crash(check *c, int signal, int threads) {
    static int left_a_team;
    static const struct timespec rest = {.tv_nsec = 100000000};
    if (threads != 1 && !left_a_team) nanosleep(&rest, NULL);
    left_a_team |= threads != 1;
    check_fail(c, "crash: %s%s", strsignal(signal),
               left_a_team ? " (calls may run on one thread only from here on)" : "");
}

int check_call(check *c, entry_point entry, const void *args, ck_run run, ck_status expected) {
    int signal = sigsetjmp(escape, 0);
    if (signal != 0) {
        calling = 0;
        record_crash(c, signal, run.threads);
        return 0;
    }
    calling = 1;
    ck_status status = entry(args, run);
    calling = 0;
    if (status == expected) return 1;
    check_fail(c, "answered \"%s\" instead of \"%s\"", ck_status_text(status), ck_status_text(expected));
    return 0;
}
