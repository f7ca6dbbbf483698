// matmul_body.h: c = scale * a b for a range of units: up to CK_PRODUCT_ROWS rows by 64 columns of one matrix.
//
// A panel of b, 64 columns of a chain's terms, is packed and stays in the caches while the rows of the unit pass over
// it, six at a time (product_tile.h). Rows of a are used where they lie if they are floats side by side. Bound: FMA
// ports; with few rows reading b.

/// A panel that so few rows use is not worth a copy.
#define FEW_ROWS 24

/// A matrix in memory: element (i, j) is i * row + j * column elements on; one of the strides is 1.
typedef struct strided_matrix {
    source at;
    int64_t row, column;
} strided_matrix;

V_FN strided_matrix matrix_part(const strided_matrix *m, int64_t i, int64_t j) {
    return (strided_matrix){source_at(m->at, i * m->row + j * m->column), m->row, m->column};
}

/// The part of a matrix as floats in whole vectors of columns, +0 beyond: where it lies (`stays`), or in `space`.
V_SLOW float_rows CK_JOIN(matrix_floats, CK_SUFFIX)(const strided_matrix *m, int64_t rows, int64_t columns, int stays,
                                                    float *space, int64_t pitch) {
    if (stays && m->at.type == CK_F32 && m->column == 1) return (float_rows){m->at.at, m->row, rows, columns, -1, 0};
    if (m->column == 1) {
        for (int64_t i = 0; i < rows; i++) widen_row(source_at(m->at, i * m->row), columns, space + i * pitch);
    } else {
        row_source turned = {m->at, {.row = m->column}, 0, 0, rows};
        rows_ahead none = {0};
        for (int64_t j = 0; j < columns; j += 16)
            turn_16_rows(&turned, j, columns - j, space + j, m->at.type, pitch, &none);
    }
    return (float_rows){space, pitch, rows, columns, -1, 0};
}

/// c of one unit, where it goes and how its terms follow each other.
typedef struct matmul_unit {
    strided_matrix a, b;
    target c;
    int64_t c_pitch, rows, columns;
} matmul_unit;

V_FN matmul_unit matmul_unit_of(const ck_matmul_args *m, const ck_matmul_plan *plan, int64_t number) {
    int64_t column = number % plan->column_units * CK_PRODUCT_COLUMNS;
    int64_t row = number / plan->column_units % plan->row_units * plan->rows_per_unit;
    int64_t matrix = number / plan->column_units / plan->row_units, batch = matrix / m->heads, head = matrix % m->heads;
    int64_t b_head = head / (m->heads / m->b_heads);
    strided_matrix a = {source_at((source){m->a, m->a_type}, strided(m->a_strides, batch, head, 0)), m->a_strides.row,
                        1};
    strided_matrix b = {source_at((source){m->b, m->b_type}, strided(m->b_strides, batch, b_head, 0)), m->b_strides.row,
                        1};
    if (m->a_transposed) a = (strided_matrix){a.at, 1, a.row};
    if (m->b_transposed) b = (strided_matrix){b.at, 1, b.row};
    return (matmul_unit){
        .a = matrix_part(&a, row, 0),
        .b = matrix_part(&b, 0, column),
        .c = target_at((target){m->c, m->c_type}, strided(m->c_strides, batch, head, row) + column),
        .c_pitch = m->c_strides.row,
        .rows = lesser(plan->rows_per_unit, m->rows - row),
        .columns = lesser(CK_PRODUCT_COLUMNS, m->columns - column),
    };
}

/// The terms of one chain: sums[i][j] = (adds: sums[i][j] +) the chain.
V_FN void multiply_chain(float_rows a, float_rows b, float *sums, int adds) {
    for (int64_t i = 0; i < a.count; i += TILE_ROWS) {
        int rows = (int)lesser(TILE_ROWS, a.count - i);
        float *c = sums + i * CK_PRODUCT_COLUMNS;
        product p = product_with(&b, c, CK_PRODUCT_COLUMNS, adds ? ADDED : REPLACED);
        for (int r = 0; r < rows; r++) p.a[r] = a.at + (i + r) * a.pitch;
        CK_JOIN(multiply, CK_SUFFIX)(&p, rows);
    }
}

CK_KERNEL(matmul)
(const ck_matmul_args *m, const ck_matmul_plan *plan, int64_t begin, int64_t end, float *space) {
    float *panel = space + (plan->rows_per_unit + 15) / 16 * 16 * plan->depth;
    float *sums = panel + plan->depth * CK_PRODUCT_COLUMNS;
    for (int64_t n = begin; n < end; n++) {
        matmul_unit u = matmul_unit_of(m, plan, n);
        int64_t columns = ck_whole_vectors(u.columns), t = 0;
        int stays = u.rows <= FEW_ROWS && columns == u.columns;
        do {
            int64_t count = lesser(CK_PRODUCT_DEPTH, m->depth - t);
            strided_matrix a = matrix_part(&u.a, 0, t), b = matrix_part(&u.b, t, 0);
            float_rows of_a = CK_JOIN(matrix_floats, CK_SUFFIX)(&a, u.rows, count, 1, space, plan->depth);
            float_rows of_b = CK_JOIN(matrix_floats, CK_SUFFIX)(&b, count, u.columns, stays, panel, CK_PRODUCT_COLUMNS);
            of_b.width = columns;
            multiply_chain(of_a, of_b, sums, t > 0);
            t += CK_PRODUCT_DEPTH;
        } while (t < m->depth);
        for (int64_t i = 0; i < u.rows; i++)
            for (int64_t j = 0; j < u.columns; j += 16)
                write_left(target_at(u.c, i * u.c_pitch), j, u.columns - j,
                           v_mul(v_load(sums + i * CK_PRODUCT_COLUMNS + j), v_set(m->scale)), 0);
    }
}
