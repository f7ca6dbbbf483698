// check.c: cases, checked calls, comparisons and failures.

#include "check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/// Failures of one family on one instruction set that are printed.
enum { PRINTED = 8 };

void check_begin(check *c) {
    random_source mixed = {c->seed};
    c->random.state = random_bits(&mixed) + (uint64_t)c->cases++ * 0xd1b54a32d192ed03u;
}

void check_describe(check *c, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int used = snprintf(c->describes, sizeof c->describes, "case %" PRId64 ": ", c->cases - 1);
    vsnprintf(c->describes + used, sizeof c->describes - (size_t)used, format, arguments);
    va_end(arguments);
}

void check_fail(check *c, const char *format, ...) {
    if (++c->failures > PRINTED) return;
    va_list arguments;
    va_start(arguments, format);
    printf("  FAILED %s on %s: ", c->family, ck_isa_name(c->isa));
    vprintf(format, arguments);
    printf("\n         in %s\n", c->describes);
    va_end(arguments);
    if (!c->ends_at_failure) return;
    fflush(stdout);
    _exit(0);
}

int check_call(check *c, entry_point entry, const void *args, ck_run run, ck_status expected) {
    ck_status status = entry(args, run);
    if (status == expected) return 1;
    check_fail(c, "answered \"%s\" instead of \"%s\"", ck_status_text(status), ck_status_text(expected));
    return 0;
}

void check_count(check *c) { c->comparisons++; }

void check_that(check *c, int holds, const char *what) {
    c->comparisons++;
    if (!holds) check_fail(c, "%s", what);
}

int check_row(check *c, const char *name, ck_type type, int64_t row, const void *found, const void *expected,
              int64_t count) {
    if (memcmp(found, expected, (size_t)(count * type_size(type))) == 0) return 1;
    for (int64_t i = 0; i < count; i++) {
        uint32_t a = type_bits(type, found, i), b = type_bits(type, expected, i);
        if (a == b || (type_is_nan(type, a) && type_is_nan(type, b))) continue;
        int digits = 2 * (int)type_size(type);
        check_fail(c, "%s[%" PRId64 "][%" PRId64 "] is %.9g (%0*" PRIx32 "), not %.9g (%0*" PRIx32 ")", name, row, i,
                   (double)type_widen(type, a), digits, a, (double)type_widen(type, b), digits, b);
        return 0;
    }
    return 1;
}
