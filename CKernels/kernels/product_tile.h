// product_tile.h: products of a few rows with a matrix, in registers.
//
//     c[row][j] = fma over t, in increasing order, of a[row][t] * b[t][j], from c[row][j] or from +0
//
// Pairs: where V_DOTS_PAIRS, elements of a and b may be pairs of bfloat16 numbers, elements 2 t and 2 t + 1 of rows
// twice as long: the same sums in half as many steps.
//
// Bound: FMA ports. A column of b is loaded once for all rows, a factor of a once for all columns of the tile.

#define TILE_ROWS 6

/// Rows that are read soon, in four parts: the next piece of each part is asked for while something else is worked on.
/// In the order of memory, so that the machine reads ahead by itself, in each part; spread over the work, since it has
/// room for few wishes. A decoding step of 32 heads and 2048 keys: once in the order of their use and in bursts 15.8
/// ms, so 10.0 (AVX2, Zen 3, 2026-11-27).
typedef struct rows_ahead {
    const char *at;  // a row; those of the other parts are `part` bytes behind each other
    int64_t rows, part, pitch, width, piece, begin;  // rows of a part, and bytes; `begin`: of the next piece in its row
} rows_ahead;

/// A piece is sixteen elements, or sixteen pairs of them.
V_FN void fetch_next(rows_ahead *m, int pairs) {
    if (m->rows == 0) return;
    for (int k = 0; k < 4; k++) v_fetch(m->at + k * m->part + m->begin);
    m->begin += m->piece << pairs;
    if (m->begin < m->width) return;
    m->begin = 0;
    m->at += m->pitch;
    m->rows--;
}

enum { REPLACED, CONTINUED, ADDED };

/// c has `columns` columns, a multiple of 16.
typedef struct product {
    float *c;
    int64_t c_pitch;
    const float *a[TILE_ROWS];
    const float *b;
    int64_t b_pitch, depth, columns;
    int to_sums;  // what c holds: REPLACED, CONTINUED by the chain of fma, or ADDED after it
    int is_paired;
    rows_ahead ahead;
} product;

/// `ahead`: NULL where nothing is fetched, which is known when this is compiled.
V_FN void multiply_columns(const product *p, int64_t j, int rows, int vectors, rows_ahead *ahead, int pairs) {
    vf sum[TILE_ROWS][4];
    V_UNROLL
    for (int r = 0; r < rows; r++) {
        V_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = p->to_sums == CONTINUED ? v_load(p->c + r * p->c_pitch + j + 16 * v) : v_zero();
    }
    const float *b = p->b + j;
    for (int64_t t = 0; t < p->depth; t++, b += p->b_pitch) {
        vf column[4];
        V_UNROLL
        for (int v = 0; v < vectors; v++) column[v] = v_load(b + 16 * v);
        if (ahead && t * vectors % 4 == 0) fetch_next(ahead, pairs);
        V_UNROLL
        for (int r = 0; r < rows; r++) {
            vf factor = v_set(p->a[r][t]);
            V_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = pairs ? v_dot_pairs(factor, column[v], sum[r][v]) : v_fma(factor, column[v], sum[r][v]);
        }
    }
    V_UNROLL
    for (int r = 0; r < rows; r++) {
        V_UNROLL
        for (int v = 0; v < vectors; v++) {
            float *c = p->c + r * p->c_pitch + j + 16 * v;
            v_store(c, p->to_sums == ADDED ? v_add(v_load(c), sum[r][v]) : sum[r][v]);
        }
    }
}

/// All but p are constants.
V_FN void multiply_rows(const product *p, int rows, int vectors, int fetches, int pairs) {
    rows_ahead ahead = p->ahead, *next = fetches ? &ahead : 0;
    int64_t j = 0;
    for (; j + 16 * vectors <= p->columns; j += 16 * vectors) multiply_columns(p, j, rows, vectors, next, pairs);
    for (; vectors > 1 && j < p->columns; j += 16) multiply_columns(p, j, rows, 1, next, pairs);
}

/// The product where factors of 0 add nothing, whatever they meet in b. No pairs.
V_SLOW void CK_JOIN(multiply_present, CK_SUFFIX)(const product *p, int rows) {
    for (int r = 0; r < rows; r++)
        for (int64_t j = 0; j < p->columns; j += 16) {
            float *c = p->c + r * p->c_pitch + j;
            vf sum = p->to_sums == CONTINUED ? v_load(c) : v_zero();
            for (int64_t t = 0; t < p->depth; t++) {
                float factor = p->a[r][t];
                if (factor != 0.0f) sum = v_fma(v_set(factor), v_load(p->b + t * p->b_pitch + j), sum);
            }
            v_store(c, p->to_sums == ADDED ? v_add(v_load(c), sum) : sum);
        }
}

/// As many vectors beside each other as keep `rows` rows of sums in registers.
#define TILE_VECTORS(rows) (V_SUMS / (rows) >= 4 ? 4 : V_SUMS / (rows) >= 2 ? 2 : 1)

V_FN void multiply_few(const product *p, int rows, int fetches, int pairs) {
    switch (rows) {
    case 1: multiply_rows(p, 1, TILE_VECTORS(1), fetches, pairs); break;
    case 2: multiply_rows(p, 2, TILE_VECTORS(2), fetches, pairs); break;
    case 3: multiply_rows(p, 3, TILE_VECTORS(3), fetches, pairs); break;
    case 4: multiply_rows(p, 4, TILE_VECTORS(4), fetches, pairs); break;
    case 5: multiply_rows(p, 5, TILE_VECTORS(5), fetches, pairs); break;
    default: multiply_rows(p, TILE_ROWS, TILE_VECTORS(TILE_ROWS), fetches, pairs);
    }
}

V_SLOW void CK_JOIN(multiply, CK_SUFFIX)(const product *p, int rows) {
    if (V_DOTS_PAIRS && p->is_paired && p->ahead.rows)
        multiply_few(p, rows, 1, 1);
    else if (V_DOTS_PAIRS && p->is_paired)
        multiply_few(p, rows, 0, 1);
    else if (p->ahead.rows)
        multiply_few(p, rows, 1, 0);
    else
        multiply_few(p, rows, 0, 0);
}
