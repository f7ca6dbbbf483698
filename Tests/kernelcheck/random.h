// random.h: random numbers that every machine draws alike: splitmix64, no libm, no global state.

#ifndef KERNELCHECK_RANDOM_H
#define KERNELCHECK_RANDOM_H

#include <stdint.h>

typedef struct random_source {
    uint64_t state;
} random_source;

static inline uint64_t random_bits(random_source *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/// 0 ..< count.
static inline int64_t random_below(random_source *r, int64_t count) {
    return (int64_t)(random_bits(r) % (uint64_t)count);
}

/// One of `count` numbers.
static inline int64_t random_choice(random_source *r, const int64_t *numbers, int64_t count) {
    return numbers[random_below(r, count)];
}

/// A multiple of 2^-23 in [-1, 1).
static inline float random_uniform(random_source *r) {
    return (float)((int32_t)(random_bits(r) >> 40) - (1 << 23)) * 0x1p-23f;
}

/// Nearly normal: the sum of 12 uniform numbers, variance 1, within [-6, 6).
static inline float random_normal(random_source *r) {
    float sum = 0;
    for (int k = 0; k < 12; k++) sum += random_uniform(r) * 0.5f;
    return sum;
}

#endif
