// large_batches.c: the family large_batches: norms of segments and of channels, masked scores and their gradients, and
// gradients by given moments of batches so large that outputs bypass the caches, against portable's results for the few
// rows that they repeat.
// (Plain norms and softmax have families of their own: norm_streaming, softmax_streaming.)

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "channel_problem.h"
#include "families.h"
#include "patterns.h"
#include "repeated_rows.h"
#include "score_entry.h"
#include "segment_entry.h"

static const ck_run portable = {CK_ISA_PORTABLE, 1};

static ck_status enter_backward(const void *args, ck_run run) { return ck_normalize_rows_backward(args, run); }

/// A batch of rows that repeat. `gap`, between rows, and the places decide whether outputs begin at cache lines.
typedef struct batch {
    ck_type type;
    int64_t rows, cols, gap;
    void *x, *dy, *result;  // DIFFERENT packed rows each
    guarded home_x, home_dy, home_result;
} batch;

static void draw_rows(check *c, const batch *b, void *to) {
    float *row = malloc((size_t)b->cols * sizeof *row);
    if (!row) exit(2);
    for (int64_t k = 0; k < DIFFERENT; k++) {
        pattern_fill((pattern)random_below(&c->random, TAME_PATTERNS), row, b->cols, &c->random);
        type_store(b->type, (char *)to + k * b->cols * type_size(b->type), row, b->cols);
    }
    free(row);
}

static batch batch_make(check *c, ck_type type, int64_t cols, int64_t gap) {
    batch b = {.type = type, .rows = repeated_rows(type, cols), .cols = cols, .gap = gap};
    int64_t bytes = matrix_needs(type, b.rows, cols + gap);
    b.home_x = guarded_make(bytes);
    b.home_dy = guarded_make(bytes);
    b.home_result = guarded_make(bytes);
    b.x = repeated_make(type, cols);
    b.dy = repeated_make(type, cols);
    b.result = repeated_make(type, cols);
    check_begin(c);
    draw_rows(c, &b, b.x);
    draw_rows(c, &b, b.dy);
    return b;
}

static void batch_free(batch *b) {
    guarded_free(&b->home_x);
    guarded_free(&b->home_dy);
    guarded_free(&b->home_result);
    free(b->x);
    free(b->dy);
    free(b->result);
}

static matrix input_of(const batch *b) {
    return repeated_place(&b->home_x, b->type, b->x, b->rows, b->cols, b->cols, 3);
}
static matrix output_of(const batch *b, int place) {
    return matrix_place(&b->home_result, b->type, b->rows, b->cols, b->cols + b->gap, place);
}

static void describe(check *c, const batch *b, const char *what, ck_run run) {
    check_describe(c, "%s, %s, rows %" PRId64 ", cols %" PRId64 ", gap %" PRId64 ", threads %d", what,
                   type_name(b->type), b->rows, b->cols, b->gap, run.threads);
}

/// Segments of whole lines, and one cut in a line.
static void compare_segments(check *c, const batch *b) {
    enum { SEGMENTS = 3 };
    int64_t line = 64 / type_size(b->type), offsets[SEGMENTS + 1] = {0, 2 * line, b->cols / (2 * line) * line, b->cols};
    for (int cut = 0; cut < 2; cut++) {
        offsets[1] += cut;
        int is_rms = (int)random_below(&c->random, 2);
        entry_point entry = is_rms ? enter_rms_segments : enter_segments;
        ck_segment_norm_args args = {
            .rows = DIFFERENT,
            .cols = b->cols,
            .segments = SEGMENTS,
            .offsets = offsets,
            .type = b->type,
            .x = b->x,
            .x_stride = b->cols,
            .epsilon = 1e-5f,
            .y = b->result,
            .y_stride = b->cols,
        };
        if (!check_call(c, entry, &args, portable, CK_OK)) return;
        for (int32_t threads = 1; threads <= 2; threads++) {
            ck_run run = {c->isa, threads};
            matrix x = input_of(b), y = output_of(b, 0);
            describe(c, b, is_rms ? "RMSNorm of segments" : "LayerNorm of segments", run);
            args.rows = b->rows;
            args.x = x.base;
            args.x_stride = x.stride;
            args.y = y.base;
            args.y_stride = y.stride;
            if (check_call(c, entry, &args, run, CK_OK)) repeated_expect(c, "y", y, b->result);
        }
    }
}

/// Masked scores of DIFFERENT queries.
static ck_score_softmax_args few_scores(const batch *b, void *y, ck_mask mask) {
    return (ck_score_softmax_args){
        .batch = 1,
        .heads = 1,
        .queries = DIFFERENT,
        .keys = b->cols,
        .type = b->type,
        .scale = 0.5f,
        .x = b->x,
        .x_strides = {.row = b->cols},
        .y = y,
        .y_strides = {.row = b->cols},
        .mask = mask,
    };
}

