// norm_problem.c: draws problems. norm_calls.c solves them.

#include "norm_problem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "patterns.h"

const int64_t check_widths[] = {
    1,   2,   3,   4,   5,   6,   7,   8,    9,    10,   11,   12,   13,   14,   15,   16,   17,   18,  19,  20,  21,
    22,  23,  24,  25,  26,  27,  28,  29,   30,   31,   32,   33,   34,   35,   36,   37,   38,   39,  40,  41,  42,
    43,  44,  45,  46,  47,  48,  49,  50,   51,   52,   53,   54,   55,   56,   57,   58,   59,   60,  61,  62,  63,
    64,  65,  66,  67,  68,  69,  70,  71,   72,   73,   74,   75,   76,   77,   78,   79,   80,   127, 128, 129, 255,
    256, 257, 384, 511, 512, 513, 768, 1000, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097,
};
const int check_width_count = sizeof check_widths / sizeof *check_widths;

const norm_kind norm_kinds[NORM_KINDS] = {
    {0, 0, CK_F32}, {0, 0, CK_BF16}, {0, 0, CK_F16}, {0, 1, CK_F32}, {0, 1, CK_BF16}, {0, 1, CK_F16},
    {1, 0, CK_F32}, {1, 0, CK_BF16}, {1, 0, CK_F16}, {1, 1, CK_F32}, {1, 1, CK_BF16}, {1, 1, CK_F16},
};

const char *const norm_array_names[NORM_ARRAYS] = {
    "x",
    "branch",
    "dy",
    "dsum",
    "y",
    "sum",
    "dx",
    "dbranch",
    "quantized",
    "weight",
    "bias",
    "branch_bias",
    "branch_scale",
    "dweight",
    "dbias",
    "dbranch_bias",
    "dbranch_scale",
    "mean",
    "mean_low",
    "rstd",
    "quantized_scale",
    "workspace",
};

/// Arrays that only a residual sum has.
static const norm_set of_residual = NORM_SET(NORM_BRANCH) | NORM_SET(NORM_BRANCH_BIAS) | NORM_SET(NORM_BRANCH_SCALE) |
                                    NORM_SET(NORM_SUM) | NORM_SET(NORM_DBRANCH) | NORM_SET(NORM_DBRANCH_BIAS) |
                                    NORM_SET(NORM_DBRANCH_SCALE);

static void *memory(int64_t count) {
    void *p = aligned_alloc(64, (size_t)(count + 16) / 16 * 16 * sizeof(float));
    if (p) return p;
    perror("kernelcheck: memory");
    exit(2);
}

norm_problem norm_problem_make(int64_t rows, int64_t cols, int64_t elements, int is_residual) {
    enum { MOST_SUMS = 4, MOST_BLOCKS = 64 };
    norm_problem p = {.sums_before = memory(cols)};
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        int64_t count = a < NORM_WEIGHT ? elements : a < NORM_MEAN ? cols : rows;
        if (a == NORM_WORKSPACE) count = MOST_SUMS * MOST_BLOCKS * (cols + 16);
        if (is_residual || !norm_has(of_residual, a)) p.array[a] = memory(count);
    }
    return p;
}

void norm_problem_free(norm_problem *p) {
    for (norm_array a = 0; a < NORM_ARRAYS; a++) free(p->array[a]);
    free(p->sums_before);
}

/// Brings a row into the range of binary16, by a power of two. A few become subnormal or 0.
static void fit(ck_type type, float *row, int64_t count) {
    float largest = 0;
    int exponent;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(row[i])) largest = fmaxf(largest, fabsf(row[i]));
    frexpf(largest, &exponent);
    int shift = exponent > 15 ? 15 - exponent : exponent < -14 ? -14 - exponent : 0;
    for (int64_t i = 0; type == CK_F16 && i < count; i++) row[i] = ldexpf(row[i], shift);
}

void norm_put_row(norm_problem *p, norm_array array, int64_t row, const float *values) {
    matrix m = norm_packed(p, array);
    char *to = (char *)m.base + row * m.cols * type_size(m.type);
    for (int64_t i = 0; i < m.cols; i++) {
        uint32_t bits = type_round(m.type, values[i]);  // its lower bytes, on little-endian machines
        memcpy(to + i * type_size(m.type), &bits, (size_t)type_size(m.type));
    }
}

/// Fills an array's rows, each by one of the first `patterns`.
static void draw_rows(check *c, norm_problem *p, norm_array array, int64_t patterns) {
    enum { MOST_DRAWN = 300000 };
    if (!norm_has(p->given, array)) return;
    matrix m = norm_packed(p, array);
    int64_t drawn = m.rows * m.cols > MOST_DRAWN ? MOST_DRAWN / m.cols + 1 : m.rows;
    size_t bytes = (size_t)(m.cols * type_size(m.type));
    float *row = memory(m.cols);
    for (int64_t k = 0; k < drawn; k++) {
        pattern_fill((pattern)random_below(&c->random, patterns), row, m.cols, &c->random);
        fit(m.type, row, m.cols);
        norm_put_row(p, array, k, row);
    }
    for (int64_t k = drawn; k < m.rows; k++)
        memcpy((char *)m.base + (size_t)k * bytes, (char *)m.base + (size_t)(k % drawn) * bytes, bytes);
    free(row);
}

static ck_residual draw_residual(random_source *r) {
    static const float scales[] = {1, 1, 1.5f, -0.3f, 1e-6f, 0}, dropouts[] = {0, 0, 0.1f, 0.5f, 0.96f, 1e-12f};
    static const int64_t first_rows[] = {0, 0, 1, 1000003, 0xfffffffe, (int64_t)1 << 61};
    return (ck_residual){
        .scale = scales[random_below(r, 6)],
        .dropout = dropouts[random_below(r, 6)],
        .seed = random_bits(r),
        .first_row = random_choice(r, first_rows, 6),
    };
}

