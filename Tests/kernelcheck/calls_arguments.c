// calls_arguments.c: what an entry point refuses, from its operator's table. All arguments lie on one board.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

enum { ROWS = 18, COLS = 7, STRIDE = 9, PLACE_BYTES = 4096 };

typedef struct call_board {
    const operator_table *table;
    char *memory, *before;
    _Alignas(16) char args[MOST_ARGS_BYTES];
} call_board;

static size_t board_bytes(const call_board *b) { return (size_t)b->table->count * PLACE_BYTES; }

/// A call that is right in every argument.
static void put_right(check *c, call_board *b, ck_type type) {
    const operator_table *o = b->table;
    memset(b->args, 0, sizeof b->args);
    *count_field(b->args, o->rows) = ROWS;
    *count_field(b->args, o->cols) = COLS;
    *(ck_type *)(b->args + o->type) = type;
    if (o->parameter_type != NO_FIELD) *(ck_type *)(b->args + o->parameter_type) = type;
    if (o->draw) o->draw(c, b->args);
    for (int i = 0; i < o->count; i++) {
        const argument *a = &o->arguments[i];
        *pointer_field(b->args, a->pointer) = b->memory + i * PLACE_BYTES;
        if (a->stride != NO_FIELD) *count_field(b->args, a->stride) = STRIDE;
        if (a->extent == SCRATCH) *count_field(b->args, o->workspace_size) = (int64_t)o->workspace(b->args);
    }
    memcpy(b->memory, b->before, board_bytes(b));
}

static void refuses(check *c, call_board *b, ck_run run, ck_status status, const char *what, const char *which) {
    check_describe(c, "%s: %s %s", b->table->name, which, what);
    check_call(c, b->table->entry, b->args, run, status);
    check_that(c, memcmp(b->memory, b->before, board_bytes(b)) == 0, "a refused call wrote something");
    put_right(c, b, CK_F32);
}

static void accepts(check *c, call_board *b, ck_run run, const char *what, const char *which) {
    check_describe(c, "%s: %s %s", b->table->name, which, what);
    check_call(c, b->table->entry, b->args, run, CK_OK);
    check_count(c);
    put_right(c, b, CK_F32);
}

static void check_argument(check *c, call_board *b, const argument *a, ck_run run) {
    void **pointer = pointer_field(b->args, a->pointer);
    char *right = *pointer;
    *pointer = NULL;
    if (a->need == REQUIRED)
        refuses(c, b, run, CK_NULL_POINTER, "is NULL", a->name);
    else
        accepts(c, b, run, "is NULL", a->name);
    *pointer = right + 1;
    refuses(c, b, run, CK_MISALIGNED_POINTER, "is misaligned", a->name);
    if (a->extent != SCRATCH) {
        *pointer = (void *)(UINTPTR_MAX - 3);
        refuses(c, b, run, CK_SIZE_OVERFLOW, "is at the end of memory", a->name);
    }
    if (a->stride == NO_FIELD) return;
    *count_field(b->args, a->stride) = COLS - 1;
    refuses(c, b, run, CK_BAD_STRIDE, "has a short stride", a->name);
    *count_field(b->args, a->stride) = INT64_MAX / 2;
    refuses(c, b, run, CK_SIZE_OVERFLOW, "has a huge stride", a->name);
}

