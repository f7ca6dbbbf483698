// arguments_attention.c: what ck_attention refuses, and calls near a refusal that it must accept. What a mask may be is
// checked with ck_score_softmax.

#include <math.h>
#include <stddef.h>

#include "arguments.h"
#include "attention_entry.h"

enum { BATCH = 2, QUERY_HEADS = 4, KEY_HEADS = 2, QUERIES = 3, KEYS = 5, HEAD = 3, VALUE = 2, ROW = 4 };

static const ck_strides query_rows = {QUERY_HEADS * QUERIES * ROW, QUERIES *ROW, ROW};
static const ck_strides key_rows = {KEY_HEADS * KEYS * ROW, KEYS *ROW, ROW};
static const ck_strides scores = {QUERY_HEADS * QUERIES * KEYS, QUERIES *KEYS, KEYS};

static const int64_t lengths[BATCH] = {0, KEYS}, too_long[BATCH] = {3, KEYS + 1};
static const int64_t packed_queries[BATCH + 1] = {0, QUERIES, QUERIES + 1}, packed_keys[BATCH + 1] = {0, 0, KEYS};
static const int64_t none[BATCH + 1] = {0, 0, 0}, late[BATCH + 1] = {1, 2, 3}, falling[BATCH + 1] = {0, 2, 1};
static const int64_t large[BATCH + 1] = {0, KEYS + 1, KEYS + 2};
static const int32_t tables[BATCH * 3] = {3, 1, 0, 0, 2, 3}, wrong[BATCH * 3] = {3, 1, 0, 0, 4, 3};
static const int32_t unnamed[BATCH * 3] = {3, 1, 0, 0, -1, 3}, padded[BATCH * 4] = {3, 1, 0, -1, 0, 2, 3, -1};

static ck_attention_args right_args(const board *b) {
    float *f = b->floats;
    ck_attention_args a = {
        .batch = BATCH,
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
                 .boolean = (uint8_t *)(f + 4 * PLACE),
                 .boolean_strides = scores,
                 .slopes = f + 5 * PLACE,
                 .sinks = f + 6 * PLACE,
                 .lengths = lengths,
                 .length_strides = {1, 0, 0}},
        .output = f + 7 * PLACE,
        .output_strides = query_rows,
        .log_sum_exp = f + 8 * PLACE,
        .log_sum_exp_strides = {QUERY_HEADS * QUERIES, QUERIES, 1},
        .workspace = f + 9 * PLACE,
    };
    a.workspace_size = ck_attention_workspace(&a, (ck_run){CK_ISA_AUTO, 1});
    return a;
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_attention_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_attention, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_attention, &a, run), __VA_ARGS__)

