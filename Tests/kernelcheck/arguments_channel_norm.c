// arguments_channel_norm.c: what ck_channel_norm, its inverse, its backward pass and ck_moments_merge refuse, and calls
// near a refusal that they must accept.

#include <math.h>
#include <stddef.h>

#include "arguments.h"
#include "channel_problem.h"

enum { SAMPLES = 2, CHANNELS_OF_CALL = 4, POSITIONS = 3, ELEMENTS = SAMPLES * CHANNELS_OF_CALL * POSITIONS };

static const ck_channel_shape right_shape = {SAMPLES, CHANNELS_OF_CALL, POSITIONS, CK_CHANNELS_FIRST,
                                             CK_F32,  CHANNELS_OF_CALL, 1,         NULL};
static const ck_moments some_moments[CHANNELS_OF_CALL] = {{3, 0, 1}, {1, 1, 0}, {2, -1, 2}, {9, 0, 3}};

static ck_channel_norm_args right_args(const board *b) {
    float *f = b->floats;
    return (ck_channel_norm_args){
        .shape = right_shape,
        .x = f,
        .weight = f + 1 * PLACE,
        .bias = f + 2 * PLACE,
        .epsilon = 1e-5f,
        .y = f + 3 * PLACE,
        .moments = (ck_moments *)(f + 4 * PLACE),
        .workspace = f + 5 * PLACE,
        .workspace_size = ck_channel_norm_workspace(&right_shape),
    };
}

#define CHANGED(verdict, ...) CHANGED_CALL(ck_channel_norm_args, right_args(b), verdict, __VA_ARGS__)
#define REFUSES(status, ...) CHANGED(board_refuses(c, b, enter_channel_norm, &a, run, status), __VA_ARGS__)
#define ACCEPTS(...) CHANGED(board_accepts(c, b, enter_channel_norm, &a, run), __VA_ARGS__)
#define INVERSE_REFUSES(status, ...) \
    CHANGED(board_refuses(c, b, enter_channel_norm_inverse, &a, run, status), __VA_ARGS__)
#define INVERSE_ACCEPTS(...) CHANGED(board_accepts(c, b, enter_channel_norm_inverse, &a, run), __VA_ARGS__)

static void check_shapes(check *c, board *b) {
    static const int64_t halves[] = {1, 1}, none[] = {2, 0}, few[] = {1}, many[] = {2, 1}, negative[] = {3, -1};
    REFUSES(CK_BAD_SHAPE, a.shape.samples = -1);
    REFUSES(CK_BAD_SHAPE, a.shape.channels = 0);
    REFUSES(CK_BAD_SHAPE, a.shape.positions = 0);
    REFUSES(CK_BAD_SHAPE, a.shape.groups = 0);
    REFUSES(CK_BAD_SHAPE, a.shape.groups = 3);
    REFUSES(CK_BAD_SHAPE, a.shape.groups = -2);
    REFUSES(CK_BAD_SHAPE, a.shape.groups = 8);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 0);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 3);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 2; a.shape.samples = 3);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 2; a.shape.region_samples = none);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 1; a.shape.region_samples = few);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 2; a.shape.region_samples = many);
    REFUSES(CK_BAD_SHAPE, a.shape.regions = 2; a.shape.region_samples = negative);
    REFUSES(CK_MISALIGNED_POINTER, a.shape.regions = 2; a.shape.region_samples = MISALIGNED(halves));
    REFUSES(CK_SIZE_OVERFLOW, a.shape.samples = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.shape.channels = INT64_MAX);
    REFUSES(CK_SIZE_OVERFLOW, a.shape.positions = INT64_MAX / 4);
    REFUSES(CK_UNKNOWN_LAYOUT, a.shape.layout = (ck_layout)2);
    REFUSES(CK_UNKNOWN_LAYOUT, a.shape.layout = (ck_layout)-1);
    REFUSES(CK_UNKNOWN_TYPE, a.shape.type = (ck_type)3);
    ACCEPTS(a.shape.regions = 2; a.shape.region_samples = halves);
    ACCEPTS(a.shape.layout = CK_CHANNELS_LAST);
    ACCEPTS(a.shape.type = CK_BF16);
    ACCEPTS(a.shape.groups = 2);
    ACCEPTS(a.shape.samples = 0);
    REFUSES(CK_OK, a.shape.samples = 0; a.x = NULL; a.y = NULL; a.workspace = NULL; a.moments = NULL);
}

