/// ck_moments.h: moments that can be merged: of parts of rows, of batches, of what other processes hold.
///
///     count = n,   mean = sum_i x_i / n,   m2 = sum_i (x_i - mean)^2
///
/// Two parts A and B, in binary64, in this order (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for
/// computing sample variances, 1979):
///
///     n = nA + nB,   delta = meanB - meanA,   share = nB / n
///     mean = meanA + delta * share,   m2 = (m2A + m2B) + delta * delta * (nA * share)
///
/// A mean is one binary64, which holds the mean of a binary32 row under any offset, and m2 holds the squares of
/// the largest and smallest binary32 numbers: nothing is scaled.
#ifndef CK_MOMENTS_H
#define CK_MOMENTS_H

#include "ck_base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ck_moments {
    int64_t count;  ///< elements; 0: the moments of nothing, whatever the others hold
    double mean;
    double m2;  ///< sum of squared deviations from the mean
} ck_moments;

/// Merges `count` moments in their order: ((p0 + p1) + p2) + ...; of none, or of nothing, they are zeros.
/// `result` may be one of `parts`. CK_BAD_MOMENTS for a negative count or m2, CK_SIZE_OVERFLOW if counts add up to more
/// than an int64_t holds. NaNs pass through.
CK_API ck_status ck_moments_merge(const ck_moments *parts, int64_t count, ck_moments *result);

#ifdef __cplusplus
}
#endif
#endif
