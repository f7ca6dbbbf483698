// norm_input.h: what is normalized: a row of x, or of the sum of a residual stream and the output of a branch:
//
//     h = scale * x + branch_scale * dropout(branch + branch_bias)
//
// An absent branch_bias is -0, which changes nothing, an absent branch_scale 1. h is computed anew in every pass,
// because its rounding to the storage type is not what is normalized; only where there is no rounding, a near output
// can keep it meanwhile.

/// What is constant in one copy of the bodies.
typedef struct norm_kind {
    ck_type type;  // of x, y and the others
    int residual;  // whether there is a branch
    int dropout;   // whether some of it is dropped
    int plain;     // whether the sum is x + branch
} norm_kind;

/// Whether the sum rounded to its storage type is still the sum.
V_FN int is_exact_sum(norm_kind kind) { return kind.residual && kind.type == CK_F32; }

/// The same places, of a type that the compiler knows wherever they are kept meanwhile.
V_FN source typed_source(source s, norm_kind kind) { return (source){s.at, kind.type}; }
V_FN target typed_target(target t, norm_kind kind) { return (target){t.at, kind.type}; }

#define FOUR_OF(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define CHUNK_OF(a) FOUR_OF(FOUR_OF(FOUR_OF(FOUR_OF(FOUR_OF(a)))))
static const float CK_JOIN(ones, CK_SUFFIX)[CHUNK] = {CHUNK_OF(1.0f)};
static const float CK_JOIN(minus_zeros, CK_SUFFIX)[CHUNK] = {CHUNK_OF(-0.0f)};

/// A vector of parameters, one a column. Kernels read it as floats, a chunk at a time; where it is stored otherwise, or
/// something is added to it, the chunk last asked for is held here.
typedef struct parameter {
    source stored;
    float offset;
    const float *absent;  // a chunk of what stands for it
    int64_t count, held;  // columns; the first one of what `chunk` holds, or -1
    float chunk[CHUNK];
} parameter;

V_FN void parameter_set(parameter *p, const void *stored, ck_type type, float offset, const float *absent,
                        int64_t count) {
    p->stored = (source){stored, type};
    p->offset = offset;
    p->absent = absent;
    p->count = count;
    p->held = -1;
}

/// Columns i ... i + 15.
V_FN vf parameter_left(const parameter *p, int64_t i, int64_t left) {
    if (!p->stored.at) return v_load(p->absent);
    vf a = read_left(p->stored, i, left);
    return p->offset == 0.0f ? a : v_add(a, v_set(p->offset));
}

V_SLOW void CK_JOIN(hold_chunk, CK_SUFFIX)(parameter *p, int64_t column) {
    p->held = column;
    for (int64_t i = 0; i < CHUNK && column + i < p->count; i += 16)
        v_store(p->chunk + i, parameter_left(p, column + i, p->count - column - i));
}

/// The chunk that begins at `column`.
V_FN const float *parameter_chunk(parameter *p, int64_t column) {
    if (!p->stored.at) return p->absent;
    if (p->stored.type == CK_F32 && p->offset == 0.0f) return (const float *)p->stored.at + column;
    if (p->held != column) CK_JOIN(hold_chunk, CK_SUFFIX)(p, column);
    return p->chunk;
}

/// The branch of a residual sum, for all rows.
typedef struct branch_rule {
    float x_scale;
    dropout dropout;
    parameter bias, scale;
} branch_rule;

V_FN void branch_rule_set(branch_rule *b, const ck_residual *r, ck_type parameter_type, int64_t cols) {
    if (!r) return;
    b->x_scale = r->scale;
    b->dropout = dropout_of(r->dropout, r->seed);
    parameter_set(&b->bias, r->branch_bias, parameter_type, 0.0f, CK_JOIN(minus_zeros, CK_SUFFIX), cols);
    parameter_set(&b->scale, r->branch_scale, parameter_type, 0.0f, CK_JOIN(ones, CK_SUFFIX), cols);
}

