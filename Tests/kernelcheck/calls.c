// calls.c: one instruction set against the contract's words or portable, from an operator's table.

#include "calls.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 300, MAX_ELEMENTS = 60000, MAX_GAP = 37 };

int64_t *count_field(void *args, size_t offset) { return (int64_t *)((char *)args + offset); }
void **pointer_field(void *args, size_t offset) { return (void **)((char *)args + offset); }

static ck_type type_of(const operator_table *o, const argument *a, const void *args) {
    size_t field = a->storage == STORED ? o->type : a->storage == PARAMETER ? o->parameter_type : NO_FIELD;
    return field == NO_FIELD ? CK_F32 : *(const ck_type *)((const char *)args + field);
}
int64_t argument_size_of(const operator_table *o, const argument *a, const void *args) {
    return type_size(type_of(o, a, args));
}
int64_t argument_rows(const operator_table *o, const argument *a, const void *args) {
    return a->extent == MATRIX ? *count_field((void *)args, o->rows) : 1;
}
int64_t argument_cols(const operator_table *o, const argument *a, const void *args) {
    if (a->extent == SCRATCH) return (int64_t)(o->workspace(args) / sizeof(float));
    if (a->extent == OF_PARTS) return *count_field((void *)args, o->rows) * *count_field((void *)args, o->parts);
    return *count_field((void *)args, a->extent == OF_ROWS ? o->rows : o->cols);
}

void draw_numbers(check *c, void *to, ck_type type, int64_t count, int64_t patterns) {
    float *row = type == CK_F32 ? to : malloc((size_t)count * sizeof *row);
    if (!row) exit(2);
    pattern_fill((pattern)random_below(&c->random, patterns), row, count, &c->random);
    if (type == CK_F32) return;
    for (int64_t i = 0; i < count; i++) ((uint16_t *)to)[i] = (uint16_t)type_round(type, row[i]);
    free(row);
}

/// A call: its argument struct, and each argument packed: what is read, and the answers.
typedef struct call_problem {
    const operator_table *table;
    _Alignas(16) char args[MOST_ARGS_BYTES];
    void *packed[MOST_ARGUMENTS];
    void *before[MOST_ARGUMENTS];  // what outputs hold before a call
} call_problem;

static int is_given(const call_problem *p, int i) {
    return *pointer_field((void *)p->args, p->table->arguments[i].pointer) != NULL;
}

static int64_t bytes_of(const call_problem *p, const argument *a) {
    return argument_rows(p->table, a, p->args) * argument_cols(p->table, a, p->args) *
           argument_size_of(p->table, a, p->args);
}

static void set_pointer(void *args, const argument *a, void *base, int64_t stride) {
    *pointer_field(args, a->pointer) = base;
    if (a->stride != NO_FIELD) *count_field(args, a->stride) = stride;
}

static const ck_type types[] = {CK_F32, CK_BF16, CK_F16};

static void draw_problem(check *c, call_problem *p, int64_t rows, int64_t cols) {
    const operator_table *o = p->table;
    memset(p->args, 0, sizeof p->args);
    *count_field(p->args, o->rows) = rows;
    *count_field(p->args, o->cols) = cols;
    ck_type type = types[random_below(&c->random, 3)];
    *(ck_type *)(p->args + o->type) = type;
    if (o->parameter_type != NO_FIELD)
        *(ck_type *)(p->args + o->parameter_type) = random_below(&c->random, 2) ? CK_F32 : type;
    if (o->draw) o->draw(c, p->args);
    int wild = (int)random_below(&c->random, 2);
    for (int i = 0; i < o->count; i++) {
        const argument *a = &o->arguments[i];
        int given = a->need == REQUIRED || random_below(&c->random, 3) > 0;
        set_pointer(p->args, a, given ? p->packed[i] : NULL, cols);
        if (a->extent == SCRATCH) continue;
        int64_t lines = argument_rows(o, a, p->args), length = argument_cols(o, a, p->args);
        for (int64_t row = 0; row < lines; row++)
            draw_numbers(c, (char *)p->packed[i] + row * length * argument_size_of(o, a, p->args),
                         type_of(o, a, p->args), length, wild && a->extent == MATRIX ? PATTERNS : TAME_PATTERNS);
    }
    if (o->settle) o->settle(p->args, p->packed);
    for (int i = 0; i < o->count; i++) {
        const argument *a = &o->arguments[i];
        if (a->extent == SCRATCH)
            *count_field(p->args, o->workspace_size) = (int64_t)o->workspace(p->args);
        else if (a->direction == WRITTEN)
            memcpy(p->before[i], p->packed[i], (size_t)bytes_of(p, a));
    }
}

static const ck_run portable = {CK_ISA_PORTABLE, 1};

