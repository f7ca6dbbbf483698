// product_tile.h: products of a few rows with a matrix, in registers.
//
//     c[row][j] = fma over t, in increasing order, of a[row][t] * b[t][j], from c[row][j] or from +0
//
// Bound: FMA ports. A column of b is loaded once for all rows, a factor of a once for all columns of the tile.

#define TILE_ROWS 6

/// c has `columns` columns, a multiple of 16.
typedef struct product {
    float *c;
    int64_t c_pitch;
    const float *a[TILE_ROWS];
    const float *b;
    int64_t b_pitch, depth, columns;
    int adds;  // to what c holds
} product;

V_FN void multiply_columns(const product *p, int64_t j, int rows, int vectors) {
    vf sum[TILE_ROWS][4];
    V_UNROLL
    for (int r = 0; r < rows; r++) {
        V_UNROLL
        for (int v = 0; v < vectors; v++) sum[r][v] = p->adds ? v_load(p->c + r * p->c_pitch + j + 16 * v) : v_zero();
    }
    const float *b = p->b + j;
    for (int64_t t = 0; t < p->depth; t++, b += p->b_pitch) {
        vf column[4];
        V_UNROLL
        for (int v = 0; v < vectors; v++) column[v] = v_load(b + 16 * v);
        V_UNROLL
        for (int r = 0; r < rows; r++) {
            vf factor = v_set(p->a[r][t]);
            V_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = v_fma(factor, column[v], sum[r][v]);
        }
    }
    V_UNROLL
    for (int r = 0; r < rows; r++) {
        V_UNROLL
        for (int v = 0; v < vectors; v++) v_store(p->c + r * p->c_pitch + j + 16 * v, sum[r][v]);
    }
}

/// `rows` and `vectors` are constants.
V_FN void multiply_rows(const product *p, int rows, int vectors) {
    int64_t j = 0;
    for (; j + 16 * vectors <= p->columns; j += 16 * vectors) multiply_columns(p, j, rows, vectors);
    for (; vectors > 1 && j < p->columns; j += 16) multiply_columns(p, j, rows, 1);
}

/// A product that is added, in which factors of 0 add nothing, whatever they meet in b.
V_SLOW void CK_JOIN(multiply_present, CK_SUFFIX)(const product *p, int rows) {
    for (int r = 0; r < rows; r++)
        for (int64_t t = 0; t < p->depth; t++) {
            float factor = p->a[r][t], *c = p->c + r * p->c_pitch;
            for (int64_t j = 0; j < p->columns && factor != 0.0f; j += 16)
                v_store(c + j, v_fma(v_set(factor), v_load(p->b + t * p->b_pitch + j), v_load(c + j)));
        }
}

/// As many vectors beside each other as keep `rows` rows of sums in registers.
#define TILE_VECTORS(rows) (V_SUMS / (rows) >= 4 ? 4 : V_SUMS / (rows) >= 2 ? 2 : 1)

V_SLOW void CK_JOIN(multiply, CK_SUFFIX)(const product *p, int rows) {
    switch (rows) {
    case 1: multiply_rows(p, 1, TILE_VECTORS(1)); break;
    case 2: multiply_rows(p, 2, TILE_VECTORS(2)); break;
    case 3: multiply_rows(p, 3, TILE_VECTORS(3)); break;
    case 4: multiply_rows(p, 4, TILE_VECTORS(4)); break;
    case 5: multiply_rows(p, 5, TILE_VECTORS(5)); break;
    default: multiply_rows(p, TILE_ROWS, TILE_VECTORS(TILE_ROWS));
    }
}
