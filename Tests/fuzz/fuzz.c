// fuzz.c: libFuzzer over hostile.h: the first byte of an input names the operator, the second the instruction set, the
// others are what its call is drawn from (`corpus` has an input of random bytes for each). A failure ends the process,
// as a crash would.

#include <stdio.h>
#include <stdlib.h>

#include "hostile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static int operators(void) {
    int count = 0;
    while (hostile_operator_at(count)) count++;
    return count;
}

/// An instruction set of this machine.
static ck_isa isa_of(uint8_t byte) {
    ck_isa isas[CK_ISA_NEON + 1];
    int count = 0;
    for (int isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++)
        if (ck_inspect().available >> isa & 1) isas[count++] = (ck_isa)isa;
    return isas[byte % count];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count < 2) return -1;
    const hostile_operator *o = hostile_operator_at(bytes[0] % operators());
    check c = {.family = "fuzz", .isa = isa_of(bytes[1])};
    check_begin(&c);
    check_describe(&c, "%s", o->name);
    hostile_try(&c, o, bytes + 2, count - 2);
    if (c.failures == 0) return 0;
    fflush(stdout);
    abort();
}
