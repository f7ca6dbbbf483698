// matmul.c: the family matmul: products of matrices against the contract's words, by bits, over types, shapes, layouts,
// transposes, shared matrices and thread counts; by BLAS within the rounding errors of its sums.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "mask_memory.h"
#include "matmul_entry.h"

enum { A, B, C, WORKSPACE, HOMES, ELEMENTS = 1 << 20 };

/// [batch][heads][rows][cols], as it is stored.
typedef struct tensor {
    int64_t batch, heads, rows, cols;
    ck_type type;
    float *numbers;  // exact in `type`
    void *stored;
    ck_strides layout;  // in rows
} tensor;

typedef struct matmul_problem {
    int64_t batch, heads, b_heads, rows, columns, depth;
    float scale;
    int a_transposed, b_transposed;
    tensor a, b, c;
    guarded home[HOMES];
    void *scratch;
} matmul_problem;

static int64_t tensor_rows(const tensor *t) { return t->batch * t->heads * t->rows; }

static void tensor_draw(check *c, tensor *t, int64_t batch, int64_t heads, int64_t rows, int64_t cols) {
    t->batch = batch;
    t->heads = heads;
    t->rows = rows;
    t->cols = cols;
    t->type = (ck_type)random_below(&c->random, 3);
    t->layout = draw_layout(c, batch, heads, rows);
    int64_t count = tensor_rows(t) * cols;
    if (count > ELEMENTS) exit(2);
    for (int64_t i = 0; i < count; i++) t->numbers[i] = random_normal(&c->random);
    if (count > 0 && random_below(&c->random, 8) == 0) t->numbers[random_below(&c->random, count)] = INFINITY;
    type_store(t->type, t->stored, t->numbers, count);
}

/// The stored rows in the order of their layout.
static void *arranged(const tensor *t, void *to) {
    int64_t bytes = t->cols * type_size(t->type), row = 0;
    for (int64_t b = 0; b < t->batch; b++)
        for (int64_t h = 0; h < t->heads; h++)
            for (int64_t r = 0; r < t->rows; r++, row++)
                memcpy((char *)to + (b * t->layout.batch + h * t->layout.head + r * t->layout.row) * bytes,
                       (const char *)t->stored + row * bytes, (size_t)bytes);
    return to;
}

static matrix place_tensor(check *c, matmul_problem *p, int home, const tensor *t, int is_input) {
    if (tensor_rows(t) * t->cols == 0) return (matrix){0};
    matrix placed = place(c, &p->home[home], t->type, tensor_rows(t), t->cols);
    if (is_input) matrix_fill(placed, arranged(t, p->scratch));
    return placed;
}

/// Where element (i, j) of a matrix stands.
static int64_t element(const tensor *t, int transposed, int64_t i, int64_t j) {
    return transposed ? j * t->cols + i : i * t->cols + j;
}

/// One element of c in the contract's words; `largest` becomes the sum of the terms' magnitudes.
static float contract_product(const matmul_problem *p, int64_t plane, int64_t i, int64_t j, float *largest) {
    int64_t b_plane = plane / p->heads * p->b_heads + plane % p->heads / (p->heads / p->b_heads);
    const float *a = p->a.numbers + plane * p->a.rows * p->a.cols, *b = p->b.numbers + b_plane * p->b.rows * p->b.cols;
    float total = 0;
    *largest = 0;
    for (int64_t first = 0; first < p->depth; first += 512) {
        float chain = 0;
        for (int64_t t = first; t < first + 512 && t < p->depth; t++) {
            float x = a[element(&p->a, p->a_transposed, i, t)], y = b[element(&p->b, p->b_transposed, t, j)];
            chain = fmaf(x, y, chain);
            *largest += fabsf(x * y);
        }
        total = first == 0 ? chain : total + chain;
    }
    *largest *= fabsf(p->scale);
    return total * p->scale;
}

/// Fills c with the answers, and `bound` (if given) with what another order of the sum may be off by: a rounding of at
/// most all terms' magnitudes for each addition, here and there.
static void solve(matmul_problem *p, float *bound) {
    int64_t count = 0;
    for (int64_t plane = 0; plane < p->batch * p->heads; plane++)
        for (int64_t i = 0; i < p->rows; i++)
            for (int64_t j = 0; j < p->columns; j++, count++) {
                float largest;
                p->c.numbers[count] = contract_product(p, plane, i, j, &largest);
                if (bound) bound[count] = 2 * (float)(p->depth + 1) * 0x1p-24f * largest;
            }
    if (!bound) type_store(p->c.type, p->c.stored, p->c.numbers, count);
}

