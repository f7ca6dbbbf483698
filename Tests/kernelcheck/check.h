// check.h: what a family of checks works with: the instruction set under test, random numbers for each
// case, checked calls, comparisons by bits, failures.

#ifndef KERNELCHECK_CHECK_H
#define KERNELCHECK_CHECK_H

#include <stdint.h>

#include "ckernels.h"
#include "random.h"
#include "storage_types.h"

typedef struct check {
    const char *family;
    ck_isa isa;           // what the family must run, by ck_run.isa
    int quick;            // smaller sizes, for emulators
    int exhaustive;       // every float, where a function of one number is checked
    int ends_at_failure;  // whether the first failure ends the process of the family
    uint64_t seed;
    random_source random;
    int64_t cases, comparisons, failures;
    char describes[640];
} check;

/// Begins a case: random numbers start anew, from the seed and the number of the case.
void check_begin(check *c);

/// Says what the case is, for messages.
__attribute__((format(printf, 2, 3))) void check_describe(check *c, const char *format, ...);

/// Records a failure of this case; prints the first few.
__attribute__((format(printf, 2, 3))) void check_fail(check *c, const char *format, ...);

/// Counts one comparison.
void check_count(check *c);

/// Records a failure unless `holds`; counts a comparison.
void check_that(check *c, int holds, const char *what);

/// Compares by bits, but NaNs are equal to each other; whether all are equal. The first difference is
/// a failure. Does not count: a matrix counts once.
int check_row(check *c, const char *name, ck_type type, int64_t row, const void *found, const void *expected,
              int64_t count);

/// An entry point of the library behind one type.
typedef ck_status (*entry_point)(const void *args, ck_run run);

/// Calls and answers whether the call came back with `expected`. Another status is a failure.
int check_call(check *c, entry_point entry, const void *args, ck_run run, ck_status expected);

/// Runs a family in a process of its own and answers what it recorded. A crash is a failure and its end.
check check_in_process(check start, void (*family)(check *));

#endif
