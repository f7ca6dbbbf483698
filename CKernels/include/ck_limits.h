/// ck_limits.h: the machine's limits, measured with the same vocabulary as the kernels.
///
/// The bench target divides what a kernel reaches by what these reach in the same run.
#ifndef CK_LIMITS_H
#define CK_LIMITS_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Copies `count` floats; with a `second` source (else NULL) it writes the sums, which is the traffic of a
/// kernel that reads two tensors and writes one. `streaming` nonzero: stores that bypass the caches
/// (destination and count then are multiples of 64 bytes, else CK_MISALIGNED_POINTER).
CK_API ck_status ck_limit_copy(const float *source, const float *second, float *destination, int64_t count,
                               int32_t streaming, ck_run run);

/// Reads `count` floats: largest[b] is the largest magnitude among floats 1024 b ..< 1024 (b + 1).
CK_API ck_status ck_limit_read(const float *source, int64_t count, float *largest, ck_run run);

/// Floating-point operations in one step of `ck_limit_fma` on one thread: 12 chains of 16 lanes, two each.
#define CK_LIMIT_FMA_FLOPS_PER_STEP (12 * 16 * 2)

/// Runs `steps` fused multiply-add steps in registers, the same on every thread; writes one float.
CK_API ck_status ck_limit_fma(int64_t steps, float *sink, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
