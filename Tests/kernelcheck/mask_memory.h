// mask_memory.h: where the arguments of a call under a mask lie: layouts of tensors [batch, heads, rows, columns], and
// the mask's own tensors, each in a guarded memory.

#ifndef KERNELCHECK_MASK_MEMORY_H
#define KERNELCHECK_MASK_MEMORY_H

#include "score_problem.h"

enum { MAX_GAP = 37 };

typedef struct mask_memory {
    guarded bias, boolean, lengths, offsets, slopes, sinks;
} mask_memory;

mask_memory mask_memory_make(void);
void mask_memory_free(mask_memory *m);

/// The mask of a problem, laid out.
ck_mask place_mask(check *c, const mask_memory *m, const score_problem *p);

/// Rows of a tensor: in its order, or heads or batch entries within rows. Strides in rows.
ck_strides draw_layout(check *c, int64_t batch, int64_t heads, int64_t rows);

static inline ck_strides times(ck_strides s, int64_t row) {
    return (ck_strides){s.batch * row, s.head * row, s.row * row};
}

/// A matrix at any place, with a gap of up to MAX_GAP between rows.
matrix place(check *c, const guarded *home, ck_type type, int64_t rows, int64_t cols);

/// Numbers in their memory, whole ones at one end of it; NULL if they are not given.
const int64_t *place_integers(check *c, const guarded *home, const int64_t *numbers, int64_t count);
const float *place_floats(check *c, const guarded *home, const float *numbers, int64_t count);

#endif