static int solve(check *c, call_problem *p) {
    const operator_table *o = p->table;
    int64_t rows = *count_field(p->args, o->rows);
    if (o->contract) {
        o->contract(p->args);
        return 1;
    }
    if (o->sums) return check_call(c, o->entry, p->args, portable, CK_OK);
    for (int64_t row = 0; row < rows; row++) {
        _Alignas(16) char one[MOST_ARGS_BYTES];
        memcpy(one, p->args, sizeof one);
        *count_field(one, o->rows) = 1;
        for (int i = 0; i < o->count; i++) {
            const argument *a = &o->arguments[i];
            if (!is_given(p, i) || a->extent == OF_COLS) continue;
            int64_t length = a->extent == MATRIX ? argument_cols(o, a, p->args) : 1;
            *pointer_field(one, a->pointer) = (char *)p->packed[i] + row * length * argument_size_of(o, a, p->args);
        }
        if (!check_call(c, o->entry, one, portable, CK_OK)) return 0;
    }
    return 1;
}

static matrix lay_out(check *c, const guarded *home, const call_problem *p, const argument *a, const void *packed) {
    static const int64_t gaps[] = {0, 0, 1, 3, 16, MAX_GAP}, line_places[] = {0, FLUSH_START, FLUSH_END};
    int64_t rows = argument_rows(p->table, a, p->args), cols = argument_cols(p->table, a, p->args);
    int64_t gap = a->stride == NO_FIELD ? 0 : random_choice(&c->random, gaps, 6);
    int64_t place = a->extent == SCRATCH ? random_choice(&c->random, line_places, 3) : random_below(&c->random, PLACES);
    matrix m = matrix_place(home, type_of(p->table, a, p->args), rows, cols, cols + gap, (int)place);
    if (packed) matrix_fill(m, packed);
    return m;
}

static void compare(check *c, const call_problem *p, const guarded *homes, int32_t threads) {
    const operator_table *o = p->table;
    _Alignas(16) char args[MOST_ARGS_BYTES];
    matrix matrices[MOST_ARGUMENTS];
    int replaced[MOST_ARGUMENTS] = {0};
    memcpy(args, p->args, sizeof args);
    for (int i = 0; i < o->count; i++) {
        const argument *a = &o->arguments[i];
        if (!is_given(p, i)) continue;
        int in_place = a->in_place != NOWHERE && is_given(p, a->in_place) && random_below(&c->random, 3) == 0;
        const void *content = a->extent == SCRATCH ? NULL : a->direction == WRITTEN ? p->before[i] : p->packed[i];
        matrices[i] = in_place ? matrices[a->in_place] : lay_out(c, &homes[i], p, a, content);
        if (in_place) replaced[a->in_place] = 1;
        set_pointer(args, a, matrices[i].base, matrices[i].stride);
    }
    if (!check_call(c, o->entry, args, (ck_run){c->isa, threads}, CK_OK)) return;
    for (int i = 0; i < o->count; i++) {
        const argument *a = &o->arguments[i];
        if (!is_given(p, i) || replaced[i]) continue;
        if (a->extent == SCRATCH)
            matrix_expect_around(c, a->name, matrices[i]);
        else
            matrix_expect(c, a->name, matrices[i], p->packed[i]);
    }
}

static void compare_shape(check *c, call_problem *p, const guarded *homes, int64_t rows, int64_t cols) {
    static const int32_t threads[] = {1, 2, 3, 8};
    check_begin(c);
    draw_problem(c, p, rows, cols);
    check_describe(c, "%s, rows %" PRId64 ", cols %" PRId64 ", type %s", p->table->name, rows, cols,
                   type_name(*(ck_type *)(p->args + p->table->type)));
    if (!solve(c, p)) return;
    for (int k = 0; k < 2; k++) compare(c, p, homes, threads[random_below(&c->random, 4)]);
}

void check_operator(check *c, const operator_table *o) {
    static const int64_t widths[] = {95,  127,  128,  129,  255,  256,  257,  511,  512,   513,
                                     768, 1000, 1023, 1024, 1025, 2047, 2049, 4097, 16385, 33000};
    static const int64_t heights[] = {15, 16, 17, 33, 64, 65, 130, 257, MAX_ROWS};
    size_t bytes = (MAX_ELEMENTS + 1) * sizeof(float) * 4;
    call_problem p = {.table = o};
    guarded homes[MOST_ARGUMENTS];
    for (int i = 0; i < o->count; i++) {
        homes[i] = guarded_make(matrix_needs(CK_F32, 1, 4 * MAX_ELEMENTS + MAX_ROWS * MAX_GAP));
        p.packed[i] = aligned_alloc(64, bytes / 64 * 64);
        p.before[i] = malloc(bytes);
        if (!p.packed[i] || !p.before[i]) exit(2);
    }
    for (int64_t cols = 1; cols <= 80; cols++)
        for (int repeat = 0; repeat < (c->quick ? 2 : 8); repeat++)
            compare_shape(c, &p, homes, 1 + (cols + 5 * repeat) % 23, cols);
    for (int w = 0; w < 20; w++)
        for (int repeat = 0; repeat < (c->quick ? 1 : 8); repeat++)
            compare_shape(c, &p, homes, widths[w] > 5000 ? 1 : 1 + repeat, widths[w]);
    for (int h = 0; h < 9; h++)
        for (int64_t cols = 1; cols <= 120; cols += 17) compare_shape(c, &p, homes, heights[h], cols);
    for (int i = 0; i < o->count; i++) {
        guarded_free(&homes[i]);
        free(p.packed[i]);
        free(p.before[i]);
    }
}
