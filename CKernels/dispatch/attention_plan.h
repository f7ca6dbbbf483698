// attention_plan.h: how a call of attention is cut into items of work, and what they need of memory. Results do not
// depend on it.

#ifndef CK_ATTENTION_PLAN_H
#define CK_ATTENTION_PLAN_H

#include <stdint.h>

#include "dispatch/score_sums.h"

/// Keys in a block, and in a chunk whose sums join those before it: part of the arithmetic contract.
#define CK_KEY_BLOCK 64
#define CK_KEY_CHUNK 512

/// Rows in an item at most. A row is a query of one of the query heads that share a key head.
#define CK_ITEM_ROWS 192

typedef struct ck_attention_plan {
    int64_t rows_per_item;
    int64_t items;   // of a batch entry and key head
    int64_t planes;  // batch entries times key heads
    int64_t chunks;  // of all keys
    int64_t pitch;   // floats from one row of sums to the next
    int rounds;      // weights are rounded to bfloat16 before they meet the values
    float *parts;    // sums of each item and chunk, where chunks are shared by threads
} ck_attention_plan;

static inline int64_t ck_whole_vectors(int64_t floats) { return (floats + 15) / 16 * 16; }

/// Floats of the sums of an item: of weights, with rounding also of unrounded ones, and of values.
static inline int64_t ck_state_floats(const ck_attention_plan *p) {
    return 3 * ck_whole_vectors(p->rows_per_item) + p->rows_per_item * ((p->rounds ? 32 : 16) + p->pitch);
}

/// Floats that a thread works in: a block of keys, values and scores, queries (with rounding also as pairs), the sums
/// of two chunks.
static inline int64_t ck_attention_floats(const ck_attention_plan *p, int64_t head_size) {
    int64_t width = ck_whole_vectors(head_size);
    int64_t query = width + (p->rounds ? ck_whole_vectors(width / 2) : 0);
    return CK_KEY_BLOCK * (width + p->pitch + p->rows_per_item) + p->rows_per_item * query + 2 * ck_state_floats(p);
}

/// How the backward pass is cut: into planes; or, where these are fewer than threads, first into ranges of keys, for
/// the gradients of keys and values, then into ranges of rows, for those of queries, slopes, sinks, and a bias that no
/// two rows share. A shared one has units of its own: tiles of 64 of its rows and 64 keys.
typedef struct ck_attention_gradient_plan {
    int64_t planes, rows, keys;
    int64_t key_units, row_units;          // of a plane; 0: the planes are the units
    int64_t keys_per_unit, rows_per_unit;  // multiples of CK_KEY_BLOCK
    int wants_keys, wants_rows, wants_slopes;
    int writes_bias;     // beside the gradients of rows
    ck_score_sums sums;  // of the mask's parameters
} ck_attention_gradient_plan;

typedef struct ck_attention_unit {
    int64_t plane, first_key, last_key, first_row, last_row;
    int wants_keys, wants_rows;
} ck_attention_unit;

static inline int64_t ck_attention_units(const ck_attention_gradient_plan *p) {
    if (!p->wants_keys && !p->wants_rows) return 0;
    if (p->key_units + p->row_units == 0) return p->planes;
    return p->planes * (p->key_units + p->row_units);
}

static inline ck_attention_unit ck_attention_unit_of(const ck_attention_gradient_plan *p, int64_t n) {
    if (p->key_units + p->row_units == 0)
        return (ck_attention_unit){n, 0, p->keys, 0, p->rows, p->wants_keys, p->wants_rows};
    int64_t of_keys = p->planes * p->key_units;
    if (n < of_keys) {
        int64_t first = n % p->key_units * p->keys_per_unit;
        return (ck_attention_unit){n / p->key_units, first, first + p->keys_per_unit, 0, p->rows, 1, 0};
    }
    n -= of_keys;
    int64_t first = n % p->row_units * p->rows_per_unit;
    return (ck_attention_unit){n / p->row_units, 0, p->keys, first, first + p->rows_per_unit, 0, 1};
}

static inline int64_t ck_blocks_of(int64_t count) { return (count + CK_KEY_BLOCK - 1) / CK_KEY_BLOCK; }

static inline int64_t ck_attention_bias_units(const ck_attention_gradient_plan *p) {
    const ck_score_axes *apart = &p->sums.apart;
    return apart->batch * apart->heads * ck_blocks_of(apart->queries) * ck_blocks_of(p->keys);
}

/// Floats that a thread works in: five blocks of scores, seven of rows, and for each row of a plane delta, the gradient
/// of its query and the lanes of its slope.
static inline int64_t ck_attention_gradient_floats(const ck_attention_gradient_plan *p, int64_t head_size,
                                                   int64_t value_size) {
    int64_t key = ck_whole_vectors(head_size), value = ck_whole_vectors(value_size);
    int64_t rows = ck_whole_vectors(p->rows) + p->rows * (key + (p->wants_slopes ? 32 : 0));
    return CK_KEY_BLOCK * (5 * CK_KEY_BLOCK + 4 * key + 3 * value) + rows;
}

#endif