/// Moments of no element, and of a negative spread.
static const ck_moments empty[CHANNELS_OF_CALL] = {{3, 0, 1}, {0, 1, 0}, {2, -1, 2}, {9, 0, 3}};
static const ck_moments wrong[CHANNELS_OF_CALL] = {{3, 0, 1}, {1, 1, 0}, {2, -1, -2}, {9, 0, 3}};

static void check_pointers_and_numbers(check *c, board *b) {
    REFUSES(CK_NULL_POINTER, a.x = NULL);
    REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL; a.moments = NULL);
    REFUSES(CK_NULL_POINTER, a.y = NULL; a.given = some_moments);
    REFUSES(CK_SIZE_OVERFLOW, a.x = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.y = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.weight = AT_THE_END);
    REFUSES(CK_SIZE_OVERFLOW, a.bias = AT_THE_END);
    REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    REFUSES(CK_MISALIGNED_POINTER, a.y = MISALIGNED(a.y));
    REFUSES(CK_MISALIGNED_POINTER, a.weight = MISALIGNED(a.weight));
    REFUSES(CK_MISALIGNED_POINTER, a.bias = MISALIGNED(a.bias));
    REFUSES(CK_MISALIGNED_POINTER, a.moments = MISALIGNED(a.moments));
    REFUSES(CK_MISALIGNED_POINTER, a.given = MISALIGNED(some_moments));
    REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 8);
    REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size--);
    REFUSES(CK_BAD_MOMENTS, a.given = empty);
    REFUSES(CK_BAD_MOMENTS, a.given = wrong);
    REFUSES(CK_BAD_EPSILON, a.epsilon = NAN);
    REFUSES(CK_BAD_EPSILON, a.epsilon = -1e-5f);
    REFUSES(CK_BAD_EPSILON, a.epsilon = INFINITY);
    REFUSES(CK_BAD_THREADS, run.threads = -1);
    REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)64);
    ACCEPTS(a.weight = NULL);
    ACCEPTS(a.bias = NULL);
    ACCEPTS(a.moments = NULL);
    ACCEPTS(a.y = NULL);
    ACCEPTS(a.given = some_moments);
    ACCEPTS(a.epsilon = 0);
    INVERSE_REFUSES(CK_NULL_POINTER, (void)a);
    INVERSE_REFUSES(CK_BAD_MOMENTS, a.given = empty);
    INVERSE_REFUSES(CK_BAD_EPSILON, a.given = some_moments; a.epsilon = NAN);
    INVERSE_REFUSES(CK_NULL_POINTER, a.given = some_moments; a.y = NULL);
    INVERSE_REFUSES(CK_OVERLAP, a.given = some_moments; a.y = (float *)a.x + 1);
    INVERSE_ACCEPTS(a.given = some_moments);
    INVERSE_ACCEPTS(a.given = some_moments; a.y = (void *)a.x);
}

static void check_overlaps(check *c, board *b) {
    float *x = b->floats;
    ACCEPTS(a.y = x);
    ACCEPTS(a.y = x + ELEMENTS);
    REFUSES(CK_OVERLAP, a.y = x + 1);
    REFUSES(CK_OVERLAP, a.y = x + ELEMENTS - 1);
    REFUSES(CK_OVERLAP, a.y = (float *)a.weight);
    REFUSES(CK_OVERLAP, a.y = (float *)a.bias);
    REFUSES(CK_OVERLAP, a.moments = (ck_moments *)x);
    REFUSES(CK_OVERLAP, a.moments = a.y);
    REFUSES(CK_OVERLAP, a.workspace = a.y);
    REFUSES(CK_OVERLAP, a.workspace = (void *)a.moments);
    REFUSES(CK_OVERLAP, a.workspace = x);
}

