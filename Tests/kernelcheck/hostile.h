// hostile.h: calls with arguments that nobody should give, drawn from bytes, and what must hold of each: it answers a
// status; refused, it changes nothing; accepted, it changes nothing but its outputs, whose bits are those of portable
// on one thread. The family `hostile` draws the bytes from a seed, Tests/fuzz from libFuzzer.
//
// Each operator has a function that draws its argument struct field by field, in the struct's order. Most draws are
// right. Some are hostile: counts and strides that are negative or overflow, pointers that are NULL, misaligned, at the
// end of the address space or on another argument. Memory is always as large as the arguments say; where it cannot be,
// the pointer is one that must be refused.

#ifndef KERNELCHECK_HOSTILE_H
#define KERNELCHECK_HOSTILE_H

#include <stddef.h>

#include "guarded.h"

/// Elements beside those of ck_type: 8 bytes of a count or a double, bytes, and indices of pages.
#define TYPE_WORD ((ck_type)101)
#define TYPE_INDEX ((ck_type)102)

/// What a call does with an argument.
typedef enum use {
    READ = 0,
    OPTIONAL = 1,  // may be NULL
    WRITTEN = 2,
    SCRATCH = 4,
    APART = 8,  // read, but rows must not meet
} use;

/// Memory that an argument names.
typedef struct hostile_area {
    const char *name;
    ck_type type;
    int use;
    char *base;  // NULL: the pointer names no memory of ours
    int slot;
    int64_t extents[4], strides[3];  // of batch, heads, rows, columns; of the first three, in elements
    int is_own;                      // alone in its slot, to be filled
} hostile_area;

enum { HOSTILE_AREAS = 40, HOSTILE_SLOTS = HOSTILE_AREAS, HOSTILE_ARGS_BYTES = 1024 };

/// One call while it is drawn.
typedef struct hostile_call {
    const uint8_t *bytes;
    size_t left;
    int odds;     // of 256: that a draw is hostile
    int hostile;  // draws that were
    double work;  // a bound for the numbers that the call computes
    ck_run run, reference;
    int areas, slots;
    hostile_area area[HOSTILE_AREAS];
    int64_t low[HOSTILE_SLOTS], high[HOSTILE_SLOTS];  // bytes of each slot that are watched
    _Alignas(16) char args[HOSTILE_ARGS_BYTES];
} hostile_call;

typedef struct hostile_operator {
    const char *name;
    entry_point entry;
    void (*draw)(hostile_call *h);
    int only_status;  // the outputs' bits are not compared
} hostile_operator;

/// An entry point behind check.h's type, and the operator that has its name.
#define HOSTILE_ENTRY(function) \
    static ck_status enter_##function(const void *args, ck_run run) { return function(args, run); }
#define HOSTILE_OPERATOR(function, draw) \
    { #function, enter_##function, draw, 0 }
#define HOSTILE_END \
    { NULL, NULL, NULL, 0 }

/// Counts of counts that overflow.
static inline int64_t product(int64_t a, int64_t b) {
    int64_t all;
    return __builtin_mul_overflow(a, b, &all) ? INT64_MAX : all;
}
static inline int64_t count_and_one(int64_t count) { return count < INT64_MAX ? count + 1 : count; }

/// 0 ..< count, from the next byte or two; 0 where none are left.
int64_t draw_below(hostile_call *h, int64_t count);

/// least ... most, or some of them.
int64_t draw_within(hostile_call *h, int64_t least, int64_t most);

/// Whether the next draw is to be hostile.
int draw_hostile(hostile_call *h);

/// least ... most, or a count that nothing has.
int64_t draw_count(hostile_call *h, int64_t least, int64_t most);

/// Columns of a row: often few, at times more than a block of a kernel.
int64_t draw_width(hostile_call *h);

ck_type draw_type(hostile_call *h);
int32_t draw_flag(hostile_call *h);

/// A number of a call: 0, `usual` or a small one; hostile: NaN, infinite, negative, subnormal.
float draw_parameter(hostile_call *h, float usual);
float draw_dropout(hostile_call *h);

/// Arguments: memory is found and filled with numbers, the pointer and its strides are written. `pointer` is the
/// address of a field. An output may be drawn in place of an input, `instead` (or NULL).
hostile_area *draw_matrix(hostile_call *h, const char *name, void *pointer, int64_t *stride, ck_type type, int64_t rows,
                          int64_t cols, int use, const hostile_area *instead);
hostile_area *draw_vector(hostile_call *h, const char *name, void *pointer, ck_type type, int64_t count, int use);
hostile_area *draw_grid(hostile_call *h, const char *name, void *pointer, ck_strides *strides, ck_type type,
                        const int64_t extents[4], int use, const hostile_area *instead);
void draw_workspace(hostile_call *h, void *pointer, size_t *size, size_t needed);

/// Whether an argument has memory of its own.
int is_to_fill(const hostile_area *a);

/// Offsets from 0 to `total` in `parts` parts, equal ones if `even`; lengths or indices within least ... most; moments.
void fill_offsets(hostile_call *h, const hostile_area *a, int64_t parts, int64_t total, int even);
void fill_within(hostile_call *h, const hostile_area *a, int64_t least, int64_t most);
void fill_moments(hostile_call *h, const hostile_area *a, int64_t count, int words);

/// A mask for scores of these extents.
void draw_mask(hostile_call *h, ck_mask *m, const int64_t extents[4]);

/// The gradient of a bias for scores of these extents, summed over some of them.
void draw_dbias(hostile_call *h, float **pointer, ck_strides *strides, const int64_t extents[4]);

/// What a call did.
typedef enum verdict { WAS_ACCEPTED, WAS_REFUSED } verdict;

/// Draws one call of an operator from bytes, makes it on c->isa and on portable, and judges.
verdict hostile_try(check *c, const hostile_operator *o, const uint8_t *bytes, size_t count);

/// All operators.
const hostile_operator *hostile_operator_at(int i);  // NULL after the last one

/// Their parts, each ended by one without a name.
extern const hostile_operator hostile_norms[], hostile_rows[], hostile_parts[], hostile_channels[], hostile_scores[],
    hostile_attentions[];

#endif