/// Two arguments that share a byte; one of them is an output.
static void check_overlap(check *c, call_board *b, int output, int other, ck_run run) {
    const operator_table *o = b->table;
    const argument *a = &o->arguments[output], *with = &o->arguments[other];
    char *base = *pointer_field(b->args, with->pointer);
    int64_t size = argument_size_of(o, with, b->args), stride = with->stride == NO_FIELD ? 0 : STRIDE;
    int64_t span = ((argument_rows(o, with, b->args) - 1) * stride + argument_cols(o, with, b->args)) * size;
    if (a->extent == SCRATCH) span = 64;
    if (a->in_place == other) {
        *pointer_field(b->args, a->pointer) = base;
        accepts(c, b, run, "in place of", a->name);
        *pointer_field(b->args, a->pointer) = base;
        *count_field(b->args, a->stride) = STRIDE + 1;
        refuses(c, b, run, CK_OVERLAP, "in place with another stride", a->name);
    } else {
        *pointer_field(b->args, a->pointer) = base;
        refuses(c, b, run, CK_OVERLAP, with->name, a->name);
    }
    if (a->extent == SCRATCH || with->extent == SCRATCH) return;
    *pointer_field(b->args, a->pointer) = base + span - size;
    refuses(c, b, run, CK_OVERLAP, with->name, a->name);
    *pointer_field(b->args, a->pointer) = base + span;
    accepts(c, b, run, with->name, a->name);
}

static void check_numbers(check *c, call_board *b, ck_run run) {
    const operator_table *o = b->table;
    *count_field(b->args, o->rows) = -1;
    refuses(c, b, run, CK_BAD_SHAPE, "-1", "rows");
    *count_field(b->args, o->cols) = 0;
    refuses(c, b, run, CK_BAD_SHAPE, "0", "columns");
    *count_field(b->args, o->rows) = INT64_MAX / 2;
    refuses(c, b, run, CK_SIZE_OVERFLOW, "many", "rows");
    *(int *)(b->args + o->type) = CK_F16 + 1;
    refuses(c, b, run, CK_UNKNOWN_TYPE, "unknown", "type");
    if (o->parameter_type != NO_FIELD) {
        *(int *)(b->args + o->parameter_type) = -1;
        refuses(c, b, run, CK_UNKNOWN_TYPE, "unknown", "parameter type");
    }
    if (o->epsilon != NO_FIELD) {
        static const float wrong[] = {NAN, -1e-5f, INFINITY, -INFINITY};
        for (int i = 0; i < 4; i++) {
            *(float *)(b->args + o->epsilon) = wrong[i];
            refuses(c, b, run, CK_BAD_EPSILON, "wrong", "epsilon");
        }
        *(float *)(b->args + o->epsilon) = 0;
        accepts(c, b, run, "0", "epsilon");
    }
    if (o->workspace) {
        *count_field(b->args, o->workspace_size) -= 1;
        refuses(c, b, run, CK_WORKSPACE_TOO_SMALL, "small", "workspace");
    }
    refuses(c, b, (ck_run){c->isa, -1}, CK_BAD_THREADS, "-1", "threads");
    refuses(c, b, (ck_run){(ck_isa)(CK_ISA_NEON + 1), 1}, CK_UNKNOWN_ISA, "unknown", "isa");
    for (ck_isa isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++)
        if (!(ck_inspect().available >> isa & 1)) refuses(c, b, (ck_run){isa, 1}, CK_ISA_UNAVAILABLE, "absent", "isa");
    for (int t = CK_F32; t <= CK_F16; t++) {
        put_right(c, b, (ck_type)t);
        accepts(c, b, run, "right", "all");
    }
}

void check_operator_arguments(check *c, const operator_table *o) {
    call_board b = {.table = o};
    ck_run run = {c->isa, 1};
    b.memory = aligned_alloc(64, board_bytes(&b));
    b.before = malloc(board_bytes(&b));
    if (!b.memory || !b.before) exit(2);
    check_begin(c);
    for (size_t i = 0; i < board_bytes(&b) / 4; i++) ((float *)(void *)b.before)[i] = random_uniform(&c->random);
    put_right(c, &b, CK_F32);
    check_describe(c, "%s: no arguments", o->name);
    check_call(c, o->entry, NULL, run, CK_NULL_POINTER);
    for (int i = 0; i < o->count; i++) check_argument(c, &b, &o->arguments[i], run);
    for (int i = 0; i < o->count; i++)
        for (int j = 0; j < o->count; j++)
            if (i != j && o->arguments[i].direction == WRITTEN) check_overlap(c, &b, i, j, run);
    check_numbers(c, &b, run);
    free(b.memory);
    free(b.before);
}
