// patterns.c: the rows that patterns.h names.

#include "patterns.h"

#include <math.h>
#include <string.h>

#include "contract_sums.h"

static float from_bits(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float number;
    memcpy(&number, &low, sizeof number);
    return number;
}

/// 1e30 ... 3e38, every power of two in between about as often.
static float huge_number(random_source *r) {
    float number = from_bits((227u + (uint64_t)random_below(r, 28)) << 23 | random_bits(r) >> 41);
    return number > 3e38f ? 3e38f : number;
}

static float element(pattern p, int64_t i, float common, random_source *r) {
    switch (p) {
    case PATTERN_UNIFORM: return random_uniform(r);
    case PATTERN_OFFSET: return 1e6f + random_normal(r);
    case PATTERN_CONSTANT:
    case PATTERN_HUGE_CONSTANT: return common;
    case PATTERN_ZEROS: return random_bits(r) & 1 ? -0.0f : 0.0f;
    case PATTERN_SUBNORMAL: return from_bits((random_bits(r) & 1) << 31 | random_bits(r) >> 41);
    case PATTERN_HUGE: return random_bits(r) & 1 ? huge_number(r) : -huge_number(r);
    case PATTERN_TINY: return 1e-30f * random_normal(r);
    case PATTERN_TINIEST: return 1e-42f * random_normal(r);
    case PATTERN_ALTERNATING: return i & 1 ? -common : common;
    case PATTERN_MIXED_SCALES: return from_bits((random_bits(r) & 1) << 31 | random_bits(r) % 0x7f000000u);
    default: return random_normal(r);
    }
}

void pattern_fill(pattern p, float *row, int64_t count, random_source *r) {
    float common = p == PATTERN_CONSTANT ? 100 * random_normal(r) : huge_number(r);
    for (int64_t i = 0; i < count; i++) row[i] = element(p, i, common, r);
    float *chosen = &row[random_below(r, count)];
    if (p == PATTERN_OUTLIER) *chosen = 1e7f;
    for (int64_t j = 0; p == PATTERN_MISLEADING && count > LANES && j < LANES; j++)
        row[contract_sample_column(count, j)] += 1e6f;
    if (p == PATTERN_NAN) *chosen = NAN;
    if (p == PATTERN_INFINITY) *chosen = INFINITY;
    if (p == PATTERN_MINUS_INFINITY) *chosen = -INFINITY;
}