/// Heads of DIFFERENT queries.
static ck_strides strides_of_heads(matrix m) { return (ck_strides){.head = DIFFERENT * m.stride, .row = m.stride}; }

/// Heads of DIFFERENT queries, each with the same scores and the same causal mask.
static void compare_scores(check *c, const batch *b) {
    ck_mask mask = {.softcap = 20, .causal = 1, .offset = b->cols - 3};
    ck_score_softmax_args args = few_scores(b, b->result, mask);
    if (!check_call(c, enter_score_softmax, &args, portable, CK_OK)) return;
    for (int32_t threads = 1; threads <= 2; threads++) {
        ck_run run = {c->isa, threads};
        matrix x = input_of(b), y = output_of(b, 0);
        describe(c, b, "masked scores", run);
        args.heads = b->rows / DIFFERENT;
        args.x = x.base;
        args.x_strides = strides_of_heads(x);
        args.y = y.base;
        args.y_strides = strides_of_heads(y);
        if (check_call(c, enter_score_softmax, &args, run, CK_OK)) repeated_expect(c, "y", y, b->result);
    }
}

/// Their gradients, likewise.
static void compare_score_gradients(check *c, const batch *b) {
    void *probabilities = repeated_make(b->type, b->cols);
    ck_score_softmax_args few = few_scores(b, probabilities, (ck_mask){.causal = 1, .offset = b->cols - 3});
    ck_score_softmax_backward_args args = {
        .batch = few.batch,
        .heads = few.heads,
        .queries = few.queries,
        .keys = few.keys,
        .type = few.type,
        .scale = few.scale,
        .dy = b->dy,
        .dy_strides = few.x_strides,
        .y = probabilities,
        .y_strides = few.y_strides,
        .dx = b->result,
        .dx_strides = few.x_strides,
        .mask = few.mask,
    };
    int made = check_call(c, enter_score_softmax, &few, portable, CK_OK) &&
               check_call(c, enter_score_softmax_backward, &args, portable, CK_OK);
    for (int32_t threads = 1; threads <= 2 && made; threads++) {
        ck_run run = {c->isa, threads};
        matrix y = repeated_place(&b->home_x, b->type, probabilities, b->rows, b->cols, b->cols, 3);
        matrix dy = repeated_place(&b->home_dy, b->type, b->dy, b->rows, b->cols, b->cols, 5), dx = output_of(b, 0);
        describe(c, b, "gradients of masked scores", run);
        args.heads = b->rows / DIFFERENT;
        args.dy = dy.base;
        args.dy_strides = strides_of_heads(dy);
        args.y = y.base;
        args.y_strides = strides_of_heads(y);
        args.dx = dx.base;
        args.dx_strides = strides_of_heads(dx);
        if (check_call(c, enter_score_softmax_backward, &args, run, CK_OK)) repeated_expect(c, "dx", dx, b->result);
    }
    free(probabilities);
}

/// Channels last, with given moments, so that a row's results are its own: forward, and its gradient.
static void compare_channels(check *c, const batch *b) {
    ck_channel_shape shape = {1, b->cols, b->rows, CK_CHANNELS_LAST, b->type, b->cols, 1, NULL};
    size_t size = ck_channel_norm_workspace(&shape), backward_size = ck_channel_norm_backward_workspace(&shape);
    guarded workspace = guarded_make((int64_t)(size > backward_size ? size : backward_size));
    ck_moments *given = malloc((size_t)b->cols * sizeof *given);
    if (!given) exit(2);
    for (int64_t i = 0; i < b->cols; i++)
        given[i] = (ck_moments){64, random_normal(&c->random), 64 * (1 + random_below(&c->random, 5))};
    matrix x = input_of(b), dy = repeated_place(&b->home_dy, b->type, b->dy, b->rows, b->cols, b->cols, 5);
    for (int backward = 0; backward < 2; backward++)
        for (int32_t threads = 0; threads <= 2; threads++) {  // first portable's, of few rows
            ck_run run = threads == 0 ? portable : (ck_run){c->isa, threads};
            matrix result = output_of(b, 0);
            void *out = threads == 0 ? b->result : result.base;
            shape.positions = threads == 0 ? DIFFERENT : b->rows;
            const void *from = threads == 0 ? b->x : x.base, *from_dy = threads == 0 ? b->dy : dy.base;
            ck_channel_norm_args forward = {.shape = shape,
                                            .x = from,
                                            .given = given,
                                            .epsilon = 1e-5f,
                                            .y = out,
                                            .workspace = workspace.first,
                                            .workspace_size = size};
            ck_channel_norm_backward_args gradient = {.shape = shape,
                                                      .dy = from_dy,
                                                      .x = from,
                                                      .moments = given,
                                                      .are_given = 1,
                                                      .epsilon = 1e-5f,
                                                      .dx = out,
                                                      .workspace = workspace.first,
                                                      .workspace_size = backward_size};
            describe(c, b, backward ? "channels, backward" : "channels", run);
            int is_made = backward ? check_call(c, enter_channel_norm_backward, &gradient, run, CK_OK)
                                   : check_call(c, enter_channel_norm, &forward, run, CK_OK);
            if (is_made && threads > 0) repeated_expect(c, backward ? "dx" : "y", result, b->result);
        }
    free(given);
    guarded_free(&workspace);
}

