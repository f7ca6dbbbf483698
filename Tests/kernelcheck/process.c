// process.c: a family in a process of its own, so that a crash, on whatever thread, is a recorded failure
// and the next family begins as if nothing had happened.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/// Of a build for `make coverage` alone: writes what was covered, which _exit leaves out.
int __llvm_profile_write_file(void) __attribute__((weak));

/// How a child ended, if not of its own will; NULL if it did.
static const char *end_of(int status) {
    if (WIFSIGNALED(status)) return strsignal(WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NULL : "the process ended early";
}

check check_in_process(check start, void (*family)(check *)) {
    check *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("kernelcheck: memory");
        exit(2);
    }
    *shared = start;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        family(shared);
        fflush(stdout);
        if (__llvm_profile_write_file) __llvm_profile_write_file();
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("kernelcheck: process");
        exit(2);
    }
    const char *end = end_of(status);
    shared->ends_at_failure = 0;  // here it would be kernelcheck's end
    if (end) check_fail(shared, "crash: %s", end);
    check result = *shared;
    munmap(shared, sizeof *shared);
    return result;
}
