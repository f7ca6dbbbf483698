// attention_plan.h: how a call of attention is cut into items of work, and what they need of memory. Results do not
// depend on it.

#ifndef CK_ATTENTION_PLAN_H
#define CK_ATTENTION_PLAN_H

#include <stdint.h>

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
    float *parts;    // sums of each item and chunk, where chunks are shared by threads
} ck_attention_plan;

static inline int64_t ck_whole_vectors(int64_t floats) { return (floats + 15) / 16 * 16; }

/// Floats of the sums of an item.
static inline int64_t ck_state_floats(const ck_attention_plan *p) {
    return 3 * ck_whole_vectors(p->rows_per_item) + p->rows_per_item * (16 + p->pitch);
}

/// Floats that a thread works in: a block of keys and values, queries, the sums of two chunks.
static inline int64_t ck_attention_floats(const ck_attention_plan *p, int64_t head_size) {
    int64_t width = ck_whole_vectors(head_size);
    return CK_KEY_BLOCK * (width + p->pitch) + p->rows_per_item * width + 2 * ck_state_floats(p);
}

#endif
