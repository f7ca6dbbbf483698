// csr_softmax.c: the family csr_softmax: softmax over neighbourhoods and its gradient against the contract's words, by
// bits, over types, heads, degrees, layouts, orders of the edges and thread counts; and offsets that must be refused.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "contract_csr_softmax.h"
#include "csr_softmax_entry.h"
#include "families.h"
#include "guarded.h"

enum { MOST_ELEMENTS = 70000, MOST_NODES = 64, MOST_EDGES = 50000, MOST_HEADS = 40, MOST_GAP = 19 };

/// Floats [edges, heads], packed, that are exact in `type`.
typedef struct csr_problem {
    int64_t edges, heads, nodes, offsets[MOST_NODES + 1];
    ck_type type;
    float *x, *y, *dy, *dx;
    void *stored;
} csr_problem;

typedef struct csr_memory {
    guarded x, y, dx, offsets;
} csr_memory;

static void round_all(ck_type type, float *numbers, int64_t count) {
    for (int64_t i = 0; i < count; i++) numbers[i] = type_widen(type, type_round(type, numbers[i]));
}

static const void *stored(const csr_problem *p, const float *numbers) {
    for (int64_t i = 0; i < p->edges * p->heads; i++)
        type_set_bits(p->type, p->stored, i, type_round(p->type, numbers[i]));
    return p->stored;
}

static int compare_offsets(const void *a, const void *b) {
    int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
    return (first > second) - (first < second);
}

/// Cuts anywhere, some of them together; or one node with nearly all edges.
static void draw_offsets(random_source *r, csr_problem *p) {
    int64_t range = random_below(r, 4) == 0 ? p->edges / 8 : p->edges;
    p->offsets[0] = 0;
    for (int64_t i = 1; i < p->nodes; i++) p->offsets[i] = random_below(r, range + 1);
    p->offsets[p->nodes] = p->edges;
    qsort(p->offsets, (size_t)p->nodes + 1, sizeof *p->offsets, compare_offsets);
}

/// Tame and wide scores, ties, masked ones, and here and there a NaN or an infinity.
static float draw_score(random_source *r, float scale, int64_t special) {
    if (random_below(r, 9) == 0) return -INFINITY;
    if (special > 0 && random_below(r, special) == 0) return random_below(r, 2) ? NAN : INFINITY;
    return random_below(r, 9) == 0 ? scale : scale * random_normal(r);
}

static void draw(check *c, csr_problem *p, int64_t edges, int64_t heads, int64_t nodes) {
    static const float scales[] = {1, 8, 1e2f, 1e5f, 1e-30f, 1e38f}, offsets[] = {0, 0, 1e6f, 3e38f, 1e-42f};
    random_source *r = &c->random;
    p->edges = edges;
    p->heads = heads;
    p->nodes = nodes;
    p->type = (ck_type)random_below(r, 3);
    draw_offsets(r, p);
    int64_t count = edges * heads, special = random_below(r, 3) == 0 ? 1 + count / 3 : 0;
    float scale = scales[random_below(r, 6)], offset = offsets[random_below(r, 5)];
    for (int64_t i = 0; i < count; i++) {
        p->x[i] = draw_score(r, scale, special);
        p->dy[i] = random_normal(r) * (offset < 1 && offset > 0 ? offset : 1) + offset;
        if (special > 0 && random_below(r, special) == 0) p->dy[i] = random_below(r, 2) ? NAN : -INFINITY;
    }
    round_all(p->type, p->x, count);
    round_all(p->type, p->dy, count);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t node = 0; node < nodes; node++)
            for (int64_t head = 0; head < heads; head++) {
                int64_t first = p->offsets[node] * heads + head, n = p->offsets[node + 1] - p->offsets[node];
                if (pass == 0)
                    contract_csr_softmax(p->x + first, p->y + first, n, heads);
                else
                    contract_csr_softmax_backward(p->dy + first, p->y + first, p->dx + first, n, heads);
            }
        round_all(p->type, pass == 0 ? p->y : p->dx, count);
    }
    check_describe(c, "%s, edges %" PRId64 ", heads %" PRId64 ", nodes %" PRId64, type_name(p->type), edges, heads,
                   nodes);
}

/// Half of the time without gaps, as the faster loop has it.
static matrix place(check *c, const guarded *home, const csr_problem *p, const float *numbers) {
    int64_t gap = random_below(&c->random, 2) ? random_below(&c->random, MOST_GAP) : 0;
    matrix m = matrix_place(home, p->type, p->edges, p->heads, p->heads + gap, (int)random_below(&c->random, PLACES));
    if (numbers) matrix_fill(m, stored(p, numbers));
    return m;
}

static const int64_t *guarded_offsets(const csr_problem *p, const guarded *home) {
    size_t bytes = (size_t)(p->nodes + 1) * sizeof(int64_t);
    return memcpy((char *)home->first + home->bytes - bytes, p->offsets, bytes);
}

static ck_run any_threads(check *c) {
    static const int32_t threads[] = {1, 1, 2, 3, 8};
    return (ck_run){c->isa, threads[random_below(&c->random, 5)]};
}

