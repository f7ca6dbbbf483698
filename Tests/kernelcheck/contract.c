// contract.c: the family contract: the library by bits against what contract_norm.h computes from the words of the
// arithmetic contract; and that computation's random numbers against published ones.

#include "contract_norm.h"
#include "contract_philox.h"
#include "families.h"
#include "norm_trial.h"

enum { MAX_ROWS = 4100, MAX_COLS = 40000, MAX_ELEMENTS = 70000 };

static void compare(check *c, norm_problem *p, const norm_memory *m, norm_kind kind, int64_t rows, int64_t cols) {
    check_begin(c);
    norm_draw(c, p, kind, rows, cols, random_below(&c->random, 2) ? WILD : TAME);
    contract_forward(p);
    contract_backward(p);
    for (norm_pass pass = NORM_FORWARD; pass <= NORM_BACKWARD; pass++) {
        norm_layout l = norm_layout_draw(c, p, pass);
        if (random_below(&c->random, 2)) l.wanted = norm_writes(p, pass);
        norm_try(c, p, pass, m, &l);
    }
}

/// The vectors that the authors of Philox give for 4x32-10 (kat_vectors of Random123).
static void check_philox(check *c) {
    static const struct {
        philox_block counter;
        uint32_t key[2], answer[4];
    } known[] = {
        {{{0, 0, 0, 0}}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    check_begin(c);
    check_describe(c, "Philox 4x32-10");
    for (int i = 0; i < 3; i++) {
        philox_block found = contract_philox(known[i].counter, known[i].key[0], known[i].key[1]);
        for (int w = 0; w < 4; w++) check_that(c, found.word[w] == known[i].answer[w], "not the published word");
    }
}

void check_contract(check *c) {
    static const int64_t many_rows[] = {16, 17, 63, 64, 65, 257, 1023, 1024, 1025, 1100, 2049, MAX_ROWS};
    norm_problem p = norm_problem_make(MAX_ROWS, MAX_COLS, MAX_ELEMENTS, 1);
    norm_memory m = norm_memory_make(MAX_ROWS, MAX_COLS, MAX_ELEMENTS, ~(norm_set)0);
    check_philox(c);
    for (int w = 0; w < check_width_count; w++)
        for (int64_t k = 0; k < NORM_KINDS; k++) {
            if (c->quick && (k + w) % 4 != 0) continue;
            int64_t rows = (k + w) % 3 == 0 && check_widths[w] <= 600 ? 14 + 3 * k : 1 + random_below(&c->random, 5);
            compare(c, &p, &m, norm_kinds[k], rows, check_widths[w]);
        }
    for (int i = 0; i < 12; i++)
        for (int64_t cols = 1; cols <= 17; cols += 8)
            compare(c, &p, &m, norm_kinds[(5 * i + cols) % NORM_KINDS], many_rows[i], cols);
    static const int64_t third_level[] = {16383, 16384, 16385, 32768, 33000, MAX_COLS};
    for (int i = 0; i < 6; i++)
        for (int k = i % 2; k < NORM_KINDS; k += 2) compare(c, &p, &m, norm_kinds[k], 1, third_level[i]);
    norm_memory_free(&m);
    norm_problem_free(&p);
}