static void check_shapes(check *c, board *b) {
    REFUSES(CK_BAD_SHAPE, a.batch = -1);
    REFUSES(CK_BAD_SHAPE, a.query_heads = -2);
    REFUSES(CK_BAD_SHAPE, a.query_heads = 3);
    REFUSES(CK_BAD_SHAPE, a.query_heads = 1);
    REFUSES(CK_BAD_SHAPE, a.key_heads = 0);
    REFUSES(CK_BAD_SHAPE, a.key_heads = -1);
    REFUSES(CK_BAD_SHAPE, a.queries = -1);
    REFUSES(CK_BAD_SHAPE, a.keys = -1);
    REFUSES(CK_BAD_SHAPE, a.head_size = 0);
    REFUSES(CK_BAD_SHAPE, a.head_size = 513);
    REFUSES(CK_BAD_SHAPE, a.value_size = 0);
    REFUSES(CK_BAD_SHAPE, a.value_size = 513);
    REFUSES(CK_UNKNOWN_TYPE, a.type = (ck_type)3);
    REFUSES(CK_UNKNOWN_TYPE, a.key_type = (ck_type)-1);
    REFUSES(CK_BAD_PARAMETER, a.scale = NAN);
    REFUSES(CK_BAD_PARAMETER, a.scale = INFINITY);
    REFUSES(CK_BAD_STRIDE, a.query_strides.row = -ROW);
    REFUSES(CK_BAD_STRIDE, a.key_strides.head = -1);
    REFUSES(CK_BAD_STRIDE, a.value_strides.batch = -1);
    REFUSES(CK_BAD_STRIDE, a.output_strides.row = VALUE - 1);
    REFUSES(CK_BAD_STRIDE, a.output_strides.head = ROW);
    REFUSES(CK_BAD_STRIDE, a.output_strides.batch = 0);
    REFUSES(CK_BAD_STRIDE, a.log_sum_exp_strides.row = 0);
    REFUSES(CK_BAD_STRIDE, a.log_sum_exp_strides.head = 1);
    REFUSES(CK_SIZE_OVERFLOW, a.batch = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.keys = INT64_MAX; a.key_strides = a.value_strides = (ck_strides){0});
    REFUSES(CK_SIZE_OVERFLOW, a.queries = a.keys = (int64_t)1 << 31);
    REFUSES(CK_SIZE_OVERFLOW, a.queries = INT64_MAX / 2; a.keys = 0);
    REFUSES(CK_SIZE_OVERFLOW, a.key_strides.row = INT64_MAX / 8);
    REFUSES(CK_SIZE_OVERFLOW, a.value_strides.head = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.log_sum_exp_strides.batch = INT64_MAX);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)64);
    REFUSES(CK_OK, a.batch = 0);
    REFUSES(CK_OK, a.queries = 0; a.query = NULL; a.output = NULL; a.log_sum_exp = NULL; a.workspace = NULL);
    REFUSES(CK_OK, a.queries = 0; a.log_sum_exp_strides = (ck_strides){0});
    REFUSES(CK_OK, a.query_heads = 0);
    REFUSES(CK_OK, a.query_heads = a.key_heads = 0; a.key = NULL);
    ACCEPTS(a.query_strides = a.key_strides = a.value_strides = (ck_strides){0});
    ACCEPTS(a.output_strides = a.query_strides = (ck_strides){QUERY_HEADS * QUERIES * ROW, ROW, QUERY_HEADS * ROW});
    ACCEPTS(a.type = CK_BF16; a.key_type = CK_F16);
    ACCEPTS(a.log_sum_exp = NULL; a.log_sum_exp_strides = (ck_strides){-1, -1, -1});
    ACCEPTS(a.scale = 0);
    REFUSES(CK_BAD_PARAMETER, a.dropout = NAN);
    REFUSES(CK_BAD_PARAMETER, a.dropout = 1);
    REFUSES(CK_BAD_PARAMETER, a.dropout = INFINITY);
    REFUSES(CK_BAD_PARAMETER, a.dropout = -0x1p-149f);
    REFUSES(CK_BAD_SHAPE, a.first_query = -1);
    REFUSES(CK_BAD_SHAPE, a.first_query = INT64_MAX);
    REFUSES(CK_BAD_SHAPE, a.first_query = ((int64_t)1 << 32) - QUERIES + 1);
    ACCEPTS(a.dropout = 0x1.fffffep-1f; a.seed = UINT64_MAX; a.first_query = ((int64_t)1 << 32) - QUERIES);
    ACCEPTS(a.dropout = -0.0f);
}

static void check_pointers(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.query = NULL);
    REFUSES(CK_NULL_POINTER, a.key = NULL);
    REFUSES(CK_NULL_POINTER, a.value = NULL);
    REFUSES(CK_NULL_POINTER, a.output = NULL);
    REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size -= 1);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size = 0);
    REFUSES(CK_MISALIGNED_POINTER, a.query = MISALIGNED(a.query));
    REFUSES(CK_MISALIGNED_POINTER, a.key_type = CK_F16; a.key = MISALIGNED(a.key));
    REFUSES(CK_MISALIGNED_POINTER, a.value = MISALIGNED(a.value));
    REFUSES(CK_MISALIGNED_POINTER, a.output = MISALIGNED(a.output));
    REFUSES(CK_MISALIGNED_POINTER, a.log_sum_exp = MISALIGNED(a.log_sum_exp));
    REFUSES(CK_MISALIGNED_POINTER, a.log_sum_exp_low = MISALIGNED(a.log_sum_exp));
    REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 8);
    REFUSES(CK_MISALIGNED_POINTER, a.query_offsets = MISALIGNED(packed_queries));
    REFUSES(CK_MISALIGNED_POINTER, a.key_offsets = MISALIGNED(packed_keys));
    REFUSES(CK_SIZE_OVERFLOW, a.query = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.key = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.value = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.output = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.log_sum_exp = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.workspace = (void *)(UINTPTR_MAX - 63));
    ACCEPTS(a.query = (float *)a.query + 1; a.key = (float *)a.key + 3; a.value = a.key);
    board_refuses(c, b, enter_attention, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
}

