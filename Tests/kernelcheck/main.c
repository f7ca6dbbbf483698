// main.c: kernelcheck: every family of checks on every instruction set that this machine has.
//
//     kernelcheck [--seed N] [--isa NAME] [--family NAME] [--half 1|2] [--quick | --exhaustive] [--first] [--list]
//
// --half takes every other family, so that two processes share the work.
// --first ends a family at its first failure. --exhaustive takes every float there is, where a family checks a function of one number: some minutes each.
// To check a new operator, write its family in a file of its own, declare it in families.h and add it
// to the table below. The exit code is 0 if nothing failed, 1 if something did, 2 for a bad command line.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"

typedef struct family {
    const char *name;
    void (*function)(check *c);
} family;

static const family families[] = {
    {"contract", check_contract},
    {"promises", check_promises},
    {"arguments", check_arguments},
    {"norm", check_norm},
    {"norm_streaming", check_norm_streaming},
    {"norm_backward", check_norm_backward},
    {"channel_norm", check_channel_norm},
    {"row_moments", check_row_moments},
    {"row_moments_backward", check_row_moments_backward},
    {"convert", check_convert},
    {"convert_layouts", check_convert_layouts},
    {"norm_second_order", check_norm_second_order},
    {"orthogonal_add", check_orthogonal_add},
    {"segment_norm", check_segment_norm},
    {"csr_norm", check_csr_norm},
    {"limits", check_limits},
    {"softmax", check_softmax},
    {"softmax_streaming", check_softmax_streaming},
    {"softmax_states", check_softmax_states},
    {"large_batches", check_large_batches},
    {"csr_softmax", check_csr_softmax},
    {"score_softmax", check_score_softmax},
    {"attention", check_attention},
    {"attention_backward", check_attention_backward},
    {"matmul", check_matmul},
    {"exp", check_exp},
    {"tanh", check_tanh},
    {"hostile", check_hostile},
    {"stack", check_stack},
    {"forks", check_forks},
};
enum { FAMILIES = sizeof families / sizeof *families };

typedef struct options {
    uint64_t seed;
    const char *isa, *family;
    int half, quick, exhaustive, first, list;  // half: 0 for both
} options;

static int usage(void) {
    fprintf(stderr,
            "usage: kernelcheck [--seed N] [--isa NAME] [--family NAME] [--half 1|2] [--quick | --exhaustive] "
            "[--first] [--list]\n");
    return 2;
}

static int parse(int count, char **words, options *o) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(word, "--quick") == 0)
            o->quick = 1;
        else if (strcmp(word, "--exhaustive") == 0)
            o->exhaustive = 1;
        else if (strcmp(word, "--first") == 0)
            o->first = 1;
        else if (strcmp(word, "--list") == 0)
            o->list = 1;
        else if (!value)
            return 0;
        else if (strcmp(word, "--isa") == 0)
            o->isa = words[++i];
        else if (strcmp(word, "--family") == 0)
            o->family = words[++i];
        else if (strcmp(word, "--half") == 0 && (strcmp(value, "1") == 0 || strcmp(value, "2") == 0))
            o->half = words[++i][0] - '0';
        else if (strcmp(word, "--seed") == 0) {
            char *end;
            o->seed = strtoull(words[++i], &end, 0);
            if (end == value || *end) return 0;
        } else
            return 0;
    }
    return 1;
}

/// Why an instruction set cannot be checked, or NULL.
static const char *obstacle(ck_inspection machine, ck_isa isa) {
    if (!(machine.compiled >> isa & 1)) return "not in this build";
    return machine.available >> isa & 1 ? NULL : "not on this machine";
}

static int list(ck_inspection machine) {
    for (int f = 0; f < FAMILIES; f++) printf("family %s\n", families[f].name);
    for (ck_isa isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++) {
        const char *why = obstacle(machine, isa);
        printf("isa %s%s%s\n", ck_isa_name(isa), why ? ": " : "", why ? why : "");
    }
    return 0;
}

/// Runs one family on one instruction set; whether it passed.
static int run(const family *f, ck_isa isa, const options *o) {
    check start = {.family = f->name,
                   .isa = isa,
                   .seed = o->seed,
                   .quick = o->quick,
                   .exhaustive = o->exhaustive,
                   .ends_at_failure = o->first};
    check c = check_in_process(start, f->function);
    printf("%-22s %-9s %8" PRId64 " comparisons", f->name, ck_isa_name(isa), c.comparisons);
    if (c.failures > 0) printf(", %" PRId64 " FAILURES", c.failures);
    if (c.comparisons == 0) printf(": NOTHING WAS COMPARED");
    printf("\n");
    return c.failures == 0 && c.comparisons > 0;
}

int main(int count, char **words) {
    options o = {.seed = 1};
    if (!parse(count, words, &o)) return usage();
    ck_inspection machine = ck_inspect();
    if (o.list) return list(machine);

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("kernelcheck --seed %" PRIu64 "%s: ckernels %s, threads: %s\n", o.seed, o.quick ? " --quick" : "",
           machine.version, machine.threading);
    int runs = 0, passed = 0;
    for (ck_isa isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++) {
        if (o.isa && strcmp(o.isa, ck_isa_name(isa)) != 0) continue;
        const char *why = obstacle(machine, isa);
        if (why) printf("%-22s %-9s %s\n", "everything", ck_isa_name(isa), why);
        for (int f = 0; !why && f < FAMILIES; f++) {
            if (o.family && strcmp(o.family, families[f].name) != 0) continue;
            if (o.half && f % 2 != o.half - 1) continue;
            runs++;
            passed += run(&families[f], isa, &o);
        }
    }
    if (runs == 0)
        printf("FAILED: nothing that was asked for could run\n");
    else if (passed < runs)
        printf("FAILED: %d of %d\n", runs - passed, runs);
    else
        printf("passed: all %d\n", runs);
    return runs > 0 && passed == runs ? 0 : 1;
}
