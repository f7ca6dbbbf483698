// philox.h: Philox 4x32-10, a counter-based generator of random bits, and the elements that dropout keeps by it.
// (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011.)

/// Sixteen counters at a time; word w of counter l is word[w][l].
typedef struct philox_words {
    uint32_t word[4][16];
} philox_words;

V_FN philox_words philox(philox_words c, uint64_t key) {
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < 16; l++) {
            uint64_t even = (uint64_t)0xD2511F53 * c.word[0][l], odd = (uint64_t)0xCD9E8D57 * c.word[2][l];
            c.word[0][l] = (uint32_t)(odd >> 32) ^ c.word[1][l] ^ key0;
            c.word[2][l] = (uint32_t)(even >> 32) ^ c.word[3][l] ^ key1;
            c.word[1][l] = (uint32_t)odd;
            c.word[3][l] = (uint32_t)even;
        }
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    return c;
}

/// Which elements of a matrix dropout keeps.
typedef struct dropout {
    uint64_t seed;
    uint32_t threshold;  // words below it drop their element
    float scale;         // of what is kept
} dropout;

V_FN dropout dropout_of(float probability, uint64_t seed) {
    uint32_t threshold = (uint32_t)((double)probability * 0x1p32);
    return (dropout){seed, threshold, 1.0f / (1.0f - probability)};
}

/// Bit j: whether column 64 * block + j of the row is kept. Its word is word j / 16 of the counter
/// (16 * block + j % 16, row, 0) under the seed as key.
V_SLOW uint64_t CK_JOIN(kept_of_block, CK_SUFFIX)(const dropout *d, int64_t row, int64_t block) {
    philox_words c = {{{0}}};
    for (int l = 0; l < 16; l++) {
        c.word[0][l] = (uint32_t)(16 * block + l);
        c.word[1][l] = (uint32_t)row;
        c.word[2][l] = (uint32_t)((uint64_t)row >> 32);
    }
    c = philox(c, d->seed);
    uint64_t kept = 0;
    for (int j = 0; j < 64; j++) kept |= (uint64_t)(c.word[j / 16][j % 16] >= d->threshold) << j;
    return kept;
}

/// Bit j: whether column + j is kept, for the up to 64 columns of a block from `column` on.
V_FN uint64_t kept_from(const dropout *d, int64_t row, int64_t column) {
    return CK_JOIN(kept_of_block, CK_SUFFIX)(d, row, column / 64) >> (column % 64);
}
