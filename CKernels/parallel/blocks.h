// blocks.h: the whole threading interface. blocks.c is the only file that knows OpenMP or libdispatch.

#ifndef CK_BLOCKS_H
#define CK_BLOCKS_H

#include <stdint.h>

#include "ck_base.h"

/// Works on blocks begin ..< end. It may run on any thread, once for each part of the whole.
typedef void (*ck_block_function)(const void *context, int64_t begin, int64_t end);

/// Runs `work` over blocks 0 ..< count, cut into contiguous parts, one a thread.
///
/// `threads` is what the caller asked for: 0 takes as many as `bytes` of memory traffic are worth, as this machine has
/// and as other callers leave free, and for a while none where they lost time; another number is an upper limit. Inside
/// somebody's parallel region, and in a child forked from a process with threads, it runs on the calling thread alone.
void ck_run_blocks(int64_t count, int64_t bytes, int32_t threads, ck_block_function work, const void *context);

/// Whether such a call would take more than one thread if others leave them free.
int ck_is_shared(int64_t count, int64_t bytes, int32_t threads);

/// "openmp", "dispatch" or "serial".
const char *ck_threading(void);

/// What `threads = 0` may use at most.
int32_t ck_max_threads(void);

/// What any call may use at most: runtimes end the process where they cannot start a thread.
int32_t ck_most_threads(void);

#endif
