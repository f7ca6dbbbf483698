// arguments_attention_backward.c: what ck_attention_backward refuses, and calls near a refusal that it must accept.
// What both passes read is checked with ck_attention.

#include <math.h>
#include <stddef.h>

#include "arguments.h"
#include "attention_entry.h"

enum { BATCH = 2, QUERY_HEADS = 4, KEY_HEADS = 2, QUERIES = 3, KEYS = 5, HEAD = 3, VALUE = 2, ROW = 4 };

static const ck_strides query_rows = {QUERY_HEADS * QUERIES * ROW, QUERIES *ROW, ROW};
static const ck_strides key_rows = {KEY_HEADS * KEYS * ROW, KEYS *ROW, ROW};
static const ck_strides scores = {QUERY_HEADS * QUERIES * KEYS, QUERIES *KEYS, KEYS};
static const int64_t packed_queries[BATCH + 1] = {0, QUERIES, QUERIES + 1}, packed_keys[BATCH + 1] = {0, 0, KEYS};
static const int32_t table[BATCH] = {0, 1};
static _Alignas(64) float workspace[1 << 16];  // which the board has no room for

static ck_attention_backward_args right_args(const board *b) {
    float *f = b->floats;
    ck_attention_backward_args a = {
        .forward = {.batch = BATCH,
                    .query_heads = QUERY_HEADS,
                    .key_heads = KEY_HEADS,
                    .queries = QUERIES,
                    .keys = KEYS,
                    .head_size = HEAD,
                    .value_size = VALUE,
                    .query = f,
                    .query_strides = query_rows,
                    .key = f + PLACE,
                    .key_strides = key_rows,
                    .value = f + 2 * PLACE,
                    .value_strides = key_rows,
                    .scale = 0.5f,
                    .mask = {.bias = f + 3 * PLACE,
                             .bias_strides = scores,
                             .slopes = f + 4 * PLACE,
                             .sinks = f + 4 * PLACE + 16},
                    .output = f + 5 * PLACE,
                    .output_strides = query_rows,
                    .log_sum_exp = f + 6 * PLACE,
                    .log_sum_exp_low = f + 7 * PLACE,
                    .log_sum_exp_strides = {QUERY_HEADS * QUERIES, QUERIES, 1}},
        .doutput = f + 8 * PLACE,
        .doutput_strides = query_rows,
        .dquery = f + 9 * PLACE,
        .dquery_strides = query_rows,
        .dkey = f + 10 * PLACE,
        .dkey_strides = key_rows,
        .dvalue = f + 11 * PLACE,
        .dvalue_strides = key_rows,
        .dbias = f + 12 * PLACE,
        .dbias_strides = scores,
        .dslopes = f + 13 * PLACE,
        .dsinks = f + 13 * PLACE + 16,
        .workspace = workspace,
    };
    a.workspace_size = ck_attention_backward_workspace(&a, (ck_run){CK_ISA_AUTO, 1});
    return a;
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_attention_backward_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_attention_backward, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_attention_backward, &a, run), __VA_ARGS__)

/// Queries within each entry, then heads.
#define PACKED                                                                                  \
    a.forward.query_offsets = packed_queries;                                                   \
    a.forward.query_strides = a.forward.output_strides = a.doutput_strides = a.dquery_strides = \
        (ck_strides){-1, ROW, QUERY_HEADS * ROW};                                               \
    a.forward.log_sum_exp_strides = (ck_strides) { -1, 1, QUERY_HEADS }