static void draw(check *c, matmul_problem *p, const int64_t shape[3], int blas) {
    static const float scales[] = {1, 0.125f, -0.3f};
    p->rows = shape[0];
    p->columns = shape[1];
    p->depth = shape[2];
    int64_t group = 1 + random_below(&c->random, 3), large = shape[0] * shape[1] * shape[2] > 100000;
    p->b_heads = 1 + random_below(&c->random, large ? 1 : 3);
    p->heads = group * p->b_heads;
    p->batch = 1 + random_below(&c->random, large ? 1 : 3);
    p->scale = scales[random_below(&c->random, 3)];
    p->a_transposed = (int)random_below(&c->random, 2);
    p->b_transposed = (int)random_below(&c->random, 2);
    int64_t rows = p->rows, columns = p->columns, depth = p->depth;
    tensor_draw(c, &p->c, p->batch, p->heads, rows, columns);
    tensor_draw(c, &p->a, p->batch, p->heads, p->a_transposed ? depth : rows, p->a_transposed ? rows : depth);
    tensor_draw(c, &p->b, p->batch, p->b_heads, p->b_transposed ? columns : depth, p->b_transposed ? depth : columns);
    if (!blas) return;
    p->a.type = p->b.type = p->c.type = CK_F32;
    for (int64_t i = 0; i < tensor_rows(&p->a) * p->a.cols; i++) p->a.numbers[i] = random_normal(&c->random);
    for (int64_t i = 0; i < tensor_rows(&p->b) * p->b.cols; i++) p->b.numbers[i] = random_normal(&c->random);
    type_store(CK_F32, p->a.stored, p->a.numbers, tensor_rows(&p->a) * p->a.cols);
    type_store(CK_F32, p->b.stored, p->b.numbers, tensor_rows(&p->b) * p->b.cols);
}

static ck_matmul_args call_args(const matmul_problem *p, matrix a, matrix b, matrix c) {
    return (ck_matmul_args){
        .batch = p->batch,
        .heads = p->heads,
        .b_heads = p->b_heads,
        .rows = p->rows,
        .columns = p->columns,
        .depth = p->depth,
        .scale = p->scale,
        .a = a.base,
        .a_type = p->a.type,
        .a_strides = times(p->a.layout, a.stride),
        .a_transposed = p->a_transposed,
        .b = b.base,
        .b_type = p->b.type,
        .b_strides = times(p->b.layout, b.stride),
        .b_transposed = p->b_transposed,
        .c = c.base,
        .c_type = p->c.type,
        .c_strides = times(p->c.layout, c.stride),
    };
}

static void begin(check *c, matmul_problem *p, const int64_t shape[3], int blas) {
    check_begin(c);
    draw(c, p, shape, blas);
    check_describe(c,
                   "%s: %s%s x %s%s to %s, batch %" PRId64 ", heads %" PRId64 " of %" PRId64 ", %" PRId64 " x %" PRId64
                   " x %" PRId64,
                   blas ? "BLAS" : "ours", type_name(p->a.type), p->a_transposed ? "'" : "", type_name(p->b.type),
                   p->b_transposed ? "'" : "", type_name(p->c.type), p->batch, p->heads, p->b_heads, p->rows,
                   p->columns, p->depth);
}

static void compare(check *c, matmul_problem *p, const int64_t shape[3]) {
    static const int64_t threads[] = {1, 1, 2, 3, 8};
    begin(c, p, shape, 0);
    solve(p, NULL);
    matrix a = place_tensor(c, p, A, &p->a, 1), b = place_tensor(c, p, B, &p->b, 1),
           y = place_tensor(c, p, C, &p->c, 0);
    ck_matmul_args args = call_args(p, a, b, y);
    ck_run run = {c->isa, (int32_t)random_choice(&c->random, threads, 5)};
    args.workspace_size = ck_matmul_workspace(&args, run);
    int64_t floats = (int64_t)(args.workspace_size / sizeof(float));
    check_that(c, floats > 0 && args.workspace_size <= (size_t)run.threads << 20, "a workspace of a megabyte a thread");
    matrix workspace = matrix_place(&p->home[WORKSPACE], CK_F32, 1, floats, floats, FLUSH_END);
    args.workspace = workspace.base;
    if (!check_call(c, enter_matmul, &args, run, CK_OK)) return;
    matrix_expect(c, "c", y, arranged(&p->c, p->scratch));
    matrix_expect(c, "a", a, a.base ? arranged(&p->a, p->scratch) : NULL);
    matrix_expect(c, "b", b, b.base ? arranged(&p->b, p->scratch) : NULL);
    matrix_expect_around(c, "workspace", workspace);
}

