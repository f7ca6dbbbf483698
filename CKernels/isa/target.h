// target.h: how a file opens a region for an instruction set, without compiler flags. All headers of
// the system are included here, before any region.

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "dispatch/kernel_table.h"

#if CK_X86
#include <immintrin.h>
#endif
#if CK_ARM64
#include <arm_neon.h>
#endif

/// Names of the including file's instruction set, which it gives as CK_SUFFIX.
#define CK_JOIN_(a, b) a##_##b
#define CK_JOIN(a, b) CK_JOIN_(a, b)
#define CK_KERNEL(name) static void CK_JOIN(name, CK_SUFFIX)

#define CK_PRAGMA(text) _Pragma(#text)

/// Without optimisation a body's variables each have their own place: inlined whole, softmax would take 8 MiB of stack.
/// CK_SMALL leaves the choice to the compiler: the same bits from slower kernels that are compiled in seconds, where a
/// sanitizer or an emulator runs them (gcc's NEON at -O1: 8 s instead of 416, on Zen 3, 2026-11-28).
#if defined(__OPTIMIZE__) && !defined(CK_SMALL)
#define V_FN static inline __attribute__((always_inline))
#else
#define V_FN static inline
#endif
/// For what a row needs once at most and no loop should carry.
#define V_SLOW static __attribute__((noinline))
/// Before a loop over the vectors of a block: its sums are to stay in registers.
#if defined(__clang__)
#define V_UNROLL CK_PRAGMA(clang loop unroll(full))
#else
#define V_UNROLL CK_PRAGMA(GCC unroll 8)
#endif

/// A counter of time, by which parts of one call are compared; always 0 where there is none.
#if CK_X86
#define CK_TICKS() ((uint64_t)__builtin_ia32_rdtsc())
#elif CK_ARM64
static inline uint64_t ck_counter(void) {
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
#define CK_TICKS() ck_counter()
#else
#define CK_TICKS() ((uint64_t)0)
#endif

/// Floats that a kernel may keep on the stack beyond 64 KiB. Threads of musl have 128 KiB, others at least 512.
#if defined(__GLIBC__) || defined(__APPLE__)
#define STACK_FLOATS (64 * 1024)
#else
#define STACK_FLOATS (16 * 1024)
#endif

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#define CK_TARGET_BEGIN(isa) CK_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define CK_TARGET_END CK_PRAGMA(clang attribute pop)
#else
#define CK_TARGET_BEGIN(isa) CK_PRAGMA(GCC push_options) CK_PRAGMA(GCC target(isa))
#define CK_TARGET_END CK_PRAGMA(GCC pop_options)
#endif
