// philox.h: Philox 4x32-10, a counter-based generator of random bits, and the elements that dropout keeps by it.
// (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011.)

/// Eight counters at a time: as many as registers hold beside the constants.
typedef struct philox_words {
    vw word[4];
} philox_words;

V_FN philox_words philox(philox_words c, uint64_t key) {
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        vw even = vw_mul(c.word[0], vw_set(0xD2511F53)), odd = vw_mul(c.word[2], vw_set(0xCD9E8D57));
        c.word[0] = vw_xor(vw_xor(vw_upper(odd), c.word[1]), vw_set(key0));
        c.word[1] = odd;
        c.word[2] = vw_xor(vw_xor(vw_upper(even), c.word[3]), vw_set(key1));
        c.word[3] = even;
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
    uint64_t kept = 0;
    for (int first = 0; first < 16; first += 8) {
        vw counter = vw_count((uint32_t)(16 * block + first));
        vw row_low = vw_set((uint32_t)row), row_high = vw_set((uint32_t)((uint64_t)row >> 32));
        philox_words c = philox((philox_words){{counter, row_low, row_high, vw_set(0)}}, d->seed);
        for (int w = 0; w < 4; w++)
            kept |= (uint64_t)vw_bits_at_least(c.word[w], vw_set(d->threshold)) << (16 * w + first);
    }
    return kept;
}

/// Bit j: whether column + j is kept, for the up to 64 columns of a block from `column` on.
V_FN uint64_t kept_from(const dropout *d, int64_t row, int64_t column) {
    return CK_JOIN(kept_of_block, CK_SUFFIX)(d, row, column / BLOCK) >> column % BLOCK;
}

/// The blocks of a chunk.
typedef struct kept_columns {
    uint64_t block[CHUNK / BLOCK];
} kept_columns;

V_SLOW kept_columns CK_JOIN(kept_of_chunk, CK_SUFFIX)(const dropout *d, int64_t row, int64_t column, int64_t width) {
    kept_columns kept;
    for (int64_t i = 0; i < width; i += BLOCK) kept.block[i / BLOCK] = kept_from(d, row, column + i);
    return kept;
}
