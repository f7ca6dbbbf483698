// patterns.h: rows of numbers that break careless kernels.

#ifndef KERNELCHECK_PATTERNS_H
#define KERNELCHECK_PATTERNS_H

#include <stdint.h>

#include "random.h"

typedef enum pattern {
    PATTERN_UNIFORM,         // -1 ... 1
    PATTERN_NORMAL,          // mean 0, variance 1
    PATTERN_OFFSET,          // 1e6 + normal
    PATTERN_OUTLIER,         // normal, one element 1e7
    PATTERN_MISLEADING,      // normal, but 1e6 where the contract takes its sample
    PATTERN_CONSTANT,        // one number
    PATTERN_HUGE_CONSTANT,   // one number, 1e30 ... 3e38
    PATTERN_ZEROS,           // +0 and -0
    PATTERN_SUBNORMAL,       // below 1.2e-38, either sign
    PATTERN_HUGE,            // 1e30 ... 3e38, either sign
    PATTERN_TINY,            // about 1e-30
    PATTERN_TINIEST,         // about 1e-42
    PATTERN_ALTERNATING,     // +big, -big, ...
    PATTERN_MIXED_SCALES,    // every element of another magnitude
    PATTERN_NAN,             // normal, one NaN
    PATTERN_INFINITY,        // normal, one +infinity
    PATTERN_MINUS_INFINITY,  // normal, one -infinity
    PATTERNS,
    TAME_PATTERNS = PATTERN_HUGE_CONSTANT,  // the first ones: sums over rows stay finite
    FINITE_PATTERNS = PATTERN_NAN,
} pattern;

void pattern_fill(pattern p, float *row, int64_t count, random_source *random);

#endif