static void compare_blas(check *c, matmul_problem *p, const int64_t shape[3], float *bound) {
    begin(c, p, shape, 1);
    solve(p, bound);
    matrix a = place_tensor(c, p, A, &p->a, 1), b = place_tensor(c, p, B, &p->b, 1),
           y = place_tensor(c, p, C, &p->c, 0);
    ck_matmul_args args = call_args(p, a, b, y);
    ck_run run = {c->isa, 1 + (int32_t)random_below(&c->random, 3)};
    int is_linked = strcmp(ck_inspect().blas, "none") != 0;
    if (!check_call(c, enter_matmul_blas, &args, run, is_linked ? CK_OK : CK_BLAS_UNAVAILABLE) || !is_linked) return;
    matrix_expect_around(c, "c", y);
    int64_t count = 0;
    for (int64_t batch = 0; batch < p->batch; batch++)
        for (int64_t head = 0; head < p->heads; head++)
            for (int64_t i = 0; i < p->rows; i++)
                for (int64_t j = 0; j < p->columns; j++, count++) {
                    const ck_strides s = args.c_strides;
                    float found = ((const float *)y.base)[batch * s.batch + head * s.head + i * s.row + j];
                    if (!(fabsf(found - p->c.numbers[count]) <= bound[count]))
                        check_fail(c, "c[%" PRId64 "] is %g, not %g", count, found, p->c.numbers[count]);
                }
    check_count(c);
}

static tensor tensor_make(void) {
    tensor t = {.numbers = malloc(4 * ELEMENTS), .stored = malloc(4 * ELEMENTS)};
    if (!t.numbers || !t.stored) exit(2);
    return t;
}
static void tensor_free(tensor *t) {
    free(t->numbers);
    free(t->stored);
}

void check_matmul(check *c) {
    static const int64_t special[][3] = {{1, 1, 0},      {7, 70, 0},     {193, 65, 3},   {400, 64, 17}, {24, 128, 512},
                                         {25, 128, 513}, {3, 129, 1500}, {90, 30, 1025}, {1, 1000, 64}, {200, 130, 33}};
    matmul_problem p = {.a = tensor_make(), .b = tensor_make(), .c = tensor_make(), .scratch = malloc(4 * ELEMENTS)};
    float *bound = malloc(4 * ELEMENTS);
    if (!p.scratch || !bound) exit(2);
    for (int i = 0; i < HOMES; i++) p.home[i] = guarded_make(matrix_needs(CK_F32, 1, 8 * ELEMENTS));
    for (int64_t n = 1; n <= 90; n++)
        for (int repeat = 0; repeat < (c->quick ? 1 : 6); repeat++) {
            const int64_t shape[3] = {1 + (n * 5 + repeat * 13) % 31, n, 1 + (n * 7 + repeat * 3) % 40};
            compare(c, &p, shape);
            const int64_t deeper[3] = {1 + n % 9, 1 + (n * 11 + repeat) % 83, n * 3};
            compare(c, &p, deeper);
            if (repeat == 0) compare_blas(c, &p, shape, bound);
        }
    for (size_t s = 0; s < sizeof special / sizeof *special; s++)
        for (int repeat = 0; repeat < (c->quick ? 2 : 8); repeat++) {
            compare(c, &p, special[s]);
            if (repeat == 0) compare_blas(c, &p, special[s], bound);
        }
    for (int i = 0; i < HOMES; i++) guarded_free(&p.home[i]);
    tensor_free(&p.a);
    tensor_free(&p.b);
    tensor_free(&p.c);
    free(p.scratch);
    free(bound);
}
