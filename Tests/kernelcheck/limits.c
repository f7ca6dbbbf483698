// limits.c: the family limits: ck_limit_copy copies and adds, ck_limit_read reads, ck_limit_fma computes what portable computes.

#include <inttypes.h>
#include <math.h>

#include "families.h"
#include "guarded.h"
#include "limits_entry.h"

enum { MAX_COUNT = 5000 };

typedef struct copy_memory {
    guarded source, second, destination;
} copy_memory;

/// One copy, or sum of two sources, with every argument at a place of its own.
static void compare_copy(check *c, const copy_memory *m, int64_t count, int adds, int streaming) {
    static float first[MAX_COUNT], other[MAX_COUNT], sum[MAX_COUNT];
    check_begin(c);
    check_describe(c, "copy of %" PRId64 ", second %d, streaming %d", count, adds, streaming);
    for (int64_t i = 0; i < count; i++) {
        first[i] = random_uniform(&c->random);
        other[i] = random_normal(&c->random);
        sum[i] = adds ? first[i] + other[i] : first[i];
    }
    int place = (int)random_below(&c->random, PLACES);
    matrix source = matrix_place(&m->source, CK_F32, 1, count, count, place), second = {0};
    if (adds) second = matrix_place(&m->second, CK_F32, 1, count, count, PLACES - 1 - place);
    int at_line = place % 2 ? FLUSH_END : FLUSH_START;
    matrix destination = matrix_place(&m->destination, CK_F32, 1, count, count, streaming ? at_line : place);
    matrix_fill(source, first);
    matrix_fill(second, other);
    copy_args args = {source.base, second.base, destination.base, count, streaming};
    ck_run run = {c->isa, 1 + (int32_t)random_below(&c->random, 3)};
    if (!check_call(c, enter_copy, &args, run, CK_OK)) return;
    matrix_expect(c, "destination", destination, sum);
    matrix_expect(c, "source", source, first);
    matrix_expect(c, "second", second, other);
}

static void compare_copies(check *c) {
    int64_t needs = matrix_needs(CK_F32, 1, MAX_COUNT);
    copy_memory m = {guarded_make(needs), guarded_make(needs), guarded_make(needs)};
    for (int64_t count = 1; count <= MAX_COUNT; count += 1 + count / 16)
        for (int adds = 0; adds < 2; adds++) {
            compare_copy(c, &m, count, adds, 0);
            if (count % 16 == 0) compare_copy(c, &m, count, adds, 1);
            if (count <= MAX_COUNT / 16) compare_copy(c, &m, 16 * count, adds, 1);
        }
    guarded_free(&m.source);
    guarded_free(&m.second);
    guarded_free(&m.destination);
}

/// The largest magnitude of each 1024 numbers.
static void compare_reads(check *c) {
    static float numbers[MAX_COUNT], largest[MAX_COUNT / 1024 + 1];
    int64_t needs = matrix_needs(CK_F32, 1, MAX_COUNT);
    guarded source_memory = guarded_make(needs), largest_memory = guarded_make(needs);
    for (int64_t count = 1; count <= MAX_COUNT; count += 1 + count / 16) {
        check_begin(c);
        check_describe(c, "reading %" PRId64, count);
        for (int64_t i = 0; i < count; i++) {
            numbers[i] = random_normal(&c->random);
            float before = i % 1024 == 0 ? 0 : largest[i / 1024], size = fabsf(numbers[i]);
            largest[i / 1024] = size > before ? size : before;
        }
        int place = (int)random_below(&c->random, PLACES);
        matrix source = matrix_place(&source_memory, CK_F32, 1, count, count, place);
        matrix found = matrix_place(&largest_memory, CK_F32, 1, (count + 1023) / 1024, (count + 1023) / 1024, place);
        matrix_fill(source, numbers);
        copy_args args = {.source = source.base, .destination = found.base, .count = count};
        if (!check_call(c, enter_read, &args, (ck_run){c->isa, 1 + (int32_t)random_below(&c->random, 3)}, CK_OK))
            return;
        matrix_expect(c, "largest", found, largest);
        matrix_expect(c, "source", source, numbers);
    }
    guarded_free(&source_memory);
    guarded_free(&largest_memory);
}

static void compare_chains(check *c) {
    static const int64_t steps[] = {0, 1, 2, 17, 1000};
    for (int i = 0; i < 5; i++) {
        float expected = 0, found = 0;
        check_begin(c);
        check_describe(c, "fma, %" PRId64 " steps", steps[i]);
        check_call(c, enter_fma, &(fma_args){steps[i], &expected}, (ck_run){CK_ISA_PORTABLE, 1}, CK_OK);
        check_call(c, enter_fma, &(fma_args){steps[i], &found}, (ck_run){c->isa, 2}, CK_OK);
        check_row(c, "sink", CK_F32, 0, &found, &expected, 1);
        check_count(c);
    }
}

void check_limits(check *c) {
    compare_copies(c);
    compare_reads(c);
    compare_chains(c);
}
