// arguments_norm_pairs.c: every output of a norm laid on every other array: refused, unless it may replace just that
// one or lies right beside it.

#include "arguments_norm.h"

enum { ROWS = 6, COLS = 7, GAP = 2 };

static const norm_set inputs = NORM_SET(NORM_X) | NORM_SET(NORM_BRANCH) | NORM_SET(NORM_BRANCH_BIAS) |
                               NORM_SET(NORM_BRANCH_SCALE) | NORM_SET(NORM_WEIGHT) | NORM_SET(NORM_BIAS) |
                               NORM_SET(NORM_DY) | NORM_SET(NORM_DSUM) | NORM_SET(NORM_MEAN) | NORM_SET(NORM_MEAN_LOW) |
                               NORM_SET(NORM_RSTD);

norm_problem norm_on_board(const board *b, ck_type type, int64_t rows, int64_t cols, matrix *m) {
    norm_problem p = {
        .kind = {.is_residual = 1, .type = type},
        .rows = rows,
        .cols = cols,
        .epsilon = 1e-5f,
        .residual = {.scale = 1, .dropout = 0.25f, .seed = 5},
        .given = inputs,
    };
    for (norm_array a = 0; a < NORM_ARRAYS; a++) {
        m[a] = norm_packed(&p, a);
        m[a].base = b->floats + a * PLACE;
        if (a < NORM_WEIGHT) m[a].stride += GAP;
    }
    return p;
}

static int64_t bytes_of(matrix m) { return ((m.rows - 1) * m.stride + m.cols) * type_size(m.type); }

static int may_replace(norm_array output, norm_array input) {
    if (output == NORM_Y || output == NORM_SUM) return input == NORM_X || input == NORM_BRANCH;
    return (output == NORM_DX || output == NORM_DBRANCH) && (input == NORM_DY || input == NORM_DSUM);
}

/// The call with `output` some bytes after (or before) where `other` begins.
static void check_moved(check *c, board *b, norm_problem *p, norm_pass pass, const matrix *m, norm_array output,
                        norm_array other, int64_t bytes, ck_status status) {
    ck_residual r;
    matrix at[NORM_ARRAYS];
    for (norm_array a = 0; a < NORM_ARRAYS; a++) at[a] = m[a];
    at[output].base = (char *)m[other].base + bytes;
    ck_norm_args forward = norm_forward_args(p, at, &r);
    ck_norm_backward_args backward = norm_backward_args(p, at, &r);
    const void *args = pass == NORM_FORWARD ? (const void *)&forward : &backward;
    entry_point entry = pass == NORM_FORWARD ? p->kind.is_rms ? enter_rms_norm : enter_layer_norm
                        : p->kind.is_rms     ? enter_rms_norm_backward
                                             : enter_layer_norm_backward;
    check_begin(c);
    check_describe(c, "%s of %s, %s %d bytes after the start of %s", pass == NORM_FORWARD ? "norm" : "norm backward",
                   type_name(p->kind.type), norm_array_names[output], (int)bytes, norm_array_names[other]);
    ck_run run = {c->isa, 1};
    if (status == CK_OK)
        board_accepts(c, b, entry, args, run);
    else
        board_refuses(c, b, entry, args, run, status);
}

static void check_pair(check *c, board *b, norm_problem *p, norm_pass pass, const matrix *m, norm_array output,
                       norm_array other) {
    int64_t length = bytes_of(m[other]), unit = output == NORM_WORKSPACE ? 64 : type_size(m[output].type);
    int64_t beside = (length + unit - 1) / unit * unit;
    ck_status on_it = may_replace(output, other) ? CK_OK : CK_OVERLAP;
    check_moved(c, b, p, pass, m, output, other, 0, on_it);
    check_moved(c, b, p, pass, m, output, other, (length - 1) / unit * unit, length > unit ? CK_OVERLAP : on_it);
    check_moved(c, b, p, pass, m, output, other, beside, CK_OK);
    if (output == NORM_WORKSPACE || other == 0) return;  // no place before the board's first array
    int64_t own = bytes_of(m[output]);
    check_moved(c, b, p, pass, m, output, other, unit - own, CK_OVERLAP);
    check_moved(c, b, p, pass, m, output, other, -own / unit * unit, CK_OK);
}

void check_norm_pairs(check *c, board *b) {
    matrix m[NORM_ARRAYS];
    for (int is_rms = 0; is_rms < 2; is_rms++)
        for (ck_type type = CK_F32; type <= CK_BF16; type++)
            for (norm_pass pass = NORM_FORWARD; pass <= NORM_BACKWARD; pass++) {
                norm_problem p = norm_on_board(b, type, ROWS, COLS, m);
                p.kind.is_rms = is_rms;
                norm_set workspace = pass == NORM_BACKWARD ? NORM_SET(NORM_WORKSPACE) : 0;
                norm_set outputs = norm_writes(&p, pass) | workspace, all = outputs | norm_reads(&p, pass);
                for (norm_array output = 0; output < NORM_ARRAYS; output++)
                    for (norm_array other = 0; other < NORM_ARRAYS; other++)
                        if (output != other && norm_has(outputs, output) && norm_has(all, other))
                            check_pair(c, b, &p, pass, m, output, other);
            }
}
