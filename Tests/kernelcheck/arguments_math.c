// arguments_math.c: what ck_exp_1ulp and ck_tanh_2ulp refuse.

#include <stddef.h>

#include "arguments.h"
#include "math_entry.h"

enum { COUNT = 64 };

#define RIGHT_MAP ((map_args){b->floats, b->floats + PLACE, COUNT})
#define REFUSES(status, ...) CHANGED_CALL(map_args, RIGHT_MAP, board_refuses(c, b, entry, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED_CALL(map_args, RIGHT_MAP, board_accepts(c, b, entry, &a, run), __VA_ARGS__)

static void check_map(check *c, board *b, entry_point entry) {
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    REFUSES(CK_BAD_SHAPE, a.count = -1);
    REFUSES(CK_SIZE_OVERFLOW, a.count = INT64_MAX / 2);
    REFUSES(CK_SIZE_OVERFLOW, a.x = AT_THE_END);
    REFUSES(CK_OVERLAP, a.y = b->floats + COUNT - 1);
    REFUSES(CK_OVERLAP, a.y = b->floats + 1);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    REFUSES(CK_OK, a.count = 0);
    ACCEPTS(a.y = b->floats);
    ACCEPTS(a.y = b->floats + COUNT);
}

void check_math_arguments(check *c, board *b) {
    check_map(c, b, enter_exp);
    check_map(c, b, enter_tanh);
}
