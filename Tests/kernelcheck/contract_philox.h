// contract_philox.h: Philox 4x32-10 from the paper (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1,
// 2, 3, 2011), one counter at a time.

#ifndef KERNELCHECK_CONTRACT_PHILOX_H
#define KERNELCHECK_CONTRACT_PHILOX_H

#include <math.h>
#include <stdint.h>

typedef struct philox_block {
    uint32_t word[4];
} philox_block;

/// A counter's four words under a key.
static inline philox_block contract_philox(philox_block counter, uint32_t key_low, uint32_t key_high) {
    philox_block b = counter;
    for (uint32_t round = 0; round < 10; round++) {
        uint64_t first = 0xD2511F53ull * b.word[0], second = 0xCD9E8D57ull * b.word[2];
        b = (philox_block){{
            (uint32_t)(second >> 32) ^ b.word[1] ^ (key_low + round * 0x9E3779B9u),
            (uint32_t)second,
            (uint32_t)(first >> 32) ^ b.word[3] ^ (key_high + round * 0xBB67AE85u),
            (uint32_t)first,
        }};
    }
    return b;
}

/// Whether dropout keeps an element: its word reaches the threshold.
static inline int contract_keeps(float probability, uint64_t seed, uint64_t row, int64_t column) {
    philox_block counter = {{(uint32_t)(column / 64 * 16 + column % 16), (uint32_t)row, (uint32_t)(row >> 32), 0}};
    philox_block words = contract_philox(counter, (uint32_t)seed, (uint32_t)(seed >> 32));
    return words.word[column % 64 / 16] >= floor(ldexp((double)probability, 32));
}

#endif
