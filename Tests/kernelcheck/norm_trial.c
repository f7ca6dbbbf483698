// norm_trial.c: lays out, calls, compares.

#include "norm_trial.h"

#include <inttypes.h>
#include <stdio.h>

norm_memory norm_memory_make(int64_t rows, int64_t cols, int64_t elements, norm_set arrays) {
    norm_memory m = {0};
    int64_t vector = rows > cols ? rows : cols, most = elements + rows * NORM_MAX_GAP;
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        int64_t count = a < NORM_WEIGHT ? most : a < NORM_WORKSPACE ? vector : 4 * 64 * (cols + 16);
        if (norm_has(arrays, a)) m.home[a] = guarded_make(matrix_needs(CK_F32, 1, count));
    }
    return m;
}

void norm_memory_free(norm_memory *m) {
    for (norm_array a = 0; a < NORM_ARRAYS; a++)
        if (m->home[a].first) guarded_free(&m->home[a]);
}

/// Outputs that may lie where an input does: the place of the first, of the second, or each in the place of one.
static void draw_in_place(random_source *r, norm_layout *l, norm_set given, norm_array first, norm_array second,
                          norm_array input, norm_array other) {
    int swap = (int)random_below(r, 2), choice = (int)random_below(r, 5);
    norm_array of_first = swap ? other : input, of_second = swap ? input : other;
    if (choice < 2 && norm_has(given, of_first)) l->at[first] = of_first;
    if (choice > 0 && choice < 3 && norm_has(given, of_second)) l->at[second] = of_second;
}

norm_layout norm_layout_draw(check *c, const norm_problem *p, norm_pass pass) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, NORM_MAX_GAP}, threads[] = {1, 1, 1, 2, 3, 8};
    random_source *r = &c->random;
    norm_layout l = {.wanted = norm_writes(p, pass) & (norm_set)random_bits(r)};
    norm_set quantized = NORM_SET(NORM_QUANTIZED) | NORM_SET(NORM_QUANTIZED_SCALE);
    int is_forward = pass == NORM_FORWARD, quantizes = is_forward && random_below(r, 4) == 0;
    l.wanted = quantizes ? l.wanted | quantized : l.wanted & ~quantized;
    if (is_forward && !quantizes) l.wanted |= NORM_SET(NORM_Y);
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        l.at[a] = a;
        l.place[a] = (int)random_below(r, PLACES);
        l.gap[a] = random_choice(r, gaps, 6);
    }
    static const int64_t lines[] = {0, FLUSH_START, FLUSH_END};
    l.place[NORM_WORKSPACE] = (int)random_choice(r, lines, 3);
    if (is_forward)
        draw_in_place(r, &l, p->given, NORM_Y, NORM_SUM, NORM_X, NORM_BRANCH);
    else
        draw_in_place(r, &l, p->given, NORM_DX, NORM_DBRANCH, NORM_DY, NORM_DSUM);
    l.run = (ck_run){c->isa, (int32_t)random_choice(r, threads, 6)};
    return l;
}

static void describe(check *c, const norm_problem *p, norm_pass pass, norm_set used, const norm_layout *l) {
    char text[400];
    size_t length = 0;
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        if (!norm_has(used, a) || length >= sizeof text) continue;
        const char *at = l->at[a] == a ? "" : "@", *place = l->at[a] == a ? "" : norm_array_names[l->at[a]];
        length += (size_t)snprintf(text + length, sizeof text - length, " %s%s%s", norm_array_names[a], at, place);
    }
    const ck_residual *r = &p->residual;
    check_describe(c,
                   "%s %s, rows %" PRId64 ", cols %" PRId64
                   ", %s, parameters %s, offset %g, epsilon %g, scale %g, dropout %g, first row %" PRId64
                   ", accumulate %d, threads %d, with%s",
                   p->kind.is_rms ? "RMSNorm" : "LayerNorm", pass == NORM_FORWARD ? "forward" : "backward", p->rows,
                   p->cols, type_name(p->kind.type), type_name(p->parameter_type), (double)p->weight_offset,
                   (double)p->epsilon, (double)r->scale, (double)r->dropout, r->first_row, p->accumulate,
                   l->run.threads, text);
}

/// An array in its place, with what it holds before the call.
static matrix lay_out(const norm_problem *p, norm_array a, int is_input, const norm_memory *m, const norm_layout *l) {
    matrix packed = norm_packed(p, a);
    if (!m->home[a].first) return packed;
    int64_t gap = a < NORM_WEIGHT ? l->gap[a] : 0;
    matrix placed = matrix_place(&m->home[a], packed.type, packed.rows, packed.cols, packed.cols + gap, l->place[a]);
    if (is_input) matrix_fill(placed, packed.base);
    if (norm_has(norm_sums, a)) matrix_fill(placed, p->sums_before);
    return placed;
}

void norm_try(check *c, const norm_problem *p, norm_pass pass, const norm_memory *m, const norm_layout *l) {
    matrix at[NORM_ARRAYS] = {0};
    norm_set reads = norm_reads(p, pass), writes = norm_writes(p, pass) & l->wanted, replaced = 0;
    norm_set workspace = writes & norm_sums ? NORM_SET(NORM_WORKSPACE) : 0;
    for (norm_array a = 0; a < NORM_ARRAYS; a++)
        if (norm_has(reads | writes | workspace, a) && l->at[a] == a) at[a] = lay_out(p, a, norm_has(reads, a), m, l);
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        if (!norm_has(writes, a) || l->at[a] == a) continue;
        at[a] = at[l->at[a]];
        replaced |= NORM_SET(l->at[a]);
    }
    describe(c, p, pass, reads | writes, l);
    if (!norm_call(c, p, pass, at, l->run)) return;
    for (norm_array a = 0; a < NORM_ARRAYS; a++)
        if (at[a].home && a != NORM_WORKSPACE && !norm_has(replaced, a))
            matrix_expect(c, norm_array_names[a], at[a], p->array[a]);
    if (workspace) matrix_expect_around(c, "workspace", at[NORM_WORKSPACE]);
}