/// A row. Without a branch, `rule` is NULL.
typedef struct norm_row {
    source x, branch;
    branch_rule *rule;
    int64_t number;  // in the whole batch
    float *kept;     // where the first pass keeps an exact sum, or NULL
} norm_row;

V_FN norm_row norm_row_at(const void *x, int64_t x_stride, const ck_residual *r, branch_rule *rule, int64_t row,
                          norm_kind kind) {
    norm_row at = {.x = source_at((source){x, kind.type}, row * x_stride)};
    if (kind.residual) {
        at.branch = source_at((source){r->branch, kind.type}, row * r->branch_stride);
        at.rule = rule;
        at.number = r->first_row + row;
    }
    return at;
}

/// Up to CHUNK columns of a row.
typedef struct norm_chunk {
    source x, branch;
    const float *bias, *scale;  // of the branch
    const branch_rule *rule;
    int64_t row, column;  // of the first element
    float *kept;
    kept_columns keeps;  // what dropout keeps, if there is dropout
} norm_chunk;

V_FN void find_keeps(norm_chunk *c) {
    int64_t width = lesser(CHUNK, c->rule->bias.count - c->column);
    c->keeps = CK_JOIN(kept_of_chunk, CK_SUFFIX)(&c->rule->dropout, c->row, c->column, width);
}

V_FN norm_chunk norm_chunk_at(const norm_row *row, int64_t column, norm_kind kind) {
    norm_chunk c;
    c.x = source_at(row->x, column);
    c.column = column;
    if (kind.residual) {
        c.branch = source_at(row->branch, column);
        c.bias = kind.plain ? CK_JOIN(minus_zeros, CK_SUFFIX) : parameter_chunk(&row->rule->bias, column);
        c.scale = kind.plain ? CK_JOIN(ones, CK_SUFFIX) : parameter_chunk(&row->rule->scale, column);
        c.rule = row->rule;
        c.row = row->number;
        c.kept = row->kept ? row->kept + column : 0;
        if (kind.dropout) find_keeps(&c);
    }
    return c;
}

/// Which elements of the block at i dropout keeps; all of them without it.
V_FN uint64_t chunk_kept(const norm_chunk *c, int64_t i, norm_kind kind) {
    return kind.dropout ? c->keeps.block[i / BLOCK] >> i % BLOCK : ~(uint64_t)0;
}

/// An element of the branch after dropout; `kept` has a bit for each lane.
V_FN vf dropped(vf a, const dropout *d, uint64_t kept, norm_kind kind) {
    return kind.dropout ? v_mul(v_keep_bits((uint32_t)kept, a), v_set(d->scale)) : a;
}

/// The branch, with its bias and without what is dropped.
V_FN vf branch_left(const norm_chunk *c, int64_t i, int64_t left, uint64_t kept, norm_kind kind) {
    vf sum = v_add(read_left(typed_source(c->branch, kind), i, left), load_left(c->bias + i, left));
    return dropped(sum, &c->rule->dropout, kept, kind);
}

V_FN vf plain_sum(vf x, source branch, int64_t i, int64_t left, norm_kind kind) {
    return v_add(x, read_left(typed_source(branch, kind), i, left));
}

/// Elements i ... i + 15 of a chunk.
V_FN vf input_left(const norm_chunk *c, int64_t i, int64_t left, uint64_t kept, norm_kind kind) {
    vf x = read_left(typed_source(c->x, kind), i, left);
    if (!kind.residual) return x;
    if (kind.plain) return plain_sum(x, c->branch, i, left, kind);
    return v_fma(v_set(c->rule->x_scale), x, v_mul(load_left(c->scale + i, left), branch_left(c, i, left, kept, kind)));
}

