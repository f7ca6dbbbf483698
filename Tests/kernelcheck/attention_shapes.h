// attention_shapes.h: the shapes that both families of attention go through.

#ifndef KERNELCHECK_ATTENTION_SHAPES_H
#define KERNELCHECK_ATTENTION_SHAPES_H

#include "attention_memory.h"

typedef void (*attention_comparison)(check *c, attention_problem *p, const attention_memory *m, attention_shape s);

/// Up to 70 keys, every combination of masks, sizes of heads.
void attention_compare_shapes(check *c, attention_problem *p, const attention_memory *m, attention_comparison compare);

/// How often a family goes through its shapes.
static inline int attention_repeats(const check *c) { return c->quick ? 1 : 6; }

/// Eleven numbers of keys about the ends of chunks.
extern const int64_t attention_many_keys[11];

#endif
