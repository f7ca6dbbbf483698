// mask_memory.c: layouts and masks in memory.

#include "mask_memory.h"

mask_memory mask_memory_make(void) {
    int64_t wide = matrix_needs(CK_F32, 1, SCORE_ELEMENTS + SCORE_ROWS * MAX_GAP),
            narrow = matrix_needs(CK_F32, 1, 2 * SCORE_ROWS);
    return (mask_memory){guarded_make(wide),   guarded_make(wide),   guarded_make(narrow),
                         guarded_make(narrow), guarded_make(narrow), guarded_make(narrow)};
}

void mask_memory_free(mask_memory *m) {
    guarded *all[] = {&m->bias, &m->boolean, &m->lengths, &m->offsets, &m->slopes, &m->sinks};
    for (int i = 0; i < 6; i++) guarded_free(all[i]);
}

ck_strides draw_layout(check *c, int64_t b, int64_t h, int64_t q) {
    ck_strides layouts[] = {{h * q, q, 1}, {h * q, q, 1}, {q * h, 1, h}, {1, b * q, b}, {h, 1, b * h}};
    return layouts[random_below(&c->random, 5)];
}

matrix place(check *c, const guarded *home, ck_type type, int64_t rows, int64_t cols) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, MAX_GAP};
    int64_t stride = cols + random_choice(&c->random, gaps, 6);
    return matrix_place(home, type, rows, cols, stride, (int)random_below(&c->random, PLACES));
}

const int64_t *place_integers(check *c, const guarded *home, const int64_t *numbers, int64_t count) {
    if (!numbers) return NULL;
    matrix m = matrix_place(home, CK_F32, 1, 2 * count, 2 * count, FLUSH_START + (int)random_below(&c->random, 2));
    matrix_fill(m, numbers);
    return m.base;
}
const float *place_floats(check *c, const guarded *home, const float *numbers, int64_t count) {
    if (!numbers) return NULL;
    matrix m = place(c, home, CK_F32, 1, count);
    matrix_fill(m, numbers);
    return m.base;
}

ck_mask place_mask(check *c, const mask_memory *m, const score_problem *p) {
    ck_mask mask = p->mask;
    if (mask.bias) {
        matrix bias = place(c, &m->bias, mask.bias_type, p->bias_rows, p->keys);
        matrix_fill(bias, p->stored_bias);
        mask.bias = bias.base;
        mask.bias_strides = times(mask.bias_strides, bias.stride);
    }
    if (mask.boolean) {
        matrix boolean = place(c, &m->boolean, TYPE_S8, p->boolean_rows, p->keys);
        matrix_fill(boolean, p->boolean);
        mask.boolean = boolean.base;
        mask.boolean_strides = times(mask.boolean_strides, boolean.stride);
    }
    mask.lengths = place_integers(c, &m->lengths, mask.lengths, p->length_count);
    mask.offsets = place_integers(c, &m->offsets, mask.offsets, p->batch);
    mask.slopes = place_floats(c, &m->slopes, mask.slopes, p->heads);
    mask.sinks = place_floats(c, &m->sinks, mask.sinks, p->heads);
    return mask;
}
