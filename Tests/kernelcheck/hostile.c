// hostile.c: the family hostile: ten thousand calls of each operator with arguments that nobody should give, and the
// judgement of one call.

#include "hostile_memory.h"

#include <inttypes.h>
#include <string.h>

#include "families.h"

/// Numbers that one call may compute. One that asks for more gets a thread count that must be refused.
static const double MOST_WORK = 3e7;

int is_to_fill(const hostile_area *a) { return a->base && a->is_own && hostile_bytes(a) > 0; }

static void set_word(const hostile_area *a, int64_t i, int64_t value) {
    int32_t index = (int32_t)value;
    if (a->type == TYPE_WORD)
        memcpy(a->base + 8 * i, &value, 8);
    else
        memcpy(a->base + 4 * i, &index, 4);
}

void fill_offsets(hostile_call *h, const hostile_area *a, int64_t parts, int64_t total, int even) {
    if (!is_to_fill(a)) return;
    for (int64_t i = 0, at = 0; i < parts; i++) {
        set_word(a, i, at);
        at += even ? total / parts : draw_within(h, 0, total - at);
    }
    set_word(a, parts, total);
    if (draw_hostile(h)) set_word(a, draw_below(h, parts + 1), draw_count(h, -1, total));
}

void fill_within(hostile_call *h, const hostile_area *a, int64_t least, int64_t most) {
    if (!is_to_fill(a)) return;
    int64_t count = hostile_reach(a);
    for (int64_t i = 0; i < count; i++) set_word(a, i, draw_within(h, least, most));
    if (draw_hostile(h)) set_word(a, draw_below(h, count), draw_count(h, -1, most));
}

void fill_moments(hostile_call *h, const hostile_area *a, int64_t count, int words) {
    if (!is_to_fill(a)) return;
    for (int64_t i = 0; i < count; i++) {
        double numbers[3] = {(double)draw_below(h, 16) - 8, (double)draw_below(h, 16), 0.5};
        set_word(a, words * i, 1 + draw_below(h, 100));
        memcpy(a->base + 8 * (words * i + 1), numbers, (size_t)(8 * (words - 1)));
    }
    if (draw_hostile(h)) set_word(a, draw_below(h, words * count), draw_count(h, -1, 1));
}

static void draw_run(hostile_call *h, ck_isa isa) {
    static const int32_t wrong[] = {-1, INT32_MIN, INT32_MAX, 1000, 0};
    static const ck_isa isas[] = {(ck_isa)-1, (ck_isa)64, CK_ISA_NEON, CK_ISA_AVX512, (ck_isa)INT32_MIN, CK_ISA_AUTO};
    ck_run run = {isa, draw_below(h, 64) ? 1 : 2 + (int32_t)draw_below(h, 7)};
    if (draw_hostile(h)) run.threads = wrong[draw_below(h, 5)];
    if (draw_hostile(h)) run.isa = isas[draw_below(h, 6)];
    h->run = h->reference = run;
    if (run.isa == isa) h->reference.isa = CK_ISA_PORTABLE;
    if (run.threads > 0) h->reference.threads = 1;
}

static void draw_call(hostile_call *h, const hostile_operator *o, ck_isa isa) {
    static const int odds[] = {0, 4, 12, 40};
    h->odds = odds[draw_below(h, 4)];
    h->work = 1;
    draw_run(h, isa);
    o->draw(h);
    if (h->work <= MOST_WORK) return;
    h->hostile++;
    h->run.threads = h->reference.threads = -1;
}

verdict hostile_try(check *c, const hostile_operator *o, const uint8_t *bytes, size_t count) {
    hostile_call h = {.bytes = bytes, .left = count};
    char args[HOSTILE_ARGS_BYTES];
    draw_call(&h, o, c->isa);
    memcpy(args, h.args, sizeof args);
    hostile_remember(&h);
    const void *given = h.odds > 0 && draw_hostile(&h) ? NULL : h.args;

    ck_status status = o->entry(given, h.run);
    int accepted = status == CK_OK;
    check_that(c, *ck_status_text(status) != 0 && status >= CK_OK && status <= CK_BLAS_UNAVAILABLE, "no status");
    check_that(c, memcmp(args, h.args, sizeof args) == 0, "the argument struct changed");
    hostile_expect_unchanged(c, &h, accepted);
    if (h.hostile == 0 && !accepted && status != CK_BLAS_UNAVAILABLE)
        check_fail(c, "a right call was refused: %s", ck_status_text(status));

    hostile_restore(&h);
    ck_status expected = o->entry(given, h.reference);
    if (status != expected)
        check_fail(c, "\"%s\", but \"%s\" on portable", ck_status_text(status), ck_status_text(expected));
    else if (accepted && !o->only_status)
        hostile_compare(c, &h);
    hostile_clear(&h);
    return accepted || status == CK_BLAS_UNAVAILABLE ? WAS_ACCEPTED : WAS_REFUSED;
}

const hostile_operator *hostile_operator_at(int i) {
    static const hostile_operator *const parts[] = {hostile_norms,    hostile_rows,   hostile_parts,
                                                    hostile_channels, hostile_scores, hostile_attentions};
    for (int part = 0; part < 6; part++)
        for (const hostile_operator *o = parts[part]; o->name; o++)
            if (i-- == 0) return o;
    return NULL;
}

void check_hostile(check *c) {
    enum { BYTES = 768 };
    uint8_t bytes[BYTES];
    int64_t calls = c->quick ? 1000 : 10000;
    const hostile_operator *o;
    for (int i = 0; (o = hostile_operator_at(i)) != NULL; i++) {
        int64_t accepted = 0;
        for (int64_t k = 0; k < calls; k++) {
            check_begin(c);
            check_describe(c, "%s, call %" PRId64, o->name, k);
            for (int at = 0; at < BYTES; at += 8) {
                uint64_t drawn = random_bits(&c->random);
                memcpy(bytes + at, &drawn, sizeof drawn);
            }
            accepted += hostile_try(c, o, bytes, BYTES) == WAS_ACCEPTED;
        }
        check_that(c, accepted > calls / 4 && accepted < calls / 8 * 7, "too few calls were accepted, or refused");
    }
}
