// convert.c: the family convert: numbers of each storage type, converted to each, against storage_types.h.
//
// Every number of a 16-bit type. Of the floats, those where rounding can go wrong, and every 997th; with
// --exhaustive all 2^32 where they are rounded.

#include <inttypes.h>
#include <math.h>

#include "convert_entry.h"
#include "families.h"

enum { PIECE = 1 << 16 };

/// Numbers on their way through one call.
typedef struct piece {
    ck_type from, to;
    int64_t count;
    uint32_t x[PIECE], y[PIECE], expected[PIECE];  // room for the largest type
} piece;

static void compare(check *c, piece *p) {
    ck_convert_args args = {1, p->count, p->x, p->from, p->count, p->y, p->to, p->count};
    if (p->count == 0) return;
    if (check_call(c, enter_convert, &args, (ck_run){c->isa, 1}, CK_OK))
        check_row(c, "y", p->to, 0, p->y, p->expected, p->count);
    check_count(c);
    p->count = 0;
}

static void add(check *c, piece *p, uint32_t bits) {
    type_set_bits(p->from, p->x, p->count, bits);
    type_set_bits(p->to, p->expected, p->count, type_round(p->to, type_widen(p->from, bits)));
    if (++p->count == PIECE) compare(c, p);
}

/// A float, two below and two above it.
static void add_around(check *c, piece *p, float number) {
    uint32_t bits = type_round(CK_F32, number);
    for (uint32_t near = bits - 2; near != bits + 3; near++) add(c, p, near);
}

static void begin(check *c, piece *p, ck_type from, ck_type to, const char *which) {
    p->from = from;
    p->to = to;
    check_begin(c);
    check_describe(c, "%s to %s, %s", type_name(from), type_name(to), which);
}

static void check_sixteen_bits(check *c, piece *p, ck_type from, ck_type to) {
    begin(c, p, from, to, "all patterns");
    for (uint32_t bits = 0; bits <= 0xffff; bits++) add(c, p, bits);
    compare(c, p);
}

static void check_floats(check *c, piece *p, ck_type to) {
    uint32_t step = c->exhaustive && to != CK_F32 ? 1 : c->quick ? 99991 : 997;
    begin(c, p, CK_F32, to, step == 1 ? "all patterns" : "patterns in equal steps");
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += step) add(c, p, (uint32_t)bits);
    compare(c, p);
}

/// Around each number of a 16-bit type (also the infinities and both zeros), and halfway to the next larger magnitude.
/// Beyond the largest one that is as far as the step before.
static void check_ties(check *c, piece *p, ck_type to) {
    begin(c, p, CK_F32, to, "around exact numbers and ties");
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        if (type_is_nan(to, bits)) continue;
        float number = type_widen(to, bits);
        add_around(c, p, number);
        if (isinf(number)) continue;
        double next = (double)type_widen(to, bits + 1);
        if (isinf(next)) next = 2 * (double)number - (double)type_widen(to, bits - 1);
        add_around(c, p, (float)((number + next) / 2));
    }
    compare(c, p);
}

void check_convert(check *c) {
    static piece p;
    for (ck_type to = CK_F32; to <= CK_F16; to++) {
        check_sixteen_bits(c, &p, CK_BF16, to);
        check_sixteen_bits(c, &p, CK_F16, to);
        check_floats(c, &p, to);
        if (to != CK_F32) check_ties(c, &p, to);
    }
}
