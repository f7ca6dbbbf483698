// arguments_segment_norm.c: what norms of parts of rows and of neighbourhoods refuse, in both directions, by tables of
// their arguments; and of what cuts the rows.

#include <math.h>
#include <string.h>

#include "arguments.h"
#include "calls.h"
#include "segment_entry.h"

/// Three parts of the seven columns that calls_arguments.c has, one of them empty.
static const int64_t cut[] = {0, 2, 2, 7};
enum { PARTS = 3, COLS = 7, ROWS = 18 };

static ck_status enter_csr(const void *args, ck_run run) { return ck_csr_layer_norm(args, run); }
static ck_status enter_csr_back(const void *args, ck_run run) { return ck_csr_layer_norm_backward(args, run); }

static void cut_segments(check *c, void *args) {
    ck_segment_norm_args *a = args;
    (void)c;
    a->segments = PARTS;
    a->offsets = cut;
}
static void cut_segments_back(check *c, void *args) {
    ck_segment_norm_backward_args *a = args;
    (void)c;
    a->segments = PARTS;
    a->offsets = cut;
}
static void cut_edges(check *c, void *args) {
    ck_csr_layer_norm_args *a = args;
    (void)c;
    a->nodes = PARTS;
    a->offsets = cut;
}
static void cut_edges_back(check *c, void *args) {
    ck_csr_layer_norm_backward_args *a = args;
    (void)c;
    a->nodes = PARTS;
    a->offsets = cut;
}

static size_t segments_workspace(const void *args) {
    const ck_segment_norm_backward_args *a = args;
    return ck_segment_norm_backward_workspace(a->rows, a->cols, a->segments, a->offsets);
}
static size_t csr_workspace(const void *args) {
    const ck_csr_layer_norm_backward_args *a = args;
    return ck_csr_layer_norm_backward_workspace(a->heads, a->nodes);
}

#define FIELD(name) offsetof(ck_segment_norm_args, name)
static const argument segment_arguments[] = {
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"weight", FIELD(weight), NO_FIELD, OF_COLS, PARAMETER, READ, OPTIONAL, NOWHERE},
    {"bias", FIELD(bias), NO_FIELD, OF_COLS, PARAMETER, READ, OPTIONAL, NOWHERE},
    {"y", FIELD(y), FIELD(y_stride), MATRIX, STORED, WRITTEN, REQUIRED, 0},
    {"mean", FIELD(mean), NO_FIELD, OF_PARTS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"mean_low", FIELD(mean_low), NO_FIELD, OF_PARTS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"rstd", FIELD(rstd), NO_FIELD, OF_PARTS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
};
static operator_table segments(const char *name, entry_point entry) {
    return (operator_table){
        .name = name,
        .entry = entry,
        .arguments = segment_arguments,
        .count = 7,
        .rows = FIELD(rows),
        .cols = FIELD(cols),
        .parts = FIELD(segments),
        .type = FIELD(type),
        .parameter_type = FIELD(parameter_type),
        .epsilon = FIELD(epsilon),
        .draw = cut_segments,
    };
}
#undef FIELD