static ck_channel_norm_backward_args right_backward_args(const board *b) {
    float *f = b->floats;
    return (ck_channel_norm_backward_args){
        .shape = right_shape,
        .dy = f,
        .x = f + 1 * PLACE,
        .moments = some_moments,
        .weight = f + 2 * PLACE,
        .bias = f + (BOARD_PLACES - 1) * PLACE,  // after the workspace
        .epsilon = 1e-5f,
        .dx = f + 3 * PLACE,
        .dweight = f + 4 * PLACE,
        .dbias = f + 5 * PLACE,
        .workspace = f + 6 * PLACE,
        .workspace_size = ck_channel_norm_backward_workspace(&right_shape),
    };
}

#define BACKWARD(verdict, ...) CHANGED_CALL(ck_channel_norm_backward_args, right_backward_args(b), verdict, __VA_ARGS__)
#define BACKWARD_REFUSES(status, ...) \
    BACKWARD(board_refuses(c, b, enter_channel_norm_backward, &a, run, status), __VA_ARGS__)
#define BACKWARD_ACCEPTS(...) BACKWARD(board_accepts(c, b, enter_channel_norm_backward, &a, run), __VA_ARGS__)

#define INVERSE_BACKWARD_REFUSES(status, ...) \
    BACKWARD(board_refuses(c, b, enter_channel_norm_inverse_backward, &a, run, status), __VA_ARGS__)

static void check_backward(check *c, board *b) {
    BACKWARD_REFUSES(CK_NULL_POINTER, a.dy = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.x = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.moments = NULL);
    BACKWARD_REFUSES(CK_NULL_POINTER, a.workspace = NULL);
    BACKWARD_REFUSES(CK_WORKSPACE_TOO_SMALL, a.workspace_size--);
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.workspace = (float *)a.workspace + 8);
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.dy = MISALIGNED(a.dy));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.x = MISALIGNED(a.x));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.moments = MISALIGNED(some_moments));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.weight = MISALIGNED(a.weight));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.bias = MISALIGNED(a.bias));
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.bias = AT_THE_END);
    BACKWARD_REFUSES(CK_OVERLAP, a.dbias = (float *)a.bias);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.dy = AT_THE_END);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.x = AT_THE_END);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.weight = AT_THE_END);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.dx = AT_THE_END);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.dweight = AT_THE_END);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.dbias = AT_THE_END);
    BACKWARD_REFUSES(CK_BAD_MOMENTS, a.moments = empty);
    BACKWARD_REFUSES(CK_BAD_MOMENTS, a.moments = wrong);
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.dx = MISALIGNED(a.dx));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.dweight = MISALIGNED(a.dweight));
    BACKWARD_REFUSES(CK_MISALIGNED_POINTER, a.dbias = MISALIGNED(a.dbias));
    BACKWARD_REFUSES(CK_BAD_EPSILON, a.epsilon = NAN);
    BACKWARD_REFUSES(CK_BAD_EPSILON, a.epsilon = -1e-5f);
    BACKWARD_REFUSES(CK_BAD_EPSILON, a.epsilon = INFINITY);
    BACKWARD_REFUSES(CK_BAD_SHAPE, a.shape.groups = 3);
    BACKWARD_REFUSES(CK_BAD_SHAPE, a.shape.samples = -1);
    BACKWARD_REFUSES(CK_BAD_SHAPE, a.shape.regions = 3);
    BACKWARD_REFUSES(CK_SIZE_OVERFLOW, a.shape.channels = INT64_MAX);
    BACKWARD_REFUSES(CK_UNKNOWN_LAYOUT, a.shape.layout = (ck_layout)2);
    BACKWARD_REFUSES(CK_UNKNOWN_TYPE, a.shape.type = (ck_type)3);
    BACKWARD_REFUSES(CK_UNKNOWN_ISA, run.isa = (ck_isa)64);
    BACKWARD_REFUSES(CK_BAD_THREADS, run.threads = -1);
    BACKWARD_REFUSES(CK_OVERLAP, a.dx = (float *)a.dy + 1);
    BACKWARD_REFUSES(CK_OVERLAP, a.dx = (float *)a.x);
    BACKWARD_REFUSES(CK_OVERLAP, a.dweight = a.dbias);
    BACKWARD_REFUSES(CK_OVERLAP, a.dbias = a.dx);
    BACKWARD_REFUSES(CK_OVERLAP, a.dweight = (float *)a.weight);
    BACKWARD_REFUSES(CK_OVERLAP, a.workspace = (float *)a.dy);
    BACKWARD_REFUSES(CK_OK, a.dx = NULL; a.dweight = NULL; a.dbias = NULL);
    BACKWARD_ACCEPTS(a.dx = (float *)a.dy);
    BACKWARD_ACCEPTS(a.dx = NULL);
    BACKWARD_ACCEPTS(a.dweight = NULL);
    BACKWARD_ACCEPTS(a.dbias = NULL; a.dweight = NULL; a.are_given = 1);
    BACKWARD_ACCEPTS(a.weight = NULL);
    BACKWARD_ACCEPTS(a.shape.samples = 0);
    INVERSE_BACKWARD_REFUSES(CK_NULL_POINTER, a.moments = NULL);
    INVERSE_BACKWARD_REFUSES(CK_BAD_MOMENTS, a.moments = empty);
    INVERSE_BACKWARD_REFUSES(CK_OVERLAP, a.dx = (float *)a.x);
    INVERSE_BACKWARD_REFUSES(CK_BAD_THREADS, run.threads = -1);
}