/// Every mask field that has a status of its own; and masks of keys that are not there.
static void check_masks(check *c, board *b) {
    REFUSES(CK_BAD_PARAMETER, a.mask.softcap = -1);
    REFUSES(CK_BAD_PARAMETER, a.mask.windowed = 1; a.mask.window_left = -2);
    REFUSES(CK_UNKNOWN_TYPE, a.mask.bias_type = (ck_type)3);
    REFUSES(CK_BAD_STRIDE, a.mask.bias_strides.row = -1);
    REFUSES(CK_BAD_STRIDE, a.mask.boolean_strides.head = -1);
    REFUSES(CK_BAD_LENGTHS, a.mask.lengths = too_long);
    REFUSES(CK_MISALIGNED_POINTER, a.mask.slopes = MISALIGNED(a.mask.slopes));
    REFUSES(CK_MISALIGNED_POINTER, a.mask.sinks = MISALIGNED(a.mask.sinks));
    ACCEPTS(a.mask = (ck_mask){0});
    ACCEPTS(a.keys = 0; a.mask.lengths = NULL);
    ACCEPTS(a.keys = 0; a.mask.lengths = NULL; a.key = NULL; a.value = NULL);
    ACCEPTS(a.keys = 0; a.mask.lengths = NULL; a.mask.bias = AT_THE_END; a.mask.boolean = a.output);
    REFUSES(CK_BAD_LENGTHS, a.keys = 0);
}

#define PACKED                                                                     \
    a.query_offsets = packed_queries;                                              \
    a.query_strides = a.output_strides = (ck_strides){-1, ROW, QUERY_HEADS * ROW}; \
    a.log_sum_exp_strides = (ck_strides) { -1, 1, QUERY_HEADS }

static void check_packing(check *c, board *b) {
    ACCEPTS(PACKED);
    ACCEPTS(a.key_offsets = packed_keys);
    ACCEPTS(a.key_offsets = none; a.key = a.value = NULL);
    REFUSES(CK_OK, a.query_offsets = none; a.workspace = NULL; a.output = NULL);
    REFUSES(CK_BAD_OFFSETS, a.query_offsets = late);
    REFUSES(CK_BAD_OFFSETS, a.query_offsets = falling);
    REFUSES(CK_BAD_OFFSETS, a.query_offsets = large);
    REFUSES(CK_BAD_OFFSETS, a.key_offsets = late);
    REFUSES(CK_BAD_OFFSETS, a.key_offsets = falling);
    REFUSES(CK_BAD_OFFSETS, a.key_offsets = large);
    REFUSES(CK_BAD_OFFSETS, a.batch = 0; a.key_offsets = late);
    REFUSES(CK_BAD_STRIDE, PACKED; a.output_strides.head = QUERIES * ROW; a.output_strides.row = ROW);
}

#define IN_PAGES                           \
    a.pages = (ck_pages){tables, 3, 2, 4}; \
    a.key_strides = a.value_strides = (ck_strides) { 16, 8, ROW }

static void check_pages(check *c, board *b) {
    ACCEPTS(IN_PAGES);
    ACCEPTS(IN_PAGES; a.pages.table_stride = 0);
    ACCEPTS(IN_PAGES; a.pages.table = padded; a.pages.table_stride = 4);
    ACCEPTS(IN_PAGES; a.keys = 0; a.mask.lengths = NULL; a.pages.table = wrong);
    REFUSES(CK_OK, IN_PAGES; a.batch = 0);
    REFUSES(CK_BAD_SHAPE, IN_PAGES; a.key_offsets = packed_keys);
    REFUSES(CK_BAD_STRIDE, IN_PAGES; a.pages.table_stride = 0; a.batch = (int64_t)1 << 40; a.output_strides.batch = 0);
    REFUSES(CK_BAD_SHAPE, IN_PAGES; a.pages.page_size = 0);
    REFUSES(CK_BAD_SHAPE, IN_PAGES; a.pages.count = -1);
    REFUSES(CK_BAD_OFFSETS, IN_PAGES; a.pages.count = 0);
    REFUSES(CK_BAD_OFFSETS, IN_PAGES; a.pages.table = wrong);
    REFUSES(CK_BAD_OFFSETS, IN_PAGES; a.pages.table = unnamed);
    REFUSES(CK_BAD_STRIDE, IN_PAGES; a.pages.table_stride = -1);
    REFUSES(CK_BAD_STRIDE, IN_PAGES; a.key_strides.batch = -1);
    REFUSES(CK_SIZE_OVERFLOW, IN_PAGES; a.pages.table_stride = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, IN_PAGES; a.pages.page_size = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, IN_PAGES; a.pages.count = INT64_MAX);
    REFUSES(CK_MISALIGNED_POINTER, IN_PAGES; a.pages.table = MISALIGNED(tables));
    ACCEPTS(a.pages = (ck_pages){NULL, -1, -1, -1});
}