#define FIELD(name) offsetof(ck_segment_norm_backward_args, name)
/// RMSNorm has no mean: the last two arguments are not given.
static const argument segment_back_arguments[] = {
    {"dy", FIELD(dy), FIELD(dy_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"weight", FIELD(weight), NO_FIELD, OF_COLS, PARAMETER, READ, OPTIONAL, NOWHERE},
    {"rstd", FIELD(rstd), NO_FIELD, OF_PARTS, FLOATS, READ, REQUIRED, NOWHERE},
    {"dx", FIELD(dx), FIELD(dx_stride), MATRIX, STORED, WRITTEN, OPTIONAL, 0},
    {"dweight", FIELD(dweight), NO_FIELD, OF_COLS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"dbias", FIELD(dbias), NO_FIELD, OF_COLS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"workspace", FIELD(workspace), NO_FIELD, SCRATCH, FLOATS, WRITTEN, REQUIRED, NOWHERE},
    {"mean", FIELD(mean), NO_FIELD, OF_PARTS, FLOATS, READ, REQUIRED, NOWHERE},
    {"mean_low", FIELD(mean_low), NO_FIELD, OF_PARTS, FLOATS, READ, OPTIONAL, NOWHERE},
};
enum { BACK_ARGUMENTS = 10, RMS_BACK_ARGUMENTS = 8 };
static operator_table segments_back(const char *name, entry_point entry, int count) {
    return (operator_table){
        .name = name,
        .entry = entry,
        .arguments = segment_back_arguments,
        .count = count,
        .rows = FIELD(rows),
        .cols = FIELD(cols),
        .parts = FIELD(segments),
        .type = FIELD(type),
        .parameter_type = FIELD(parameter_type),
        .epsilon = NO_FIELD,
        .workspace_size = FIELD(workspace_size),
        .workspace = segments_workspace,
        .draw = cut_segments_back,
    };
}
#undef FIELD

#define FIELD(name) offsetof(ck_csr_layer_norm_args, name)
static const argument csr_arguments[] = {
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"weight", FIELD(weight), NO_FIELD, OF_ROWS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"bias", FIELD(bias), NO_FIELD, OF_ROWS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"y", FIELD(y), FIELD(y_stride), MATRIX, STORED, WRITTEN, REQUIRED, 0},
    {"mean", FIELD(mean), NO_FIELD, OF_PARTS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"mean_low", FIELD(mean_low), NO_FIELD, OF_PARTS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"rstd", FIELD(rstd), NO_FIELD, OF_PARTS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
};
static const operator_table csr = {
    .name = "csr_layer_norm",
    .entry = enter_csr,
    .arguments = csr_arguments,
    .count = 7,
    .rows = FIELD(heads),
    .cols = FIELD(edges),
    .parts = FIELD(nodes),
    .type = FIELD(type),
    .parameter_type = NO_FIELD,
    .epsilon = FIELD(epsilon),
    .draw = cut_edges,
};
#undef FIELD

#define FIELD(name) offsetof(ck_csr_layer_norm_backward_args, name)
static const argument csr_back_arguments[] = {
    {"dy", FIELD(dy), FIELD(dy_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"x", FIELD(x), FIELD(x_stride), MATRIX, STORED, READ, REQUIRED, NOWHERE},
    {"weight", FIELD(weight), NO_FIELD, OF_ROWS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"mean", FIELD(mean), NO_FIELD, OF_PARTS, FLOATS, READ, REQUIRED, NOWHERE},
    {"mean_low", FIELD(mean_low), NO_FIELD, OF_PARTS, FLOATS, READ, OPTIONAL, NOWHERE},
    {"rstd", FIELD(rstd), NO_FIELD, OF_PARTS, FLOATS, READ, REQUIRED, NOWHERE},
    {"dx", FIELD(dx), FIELD(dx_stride), MATRIX, STORED, WRITTEN, OPTIONAL, 0},
    {"dweight", FIELD(dweight), NO_FIELD, OF_ROWS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"dbias", FIELD(dbias), NO_FIELD, OF_ROWS, FLOATS, WRITTEN, OPTIONAL, NOWHERE},
    {"workspace", FIELD(workspace), NO_FIELD, SCRATCH, FLOATS, WRITTEN, REQUIRED, NOWHERE},
};
static const operator_table csr_back = {
    .name = "csr_layer_norm_backward",
    .entry = enter_csr_back,
    .arguments = csr_back_arguments,
    .count = 10,
    .rows = FIELD(heads),
    .cols = FIELD(edges),
    .parts = FIELD(nodes),
    .type = FIELD(type),
    .parameter_type = NO_FIELD,
    .epsilon = NO_FIELD,
    .workspace_size = FIELD(workspace_size),
    .workspace = csr_workspace,
    .draw = cut_edges_back,
};
#undef FIELD

static ck_segment_norm_args right_segments(const board *b) {
    float *f = b->floats;
    return (ck_segment_norm_args){.rows = ROWS,
                                  .cols = COLS,
                                  .segments = PARTS,
                                  .offsets = cut,
                                  .x = f,
                                  .x_stride = COLS,
                                  .epsilon = 1e-5f,
                                  .y = f + PLACE,
                                  .y_stride = COLS};
}
static ck_csr_layer_norm_args right_csr(const board *b) {
    float *f = b->floats;
    return (ck_csr_layer_norm_args){.heads = ROWS,
                                    .edges = COLS,
                                    .nodes = PARTS,
                                    .offsets = cut,
                                    .x = f,
                                    .x_stride = COLS,
                                    .epsilon = 1e-5f,
                                    .y = f + PLACE,
                                    .y_stride = COLS};
}

#define SEGMENTS(verdict, ...) CHANGED_CALL(ck_segment_norm_args, right_segments(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) SEGMENTS(board_refuses(c, b, enter_segments, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) SEGMENTS(board_accepts(c, b, enter_segments, &a, run), __VA_ARGS__)
#define CSR_REFUSES(status, ...) \
    CHANGED_CALL(ck_csr_layer_norm_args, right_csr(b), board_refuses(c, b, enter_csr, &a, run, status), __VA_ARGS__)

/// What the tables do not know: offsets, and numbers of parts.
static void check_cuts(check *c, board *b) {
    static const int64_t late[] = {1, 2, 2, 7}, falling[] = {0, 5, 2, 7}, early[] = {0, 2, 2, 6},
                         long_[] = {0, 2, 2, 8};
    static const int64_t one[] = {0, COLS}, unequal[] = {0, 3, COLS};
    const int64_t *wrong[] = {late, falling, early, long_};
    for (int i = 0; i < 4; i++) {
        REFUSES(CK_BAD_OFFSETS, a.offsets = wrong[i]);
        CSR_REFUSES(CK_BAD_OFFSETS, a.offsets = wrong[i]);
    }
    REFUSES(CK_NULL_POINTER, a.offsets = NULL);
    REFUSES(CK_MISALIGNED_POINTER, a.offsets = MISALIGNED(cut));
    REFUSES(CK_SIZE_OVERFLOW, a.offsets = (const int64_t *)(UINTPTR_MAX - 7));
    REFUSES(CK_BAD_SHAPE, a.segments = 0);
    REFUSES(CK_BAD_SHAPE, a.segments = -1);
    REFUSES(CK_SIZE_OVERFLOW, a.segments = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.rows = 0; a.segments = (int64_t)1 << 62);
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = NAN);
    REFUSES(CK_BAD_PARAMETER, a.weight_offset = INFINITY);
    REFUSES(CK_BAD_OFFSETS, a.shared = 1);
    REFUSES(CK_BAD_OFFSETS, a.shared = 1; a.segments = 2; a.offsets = unequal);
    ACCEPTS(a.shared = 1; a.segments = 1; a.offsets = one);
    REFUSES(CK_OK, a.rows = 0; a.x = NULL; a.y = NULL);
    CSR_REFUSES(CK_NULL_POINTER, a.offsets = NULL);
    CSR_REFUSES(CK_MISALIGNED_POINTER, a.offsets = MISALIGNED(cut));
    CSR_REFUSES(CK_BAD_SHAPE, a.nodes = 0);
    CSR_REFUSES(CK_SIZE_OVERFLOW, a.nodes = INT64_MAX);
    CSR_REFUSES(CK_SIZE_OVERFLOW, a.heads = 0; a.nodes = (int64_t)1 << 62);
    CSR_REFUSES(CK_OK, a.heads = 0; a.x = NULL; a.y = NULL);
}

void check_segment_norm_arguments(check *c, board *b) {
    const operator_table tables[] = {
        segments("segment_layer_norm", enter_segments),
        segments("segment_rms_norm", enter_rms_segments),
        segments_back("segment_layer_norm_backward", enter_segments_backward, BACK_ARGUMENTS),
        segments_back("segment_rms_norm_backward", enter_rms_segments_backward, RMS_BACK_ARGUMENTS),
        csr,
        csr_back,
    };
    for (int i = 0; i < 6; i++) check_operator_arguments(c, &tables[i]);
    check_cuts(c, b);
}