static void check_shapes(check *c, board *b) {
    REFUSES(CK_BAD_SHAPE, a.forward.batch = -1);
    REFUSES(CK_BAD_SHAPE, a.forward.head_size = 513);
    REFUSES(CK_BAD_SHAPE, a.forward.first_query = -1);
    REFUSES(CK_UNKNOWN_TYPE, a.forward.key_type = (ck_type)3);
    REFUSES(CK_BAD_PARAMETER, a.forward.scale = NAN);
    REFUSES(CK_BAD_PARAMETER, a.forward.dropout = NAN);
    REFUSES(CK_BAD_PARAMETER, a.forward.dropout = 1);
    REFUSES(CK_BAD_PARAMETER, a.forward.dropout = -0.5f);
    REFUSES(CK_BAD_PARAMETER, a.forward.mask.softcap = -1);
    REFUSES(CK_BAD_PARAMETER, a.forward.pages = ((ck_pages){table, 1, KEYS, 2}));
    REFUSES(CK_BAD_STRIDE, a.doutput_strides.row = -ROW);
    REFUSES(CK_BAD_STRIDE, a.dquery_strides.row = HEAD - 1);
    REFUSES(CK_BAD_STRIDE, a.dkey_strides.head = -1);
    REFUSES(CK_BAD_STRIDE, a.dvalue_strides.batch = 1);
    REFUSES(CK_BAD_STRIDE, a.dbias_strides.row = KEYS - 1);
    REFUSES(CK_BAD_STRIDE, a.dbias_strides.row = -KEYS);
    REFUSES(CK_BAD_STRIDE, a.dbias_strides.head = -1);
    REFUSES(CK_BAD_STRIDE, a.dbias_strides.batch = KEYS);
    REFUSES(CK_SIZE_OVERFLOW, a.dbias_strides.batch = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.dkey_strides.row = INT64_MAX / 8);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)64);
    REFUSES(CK_OK, a.forward.batch = 0);
    REFUSES(CK_OK, a.forward.query_heads = 0);
    REFUSES(CK_OK, a.dquery = a.dkey = a.dvalue = NULL; a.dbias = a.dslopes = a.dsinks = NULL; a.workspace = NULL);
    REFUSES(CK_OK, a.dquery = a.dkey = a.dvalue = NULL; a.dslopes = a.dsinks = NULL; a.forward.keys = 0);
    ACCEPTS(a.forward.keys = 0; a.dbias = AT_THE_END);
    ACCEPTS(a.forward.queries = 0; a.dbias = AT_THE_END);
    ACCEPTS(a.forward.queries = 0; a.forward.mask.lengths = AT_THE_END);
    ACCEPTS(a.forward.queries = 0; a.dbias_strides = ((ck_strides){0}));
    ACCEPTS(a.forward.queries = a.forward.keys = 0; a.dkey = NULL);
    ACCEPTS(a.dbias_strides.batch = 0);
    ACCEPTS(a.dbias_strides.head = 0; a.dbias_strides.batch = QUERIES * KEYS);
    ACCEPTS(a.dbias_strides.row = 0; a.dbias_strides.head = KEYS);
    ACCEPTS(a.dbias_strides = (ck_strides){0});
    ACCEPTS(PACKED; a.forward.key_offsets = packed_keys);
    ACCEPTS(a.forward.dropout = 0.5f);
}