static void check_overlaps(check *c, board *b) {
    float *f = b->floats;
    REFUSES(CK_OVERLAP, a.output = f);
    REFUSES(CK_OVERLAP, a.output = f + 1);
    REFUSES(CK_OVERLAP, a.output = (float *)a.key + 1);
    REFUSES(CK_OVERLAP, a.output = (void *)a.value);
    REFUSES(CK_OVERLAP, a.output = (void *)a.mask.bias);
    REFUSES(CK_OVERLAP, a.output = (void *)a.mask.boolean);
    REFUSES(CK_OVERLAP, a.output = (void *)a.mask.slopes);
    REFUSES(CK_OVERLAP, a.output = (void *)a.mask.sinks);
    REFUSES(CK_OVERLAP, a.output = (void *)lengths);
    REFUSES(CK_OVERLAP, PACKED; a.output = (void *)packed_queries);
    REFUSES(CK_OVERLAP, a.key_offsets = packed_keys; a.output = (void *)packed_keys);
    REFUSES(CK_OVERLAP, IN_PAGES; a.output = (void *)tables);
    REFUSES(CK_OVERLAP, a.log_sum_exp = f);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.value);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.output + 1);
    REFUSES(CK_OVERLAP, a.log_sum_exp = (float *)a.mask.sinks);
    REFUSES(CK_OVERLAP, a.log_sum_exp_low = a.log_sum_exp);
    REFUSES(CK_OVERLAP, a.log_sum_exp_low = (float *)a.output + 1);
    REFUSES(CK_OVERLAP, a.workspace = f);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.key);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.mask.bias);
    REFUSES(CK_OVERLAP, a.workspace = a.output);
    REFUSES(CK_OVERLAP, a.workspace = a.log_sum_exp);
    ACCEPTS(a.output = f + HEAD - 1; a.query_strides.row = 8; a.query_strides.head = 24; a.query_strides.batch = 96;
            a.output = f + HEAD; a.output_strides = a.query_strides);  // columns of one matrix
}

static void check_workspace(check *c, board *b) {
    ck_attention_args a = right_args(b);
    check_begin(c);
    check_describe(c, "ck_attention_workspace");
    check_that(c, a.workspace_size > 0 && a.workspace_size % 64 == 0, "not a whole number of lines");
    check_that(c, ck_attention_workspace(NULL, (ck_run){0}) == 0, "a workspace for nothing");
    check_that(c, ck_attention_workspace(&a, (ck_run){c->isa, -1}) == 0, "a workspace for wrong threads");
    a.head_size = 0;
    check_that(c, ck_attention_workspace(&a, (ck_run){c->isa, 1}) == 0, "a workspace for a wrong size");
    a = right_args(b);
    a.queries = INT64_MAX;
    a.keys = 0;
    check_that(c, ck_attention_workspace(&a, (ck_run){c->isa, 8}) == 0, "a workspace for too many queries");
    a.queries = 0;
    check_that(c, ck_attention_workspace(&a, (ck_run){c->isa, 1}) == 0, "a workspace without queries");
}

void check_attention_arguments(check *c, board *b) {
    check_shapes(c, b);
    check_pointers(c, b);
    check_masks(c, b);
    check_packing(c, b);
    check_pages(c, b);
    check_overlaps(c, b);
    check_workspace(c, b);
}