/// Row k's moments again for every row that repeats it.
static void *repeat_moments(const void *few, size_t size, int64_t rows) {
    char *all = malloc((size_t)rows * size);
    if (!all) exit(2);
    for (int64_t row = 0; row < rows; row++)
        memcpy(all + (size_t)row * size, (const char *)few + (size_t)(row % DIFFERENT) * size, size);
    return all;
}

/// dx against portable's of few rows, the sums over all rows against portable's of all of them.
static void compare_backward(check *c, const batch *b) {
    ck_moments moments[DIFFERENT];
    ck_gradient_moments gradient_moments[DIFFERENT];
    ck_row_moments_args find = {DIFFERENT, b->cols, b->type, b->x, b->cols, moments};
    ck_row_gradient_moments_args find_gradient = {DIFFERENT, b->cols, b->type, b->dy, b->cols,         b->x,
                                                  b->cols,   moments, NULL,    1e-5f, gradient_moments};
    check_that(c, ck_row_moments(&find, portable) == CK_OK, "moments");
    check_that(c, ck_row_gradient_moments(&find_gradient, portable) == CK_OK, "gradient moments");
    ck_normalize_rows_backward_args args = {
        .rows = DIFFERENT,
        .cols = b->cols,
        .type = b->type,
        .dy = b->dy,
        .dy_stride = b->cols,
        .x = b->x,
        .x_stride = b->cols,
        .moments = moments,
        .gradient_moments = gradient_moments,
        .epsilon = 1e-5f,
        .dx = b->result,
        .dx_stride = b->cols,
    };
    if (!check_call(c, enter_backward, &args, portable, CK_OK)) return;

    size_t size = ck_normalize_rows_backward_workspace(b->rows, b->cols), columns = (size_t)b->cols * sizeof(float);
    guarded workspace = guarded_make((int64_t)size);
    float *expected = malloc(columns), *found = malloc(columns);
    if (!expected || !found) exit(2);
    matrix x = input_of(b);
    matrix dy = repeated_place(&b->home_dy, b->type, b->dy, b->rows, b->cols, b->cols, 5);
    args.rows = b->rows;
    args.x = x.base;
    args.dy = dy.base;
    args.moments = repeat_moments(moments, sizeof *moments, b->rows);
    args.gradient_moments = repeat_moments(gradient_moments, sizeof *gradient_moments, b->rows);
    args.workspace = workspace.first;
    args.workspace_size = size;
    for (int32_t threads = 0; threads <= 2; threads++) {  // first portable's
        ck_run run = threads == 0 ? portable : (ck_run){c->isa, threads};
        matrix dx = output_of(b, 0);
        describe(c, b, "gradients by moments", run);
        args.dx = dx.base;
        args.dx_stride = dx.stride;
        args.dweight = threads == 0 ? expected : found;
        if (!check_call(c, enter_backward, &args, run, CK_OK)) break;
        repeated_expect(c, "dx", dx, b->result);
        if (threads > 0) check_row(c, "dweight", CK_F32, 0, found, expected, b->cols);
    }
    free((void *)args.moments);
    free((void *)args.gradient_moments);
    free(expected);
    free(found);
    guarded_free(&workspace);
}

void check_large_batches(check *c) {
    static const struct {
        ck_type type;
        int64_t cols, gap;
    } batches[] = {{CK_F32, 1024, 0}, {CK_F32, 1000, 8}, {CK_BF16, 1024, 0}, {CK_F16, 4099, 61}, {CK_F32, 4099, 0}};
    for (int i = 0; i < (c->quick ? 3 : 5); i++) {
        batch b = batch_make(c, batches[i].type, batches[i].cols, batches[i].gap);
        compare_segments(c, &b);
        compare_scores(c, &b);
        compare_score_gradients(c, &b);
        compare_backward(c, &b);
        if (b.gap == 0) compare_channels(c, &b);
        batch_free(&b);
    }
}