static void check_pointers(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.forward.query = NULL);
    REFUSES(CK_NULL_POINTER, a.forward.key = NULL);
    REFUSES(CK_NULL_POINTER, a.forward.value = NULL);
    REFUSES(CK_NULL_POINTER, a.forward.output = NULL);
    REFUSES(CK_NULL_POINTER, a.forward.log_sum_exp = NULL);
    REFUSES(CK_NULL_POINTER, a.doutput = NULL);
    REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    REFUSES(CK_NULL_POINTER, a.forward.mask.sinks = NULL);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size -= 1);
    REFUSES(CK_MISALIGNED_POINTER, a.doutput = MISALIGNED(a.doutput));
    REFUSES(CK_MISALIGNED_POINTER, a.dquery = MISALIGNED(a.dquery));
    REFUSES(CK_MISALIGNED_POINTER, a.dkey = MISALIGNED(a.dkey));
    REFUSES(CK_MISALIGNED_POINTER, a.dvalue = MISALIGNED(a.dvalue));
    REFUSES(CK_MISALIGNED_POINTER, a.dbias = MISALIGNED(a.dbias));
    REFUSES(CK_MISALIGNED_POINTER, a.dslopes = MISALIGNED(a.dslopes));
    REFUSES(CK_MISALIGNED_POINTER, a.dsinks = MISALIGNED(a.dsinks));
    REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 8);
    REFUSES(CK_SIZE_OVERFLOW, a.dbias = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.dslopes = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.dsinks = AT_THE_END);
    ACCEPTS(a.forward.log_sum_exp_low = NULL);
    ACCEPTS(a.dquery = NULL);
    ACCEPTS(a.dkey = NULL);
    ACCEPTS(a.dvalue = NULL);
    ACCEPTS(a.dbias = NULL; a.dbias_strides = ((ck_strides){-1, -1, -1}));
    ACCEPTS(a.dsinks = NULL; a.forward.mask.sinks = NULL);
    ACCEPTS(a.forward.mask.slopes = NULL);
    ACCEPTS(a.forward.mask.bias = NULL);
    ACCEPTS(a.dquery = a.dkey = a.dvalue = NULL);
    ACCEPTS(a.dquery = a.dkey = a.dvalue = NULL; a.dslopes = a.dsinks = NULL);
    ACCEPTS(a.dquery = a.dkey = a.dvalue = NULL; a.dslopes = a.dsinks = NULL; a.dbias_strides.batch = 0);
    board_refuses(c, b, enter_attention_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

static void check_overlaps(check *c, board *b) {
    REFUSES(CK_OVERLAP, a.dquery = (float *)a.forward.query + 1);
    REFUSES(CK_OVERLAP, a.dquery = (void *)a.doutput);
    REFUSES(CK_OVERLAP, a.dkey = (void *)a.forward.key);
    REFUSES(CK_OVERLAP, a.dkey = (void *)a.dquery);
    REFUSES(CK_OVERLAP, a.dvalue = (void *)a.forward.mask.bias);
    REFUSES(CK_OVERLAP, a.dvalue = (float *)a.dkey + 1);
    REFUSES(CK_OVERLAP, a.dbias = a.forward.log_sum_exp);
    REFUSES(CK_OVERLAP, a.dbias = (float *)a.dvalue + 3);
    REFUSES(CK_OVERLAP, a.dbias = (float *)a.forward.mask.bias);
    REFUSES(CK_OVERLAP, a.dslopes = (float *)a.forward.mask.slopes);
    REFUSES(CK_OVERLAP, a.dslopes = a.dbias);
    REFUSES(CK_OVERLAP, a.dsinks = (float *)a.forward.mask.sinks);
    REFUSES(CK_OVERLAP, a.dsinks = a.dslopes + QUERY_HEADS - 1);
    REFUSES(CK_OVERLAP, a.dsinks = (float *)a.dquery + 1);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.forward.value);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.forward.output);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.dbias);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.forward.mask.slopes);
    REFUSES(CK_OVERLAP, PACKED; a.dslopes = (float *)packed_queries);
    REFUSES(CK_OVERLAP, a.forward.key_offsets = packed_keys; a.dquery = (void *)packed_keys);
}

static void check_workspace(check *c, board *b) {
    ck_attention_backward_args a = right_args(b);
    check_begin(c);
    check_describe(c, "ck_attention_backward_workspace");
    check_that(c, a.workspace_size > 0 && a.workspace_size % 64 == 0, "not a whole number of lines");
    check_that(c, a.workspace_size <= sizeof workspace, "more than some 64 x 64 numbers");
    check_that(c, ck_attention_backward_workspace(NULL, (ck_run){0}) == 0, "a workspace for nothing");
    check_that(c, ck_attention_backward_workspace(&a, (ck_run){c->isa, -1}) == 0, "a workspace for wrong threads");
    a.forward.head_size = 0;
    check_that(c, ck_attention_backward_workspace(&a, (ck_run){c->isa, 1}) == 0, "a workspace for a wrong size");
}

void check_attention_backward_arguments(check *c, board *b) {
    check_shapes(c, b);
    check_pointers(c, b);
    check_overlaps(c, b);
    check_workspace(c, b);
}