static void compare_forward(check *c, const csr_problem *p, const csr_memory *m) {
    int in_place = (int)random_below(&c->random, 3) == 0;
    matrix x = place(c, &m->x, p, p->x), y = in_place ? x : place(c, &m->y, p, NULL);
    ck_csr_softmax_args args = {
        .edges = p->edges,
        .heads = p->heads,
        .nodes = p->nodes,
        .offsets = guarded_offsets(p, &m->offsets),
        .type = p->type,
        .x = x.base,
        .x_stride = x.stride,
        .y = y.base,
        .y_stride = y.stride,
    };
    if (!check_call(c, enter_csr_softmax, &args, any_threads(c), CK_OK)) return;
    matrix_expect(c, "y", y, stored(p, p->y));
    if (!in_place) matrix_expect(c, "x", x, stored(p, p->x));
}

static void compare_backward(check *c, const csr_problem *p, const csr_memory *m) {
    int in_place = (int)random_below(&c->random, 4);  // 0: dx is dy; 1: dx is y
    matrix dy = place(c, &m->x, p, p->dy), y = place(c, &m->y, p, p->y);
    matrix dx = in_place == 0 ? dy : in_place == 1 ? y : place(c, &m->dx, p, NULL);
    ck_csr_softmax_backward_args args = {
        .edges = p->edges,
        .heads = p->heads,
        .nodes = p->nodes,
        .offsets = guarded_offsets(p, &m->offsets),
        .type = p->type,
        .dy = dy.base,
        .dy_stride = dy.stride,
        .y = y.base,
        .y_stride = y.stride,
        .dx = dx.base,
        .dx_stride = dx.stride,
    };
    if (!check_call(c, enter_csr_softmax_backward, &args, any_threads(c), CK_OK)) return;
    matrix_expect(c, "dx", dx, stored(p, p->dx));
    if (in_place != 0) matrix_expect(c, "dy", dy, stored(p, p->dy));
    if (in_place != 1) matrix_expect(c, "y", y, stored(p, p->y));
}

static void exchange(float *a, float *b, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        float held = a[i];
        a[i] = b[i];
        b[i] = held;
    }
}

/// Other orders of each node's edges: inputs and expected outputs are permuted alike.
static void permute(check *c, csr_problem *p) {
    for (int64_t node = 0; node < p->nodes; node++) {
        int64_t first = p->offsets[node], n = p->offsets[node + 1] - first;
        for (int64_t i = n - 1; i > 0; i--) {
            int64_t a = (first + i) * p->heads, b = (first + random_below(&c->random, i + 1)) * p->heads;
            if (a == b) continue;
            float *all[] = {p->x, p->y, p->dy, p->dx};
            for (int k = 0; k < 4; k++) exchange(all[k] + a, all[k] + b, p->heads);
        }
    }
    check_describe(c, "%s, edges %" PRId64 ", heads %" PRId64 ", nodes %" PRId64 ", permuted", type_name(p->type),
                   p->edges, p->heads, p->nodes);
}

static void compare(check *c, csr_problem *p, const csr_memory *m, int64_t edges, int64_t heads, int64_t nodes) {
    check_begin(c);
    draw(c, p, edges, heads, nodes);
    compare_forward(c, p, m);
    compare_backward(c, p, m);
    permute(c, p);
    compare_forward(c, p, m);
    compare_backward(c, p, m);
}

void check_csr_softmax(check *c) {
    csr_problem p = {0};
    void **arrays[] = {(void **)&p.x, (void **)&p.y, (void **)&p.dy, (void **)&p.dx, &p.stored};
    for (int i = 0; i < 5; i++)
        if (!(*arrays[i] = malloc(MOST_ELEMENTS * sizeof(float)))) exit(2);
    int64_t bytes = matrix_needs(CK_F32, MOST_EDGES, 1 + MOST_GAP) + matrix_needs(CK_F32, 1, MOST_ELEMENTS);
    csr_memory m = {guarded_make(bytes), guarded_make(bytes), guarded_make(bytes),
                    guarded_make((MOST_NODES + 1) * (int64_t)sizeof(int64_t))};
    random_source *r = &c->random;
    for (int k = 0; k < (c->quick ? 300 : 3000); k++) {
        check_begin(c);
        int64_t heads = k % 2 ? 1 + random_below(r, k % 4 == 1 ? 4 : MOST_HEADS) : 1;
        int64_t edges = 1 + random_below(r, k % 10 == 0 ? MOST_ELEMENTS / MOST_HEADS : 300);
        compare(c, &p, &m, edges, heads, 1 + random_below(r, MOST_NODES));
    }
    for (int k = 0; k < (c->quick ? 2 : 12); k++) {  // lanes that are full, exponentials that are not kept
        compare(c, &p, &m, MOST_EDGES, 1, 1 + k);
        compare(c, &p, &m, 3000 + k, 23, 2);
    }
    for (int i = 0; i < 5; i++) free(*arrays[i]);
    guarded_free(&m.x);
    guarded_free(&m.y);
    guarded_free(&m.dx);
    guarded_free(&m.offsets);
}