static norm_set draw_given(const norm_problem *p, random_source *r) {
    norm_set needed = NORM_SET(NORM_X) | NORM_SET(NORM_DY) | NORM_SET(NORM_RSTD);
    norm_set optional = NORM_SET(NORM_WEIGHT) | NORM_SET(NORM_BIAS) | NORM_SET(NORM_BRANCH_BIAS) |
                        NORM_SET(NORM_BRANCH_SCALE) | NORM_SET(NORM_DSUM) | NORM_SET(NORM_MEAN_LOW);
    norm_set set = needed | (optional & (norm_set)random_bits(r)) | NORM_SET(NORM_BRANCH);
    if (!p->kind.is_rms || random_below(r, 2)) set |= NORM_SET(NORM_MEAN);
    return p->kind.is_residual ? set : set & ~of_residual;
}

void norm_draw(check *c, norm_problem *p, norm_kind kind, int64_t rows, int64_t cols, variety v) {
    static const float epsilons[] = {1e-5f, 0, 1e-12f, 1e-8f, 1}, offsets[] = {0, 0, 1, -0.75f};
    random_source *r = &c->random;
    p->kind = kind;
    p->rows = rows;
    p->cols = cols;
    p->parameter_type = random_below(r, 2) ? CK_F32 : (ck_type)random_below(r, 3);
    p->epsilon = epsilons[random_below(r, 5)];
    p->weight_offset = offsets[random_below(r, 4)];
    p->accumulate = (int)random_below(r, 2);
    p->residual = draw_residual(r);
    p->given = draw_given(p, r);
    check_describe(c, "%s of %s%s, rows %" PRId64 ", cols %" PRId64, kind.is_rms ? "RMSNorm" : "LayerNorm",
                   kind.is_residual ? "a sum of " : "", type_name(kind.type), rows, cols);

    int64_t patterns = v == WILD ? PATTERNS : TAME_PATTERNS;
    int64_t gradient_patterns = v == WILD && random_below(r, 2) ? PATTERNS : TAME_PATTERNS;
    int64_t weight_patterns = v == WILD && random_below(r, 8) == 0 ? FINITE_PATTERNS : TAME_PATTERNS;
    draw_rows(c, p, NORM_X, patterns);
    draw_rows(c, p, NORM_BRANCH, patterns);
    draw_rows(c, p, NORM_DY, gradient_patterns);
    draw_rows(c, p, NORM_DSUM, gradient_patterns);
    draw_rows(c, p, NORM_WEIGHT, weight_patterns);
    draw_rows(c, p, NORM_BIAS, v == WILD ? FINITE_PATTERNS : TAME_PATTERNS);
    draw_rows(c, p, NORM_BRANCH_BIAS, TAME_PATTERNS);
    draw_rows(c, p, NORM_BRANCH_SCALE, weight_patterns);
    pattern_fill((pattern)random_below(r, TAME_PATTERNS), p->sums_before, cols, r);
}

norm_problem norm_part(const norm_problem *p, int64_t row, int64_t rows) {
    norm_problem part = *p;
    part.rows = rows;
    part.residual.first_row += row;
    for (norm_array a = 0; a < NORM_WORKSPACE; a++) {
        matrix m = norm_packed(p, a);
        int64_t elements = a < NORM_WEIGHT ? row * m.cols : a < NORM_MEAN ? 0 : row;
        if (m.base) part.array[a] = (char *)m.base + elements * type_size(m.type);
    }
    return part;
}

norm_set norm_reads(const norm_problem *p, norm_pass pass) {
    static const norm_set gradients =
        NORM_SET(NORM_DY) | NORM_SET(NORM_DSUM) | NORM_SET(NORM_MEAN) | NORM_SET(NORM_MEAN_LOW) | NORM_SET(NORM_RSTD);
    return p->given & ~(pass == NORM_FORWARD ? gradients : NORM_SET(NORM_BIAS));
}

const norm_set norm_sums =
    NORM_SET(NORM_DWEIGHT) | NORM_SET(NORM_DBIAS) | NORM_SET(NORM_DBRANCH_BIAS) | NORM_SET(NORM_DBRANCH_SCALE);

norm_set norm_writes(const norm_problem *p, norm_pass pass) {
    static const norm_set forward = NORM_SET(NORM_Y) | NORM_SET(NORM_SUM) | NORM_SET(NORM_QUANTIZED) |
                                    NORM_SET(NORM_QUANTIZED_SCALE) | NORM_SET(NORM_MEAN) | NORM_SET(NORM_MEAN_LOW) |
                                    NORM_SET(NORM_RSTD);
    norm_set all = pass == NORM_FORWARD ? forward : NORM_SET(NORM_DX) | NORM_SET(NORM_DBRANCH) | norm_sums;
    return p->kind.is_residual ? all : all & ~of_residual;
}

matrix norm_packed(const norm_problem *p, norm_array a) {
    matrix m = {.base = p->array[a], .type = p->kind.type, .rows = p->rows, .cols = p->cols};
    if (a == NORM_QUANTIZED) m.type = TYPE_S8;
    if (a >= NORM_WEIGHT) m.rows = 1;
    if (a >= NORM_WEIGHT) m.type = a < NORM_DWEIGHT ? p->parameter_type : CK_F32;
    if (a >= NORM_MEAN) m.cols = p->rows;
    if (a == NORM_WORKSPACE)
        m.cols = (int64_t)(ck_norm_backward_workspace(p->rows, p->cols, p->kind.is_residual) / sizeof(float));
    m.stride = m.cols;
    return m;
}