static void check_merge(check *c) {
    ck_moments result = {7, 7, 7}, before = result;
    static const ck_moments negative[] = {{1, 0, 0}, {-1, 0, 0}}, wrong[] = {{1, 0, -1}},
                            many[] = {{INT64_MAX, 0, 0}, {1, 0, 0}};
    check_begin(c);
    check_describe(c, "ck_moments_merge");
    check_that(c, ck_moments_merge(some_moments, 4, NULL) == CK_NULL_POINTER, "no result was accepted");
    check_that(c, ck_moments_merge(NULL, 1, &result) == CK_NULL_POINTER, "no parts were accepted");
    check_that(c, ck_moments_merge(some_moments, -1, &result) == CK_BAD_SHAPE,
               "a negative number of parts was accepted");
    check_that(c, ck_moments_merge(negative, 2, &result) == CK_BAD_MOMENTS, "a negative count was accepted");
    check_that(c, ck_moments_merge(wrong, 1, &result) == CK_BAD_MOMENTS, "a negative m2 was accepted");
    check_that(c, ck_moments_merge(many, 2, &result) == CK_SIZE_OVERFLOW, "an overflow of counts was accepted");
    check_that(c, ck_moments_merge(MISALIGNED(some_moments), 1, &result) == CK_MISALIGNED_POINTER,
               "misaligned parts were accepted");
    check_moments(c, &result, &before, 1);
    check_that(c, ck_moments_merge(NULL, 0, &result) == CK_OK && result.count == 0,
               "nothing was not merged into nothing");
    check_that(c, ck_moments_merge(some_moments, 4, &result) == CK_OK && result.count == 15, "counts did not add up");
}

void check_channel_norm_arguments(check *c, board *b) {
    check_begin(c);
    check_describe(c, "ck_channel_norm, no arguments");
    board_refuses(c, b, enter_channel_norm, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    board_refuses(c, b, enter_channel_norm_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    board_refuses(c, b, enter_channel_norm_inverse_backward, NULL, (ck_run){c->isa, 1}, CK_NULL_POINTER);
    check_shapes(c, b);
    check_pointers_and_numbers(c, b);
    check_overlaps(c, b);
    check_backward(c, b);
    check_merge(c);
}
