// arguments_limits.c: what ck_limit_copy, ck_limit_read and ck_limit_fma refuse.

#include <stddef.h>

#include "arguments.h"
#include "limits_entry.h"

enum { COUNT = 64 };

#define RIGHT_COPY ((copy_args){b->floats, b->floats + 2 * PLACE, b->floats + PLACE, COUNT, 0})
#define RIGHT_FMA ((fma_args){10, b->floats})
#define COPY_REFUSES(status, ...) \
    CHANGED_CALL(copy_args, RIGHT_COPY, board_refuses(c, b, enter_copy, &a, run, status), __VA_ARGS__)
#define COPY_ACCEPTS(...) CHANGED_CALL(copy_args, RIGHT_COPY, board_accepts(c, b, enter_copy, &a, run), __VA_ARGS__)
#define READ_REFUSES(status, ...) \
    CHANGED_CALL(copy_args, RIGHT_COPY, board_refuses(c, b, enter_read, &a, run, status), __VA_ARGS__)
#define READ_ACCEPTS(...) CHANGED_CALL(copy_args, RIGHT_COPY, board_accepts(c, b, enter_read, &a, run), __VA_ARGS__)
#define FMA_REFUSES(status, ...) \
    CHANGED_CALL(fma_args, RIGHT_FMA, board_refuses(c, b, enter_fma, &a, run, status), __VA_ARGS__)
#define FMA_ACCEPTS(...) CHANGED_CALL(fma_args, RIGHT_FMA, board_accepts(c, b, enter_fma, &a, run), __VA_ARGS__)

void check_limits_arguments(check *c, board *b) {
    COPY_REFUSES(CK_NULL_POINTER, a.source = NULL);
    COPY_REFUSES(CK_NULL_POINTER, a.destination = NULL);
    COPY_ACCEPTS(a.second = NULL);
    COPY_REFUSES(CK_MISALIGNED_POINTER, a.second = MISALIGNED(a.second));
    COPY_REFUSES(CK_MISALIGNED_POINTER, a.source = MISALIGNED(a.source));
    COPY_REFUSES(CK_MISALIGNED_POINTER, a.destination = MISALIGNED(a.destination));
    COPY_REFUSES(CK_MISALIGNED_POINTER, a.streaming = 1; a.destination += 8);
    COPY_REFUSES(CK_MISALIGNED_POINTER, a.streaming = 1; a.count -= 1);
    COPY_REFUSES(CK_BAD_SHAPE, a.count = -1);
    COPY_REFUSES(CK_SIZE_OVERFLOW, a.count = INT64_MAX / 2);
    COPY_REFUSES(CK_OVERLAP, a.destination = b->floats);
    COPY_REFUSES(CK_OVERLAP, a.destination = b->floats + COUNT - 1);
    COPY_REFUSES(CK_OVERLAP, a.destination = (float *)a.second + 1);
    COPY_REFUSES(CK_BAD_THREADS, run.threads = -1);
    COPY_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    COPY_REFUSES(CK_OK, a.count = 0);
    COPY_ACCEPTS(a.destination = b->floats + COUNT);
    COPY_ACCEPTS(a.streaming = 1);
    COPY_ACCEPTS(a.streaming = 1; a.source += 1; a.second += 2);
    COPY_ACCEPTS(a.second = a.source);
    READ_REFUSES(CK_NULL_POINTER, a.source = NULL);
    READ_REFUSES(CK_NULL_POINTER, a.destination = NULL);
    READ_REFUSES(CK_MISALIGNED_POINTER, a.source = MISALIGNED(a.source));
    READ_REFUSES(CK_MISALIGNED_POINTER, a.destination = MISALIGNED(a.destination));
    READ_REFUSES(CK_BAD_SHAPE, a.count = -1);
    READ_REFUSES(CK_SIZE_OVERFLOW, a.count = INT64_MAX / 2);
    READ_REFUSES(CK_OVERLAP, a.destination = b->floats + COUNT - 1);
    READ_REFUSES(CK_BAD_THREADS, run.threads = -1);
    READ_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    READ_REFUSES(CK_OK, a.count = 0);
    READ_ACCEPTS(a.destination = b->floats + COUNT);
    FMA_REFUSES(CK_NULL_POINTER, a.sink = NULL);
    FMA_REFUSES(CK_MISALIGNED_POINTER, a.sink = MISALIGNED(a.sink));
    FMA_REFUSES(CK_BAD_SHAPE, a.steps = -1);
    FMA_REFUSES(CK_BAD_THREADS, run.threads = -1);
    FMA_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)-1);
    FMA_ACCEPTS(a.steps = 1000; run.threads = INT32_MAX);  // hours, if each of them were a thread
}