/// Sixteen elements from any column on.
V_FN vf input_anywhere(const norm_row *row, int64_t i, int64_t left, norm_kind kind) {
    vf x = read_left(typed_source(row->x, kind), i, left);
    if (!kind.residual) return x;
    if (kind.plain) return plain_sum(x, row->branch, i, left, kind);
    const dropout *d = &row->rule->dropout;
    uint64_t kept = kind.dropout ? kept_from(d, row->number, i) : 0;
    if (kind.dropout && i % 64 > 48) kept |= kept_from(d, row->number, i / 64 * 64 + 64) << (64 - i % 64);
    vf branch =
        dropped(v_add(read_left(typed_source(row->branch, kind), i, left), parameter_left(&row->rule->bias, i, left)),
                d, kept, kind);
    return v_fma(v_set(row->rule->x_scale), x, v_mul(parameter_left(&row->rule->scale, i, left), branch));
}

/// Whether what lies ahead in memory is what comes next: rows without wide gaps.
V_FN int is_flowing(int64_t cols, int64_t stride) { return stride - cols <= BLOCK; }

/// Bytes from an element to the same column of a row that is asked for with it; 0: what follows in memory is asked for.
typedef struct row_steps {
    int64_t x, branch;
} row_steps;

#define WITHOUT_GAPS (&(row_steps){0, 0})

/// Distances at which lines are asked for, in bytes: in memory, and from row to row where these have gaps.
#define AHEAD 4096
#define AHEAD_OF_GAPS (64 * 1024)
V_FN int64_t row_step_in(int64_t cols, int64_t stride, ck_type type) {
    if (is_flowing(cols, stride)) return 0;
    int64_t row = cols * size_of(type), pitch = stride * size_of(type);
    int64_t rows = lesser(2 * AHEAD / row, AHEAD_OF_GAPS / pitch);
    return rows > 1 ? rows * pitch : pitch;
}
V_FN row_steps row_steps_of(int64_t cols, int64_t x_stride, const ck_residual *r, norm_kind kind) {
    return (row_steps){row_step_in(cols, x_stride, kind.type),
                       kind.residual ? row_step_in(cols, r->branch_stride, kind.type) : 0};
}

/// Asks for the cache lines of a block of elements that lies `bytes` after element i.
V_FN void fetch_block(source s, int64_t i, int64_t bytes) {
    const char *p = (const char *)source_at(s, i).at + bytes;
    for (int64_t line = 0; line < BLOCK * size_of(s.type); line += 64) v_fetch(p + line);
}
V_FN void fetch_block_to_write(target t, int64_t i, int64_t bytes) {
    const char *p = (const char *)target_at(t, i).at + bytes;
    for (int64_t line = 0; line < BLOCK * size_of(t.type); line += 64) v_fetch_to_write(p + line);
}
/// Asks for what lies `bytes` ahead; where rows have gaps, for a row further on.
V_FN void fetch_input(const norm_chunk *c, const row_steps *steps, int64_t i, int64_t bytes, norm_kind kind) {
    fetch_block(typed_source(c->x, kind), i, steps->x ? steps->x : bytes);
    if (kind.residual) fetch_block(typed_source(c->branch, kind), i, steps->branch ? steps->branch : bytes);
}

/// Whether a wish may have to be repeated.
#define V_FORGETS (V_FARTHEST_WISH > V_NEAREST_WISH)

/// Asks for what rows that bypass the caches read next, as often as this processor wants.
V_FN void fetch_streamed(source s, int64_t row_step, int64_t i) {
    if (row_step)
        fetch_block(s, i, row_step);
    else
        for (int bytes = V_NEAREST_WISH; bytes <= V_FARTHEST_WISH; bytes *= 2) fetch_block(s, i, bytes);
}

/// Rows before the end of a range from which on nothing is asked for to write: it would be another thread's.
V_FN int64_t write_ahead_rows(int64_t cols, ck_type type) { return 2 * AHEAD / (cols * size_of(type)) + 1; }
