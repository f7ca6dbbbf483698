// main.c: threadcheck: many threads call different operators at once, with different instruction sets and thread
// counts; every result must have the bits of a call made alone.
//
//     threadcheck [--callers N] [--rounds N]     compares; under ThreadSanitizer, too (cmake -D CK_TSAN=ON)
//     threadcheck --forks                        forks beside a first call (forks.c)
//     threadcheck --busy                         measures what sharing the machine costs (busy.c)

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "busy.h"
#include "forks.h"
#include "operators.h"

enum { MOST_CALLERS = 64, MOST_OPERATORS = 16 };

static shared_inputs inputs;
static float *expected[MOST_OPERATORS];
static ck_isa isas[8];
static int isa_count;

typedef struct caller {
    pthread_t thread;
    int number, rounds;
    int64_t compared, wrong;
} caller;

static void fill(float *numbers, uint32_t state) {
    for (int i = 0; i < INPUT; i++) {
        state = state * 1664525u + 1013904223u;
        numbers[i] = (float)(int32_t)state * 0x1p-31f;
    }
}

static outputs *new_outputs(void) {
    outputs *out = aligned_alloc(64, sizeof *out);
    if (!out) exit(2);
    return out;
}

/// Whether a call answers what it answered alone.
static int is_right(int which, outputs *out, ck_run run) {
    memset(out->y, 0, sizeof out->y);
    return thread_operators[which].call(&inputs, out, run) == CK_OK &&
           memcmp(out->y, expected[which], sizeof out->y) == 0;
}

static void *make_calls(void *argument) {
    static const int32_t threads[] = {0, 1, 2, 3, 8};
    caller *c = argument;
    outputs *out = new_outputs();
    for (int round = 0; round < c->rounds; round++) {
        int step = c->number + round;
        int which = step % thread_operator_count;
        ck_run run = {isas[(step / thread_operator_count + c->number) % isa_count],
                      threads[(round + 2 * c->number) % 5]};
        c->compared++;
        if (is_right(which, out, run)) continue;
        c->wrong++;
        printf("FAILED: %s on %s, threads %d, caller %d, round %d\n", thread_operators[which].name,
               ck_isa_name(run.isa), run.threads, c->number, round);
    }
    free(out);
    return NULL;
}

static void prepare(void) {
    uint32_t available = ck_inspect().available;
    fill(inputs.a, 1);
    fill(inputs.b, 2);
    for (int i = 0; i < INPUT; i++) inputs.ones[i] = 1;
    for (ck_isa isa = CK_ISA_PORTABLE; isa <= CK_ISA_NEON; isa++)
        if (available >> isa & 1) isas[isa_count++] = isa;
    for (int which = 0; which < thread_operator_count; which++) {
        outputs *out = new_outputs();
        memset(out->y, 0, sizeof out->y);
        if (thread_operators[which].call(&inputs, out, (ck_run){CK_ISA_PORTABLE, 1}) != CK_OK) {
            printf("FAILED: %s is refused\n", thread_operators[which].name);
            exit(1);
        }
        expected[which] = out->y;
    }
}

int main(int count, char **words) {
    int callers = 16, rounds = 80, busy = 0;
    for (int i = 1; i < count; i++) {
        int has_value = i + 1 < count;
        if (strcmp(words[i], "--busy") == 0)
            busy = 1;
        else if (strcmp(words[i], "--forks") == 0)
            return check_forks();
        else if (has_value && strcmp(words[i], "--callers") == 0)
            callers = atoi(words[++i]);
        else if (has_value && strcmp(words[i], "--rounds") == 0)
            rounds = atoi(words[++i]);
        else
            callers = 0;
    }
    if (callers < 1 || callers > MOST_CALLERS || rounds < 1) {
        fprintf(stderr, "usage: threadcheck [--callers N] [--rounds N] [--forks | --busy]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (busy) return measure_busy();

    static caller all[MOST_CALLERS];
    int64_t compared = 0, wrong = 0;
    prepare();
    for (int k = 0; k < callers; k++) {
        all[k].number = k;
        all[k].rounds = rounds;
        if (pthread_create(&all[k].thread, NULL, make_calls, &all[k]) != 0) return 2;
    }
    for (int k = 0; k < callers; k++) {
        pthread_join(all[k].thread, NULL);
        compared += all[k].compared;
        wrong += all[k].wrong;
    }
    printf("threadcheck: %d callers, threads: %s, %lld calls compared, %lld wrong\n", callers, ck_inspect().threading,
           (long long)compared, (long long)wrong);
    return wrong > 0;
}
