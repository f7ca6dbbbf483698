// stack.c: the family stack: how much stack a call takes at most, measured on a thread whose stack is painted before it
// begins: what it has left of the paint it has not used.
//
// The figures are those that the headers promise, or, where these promise none, what the changelog says of all others.

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "families.h"

/// Whether the library is optimised fully, as the figures take it to be; else the calls are only made.
#ifndef STACK_IS_AS_PROMISED
#define STACK_IS_AS_PROMISED 0
#endif

enum { STACK = 1 << 20, KIB = 1024, PAINT = 0xA5, ELEMENTS = 70000, NUMBERS = 600000, OTHERS = 48 };

typedef struct stack_call {
    void (*make)(const struct stack_call *call, ck_run run);
    ck_run run;
    ck_type type;
    int64_t cols;
    float *numbers[8];  // ELEMENTS each
    void *workspace;
} stack_call;

/// What the calls answered, or'ed.
static ck_status answers;

static void make_nothing(const stack_call *call, ck_run run) { (void)call, (void)run; }

static void make_softmax(const stack_call *s, ck_run run) {
    ck_softmax_args a = {.rows = 1,
                         .cols = s->cols,
                         .type = s->type,
                         .x = s->numbers[0],
                         .x_stride = s->cols,
                         .y = s->numbers[1],
                         .y_stride = s->cols};
    answers |= ck_softmax(&a, run);
}

static void make_softmax_backward(const stack_call *s, ck_run run) {
    ck_softmax_backward_args a = {.rows = 1,
                                  .cols = s->cols,
                                  .type = s->type,
                                  .dy = s->numbers[0],
                                  .dy_stride = s->cols,
                                  .y = s->numbers[1],
                                  .y_stride = s->cols,
                                  .dx = s->numbers[2],
                                  .dx_stride = s->cols};
    answers |= ck_softmax_backward(&a, run);
}

static void make_score_softmax(const stack_call *s, ck_run run) {
    ck_score_softmax_args a = {.batch = 1,
                               .heads = 1,
                               .queries = 1,
                               .keys = s->cols,
                               .type = s->type,
                               .scale = 1,
                               .x = s->numbers[0],
                               .x_strides = {s->cols, s->cols, s->cols},
                               .y = s->numbers[1],
                               .y_strides = {s->cols, s->cols, s->cols},
                               .mask = {.causal = 1, .offset = s->cols - 1}};
    answers |= ck_score_softmax(&a, run);
}

static void make_csr_softmax(const stack_call *s, ck_run run) {
    int64_t offsets[] = {0, s->cols / 16};
    ck_csr_softmax_args a = {.edges = s->cols / 16,
                             .heads = 16,
                             .nodes = 1,
                             .offsets = offsets,
                             .type = s->type,
                             .x = s->numbers[0],
                             .x_stride = 16,
                             .y = s->numbers[1],
                             .y_stride = 16};
    answers |= ck_csr_softmax(&a, run);
}

/// Parameters in 16 bits and dropout: everything is held that a kernel can hold.
static ck_residual residual(const stack_call *s) {
    return (ck_residual){.branch = s->numbers[1],
                         .branch_stride = s->cols,
                         .branch_bias = s->numbers[2],
                         .branch_scale = s->numbers[3],
                         .scale = 1,
                         .dropout = 0.1f};
}

static void make_norm(const stack_call *s, ck_run run) {
    ck_residual r = residual(s);
    ck_norm_args a = {.rows = 1,
                      .cols = s->cols,
                      .type = s->type,
                      .parameter_type = CK_BF16,
                      .x = s->numbers[0],
                      .x_stride = s->cols,
                      .residual = &r,
                      .weight = s->numbers[2],
                      .bias = s->numbers[3],
                      .epsilon = 1e-5f,
                      .y = s->numbers[4],
                      .y_stride = s->cols};
    answers |= ck_layer_norm(&a, run);
}

static void make_norm_backward(const stack_call *s, ck_run run) {
    ck_residual r = residual(s);
    static const float one[] = {1};
    ck_norm_backward_args a = {.rows = 1,
                               .cols = s->cols,
                               .type = s->type,
                               .parameter_type = CK_BF16,
                               .dy = s->numbers[4],
                               .dy_stride = s->cols,
                               .x = s->numbers[0],
                               .x_stride = s->cols,
                               .residual = &r,
                               .weight = s->numbers[2],
                               .mean = one,
                               .rstd = one,
                               .dx = s->numbers[5],
                               .dx_stride = s->cols,
                               .dweight = s->numbers[6],
                               .workspace = s->workspace,
                               .workspace_size = NUMBERS * sizeof(float)};
    answers |= ck_layer_norm_backward(&a, run);
}

static void make_double_backward(const stack_call *s, ck_run run) {
    static const float one[] = {1};
    ck_norm_double_backward_args a = {.rows = 1,
                                      .cols = s->cols,
                                      .type = s->type,
                                      .parameter_type = CK_BF16,
                                      .dx_cotangent = s->numbers[0],
                                      .dx_cotangent_stride = s->cols,
                                      .dy = s->numbers[1],
                                      .dy_stride = s->cols,
                                      .x = s->numbers[2],
                                      .x_stride = s->cols,
                                      .weight = s->numbers[3],
                                      .mean = one,
                                      .rstd = one,
                                      .x_gradient = s->numbers[4],
                                      .x_gradient_stride = s->cols};
    answers |= ck_layer_norm_double_backward(&a, run);
}

static void make_orthogonal_add(const stack_call *s, ck_run run) {
    ck_orthogonal_add_backward_args a = {.rows = 1,
                                         .cols = s->cols,
                                         .type = s->type,
                                         .centred = 1,
                                         .epsilon = 1e-6f,
                                         .dh = s->numbers[0],
                                         .dh_stride = s->cols,
                                         .x = s->numbers[1],
                                         .x_stride = s->cols,
                                         .update = s->numbers[2],
                                         .update_stride = s->cols,
                                         .dx = s->numbers[3],
                                         .dx_stride = s->cols,
                                         .dupdate = s->numbers[4],
                                         .dupdate_stride = s->cols};
    answers |= ck_orthogonal_add_backward(&a, run);
}

/// Channels last, forward and backward: strips of columns.
static void make_channel_norm(const stack_call *s, ck_run run) {
    ck_channel_shape shape = {.samples = 1,
                              .channels = 1024,
                              .positions = s->cols / 1024,
                              .layout = CK_CHANNELS_LAST,
                              .type = s->type,
                              .groups = 1024,
                              .regions = 1};
    ck_moments *moments = (ck_moments *)s->numbers[3];
    ck_channel_norm_args a = {.shape = shape,
                              .x = s->numbers[0],
                              .epsilon = 1e-5f,
                              .y = s->numbers[1],
                              .moments = moments,
                              .workspace = s->workspace,
                              .workspace_size = NUMBERS * sizeof(float)};
    answers |= ck_channel_norm(&a, run);
    ck_channel_norm_backward_args b = {.shape = shape,
                                       .dy = s->numbers[0],
                                       .x = s->numbers[0],
                                       .moments = moments,
                                       .epsilon = 1e-5f,
                                       .dx = s->numbers[1],
                                       .workspace = s->workspace,
                                       .workspace_size = NUMBERS * sizeof(float)};
    answers |= ck_channel_norm_backward(&b, run);
}

static void make_rows_by_moments(const stack_call *s, ck_run run) {
    ck_moments moments[1];
    ck_gradient_moments gradients[1];
    ck_row_moments_args a = {1, s->cols, s->type, s->numbers[0], s->cols, moments};
    answers |= ck_row_moments(&a, run);
    ck_row_gradient_moments_args b = {1,       s->cols, s->type, s->numbers[0], s->cols,  s->numbers[1],
                                      s->cols, moments, NULL,    1e-5f,         gradients};
    answers |= ck_row_gradient_moments(&b, run);
}

static void *on_thread(void *argument) {
    stack_call *call = argument;
    call->make(call, call->run);
    return NULL;
}

/// Bytes that the thread of a call has used of its stack.
static int64_t used(check *c, stack_call *call) {
    unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;
    int64_t untouched = 0;
    if (stack == MAP_FAILED) exit(2);
    memset(stack, PAINT, STACK);
    pthread_attr_init(&attributes);
    int failed = pthread_attr_setstack(&attributes, stack, STACK) ||
                 pthread_create(&thread, &attributes, on_thread, call) || pthread_join(thread, NULL);
    check_that(c, !failed, "no thread on a stack of its own");
    while (untouched < STACK && stack[untouched] == PAINT) untouched++;
    pthread_attr_destroy(&attributes);
    munmap(stack, STACK);
    return STACK - untouched;
}

/// What a call takes beyond what a thread does that makes none.
static void expect_at_most(check *c, stack_call *call, const char *name, void (*make)(const stack_call *, ck_run),
                           int64_t cols, int64_t kib) {
    for (ck_type type = CK_F32; type <= CK_F16; type++) {
        check_begin(c);
        call->make = make_nothing;
        int64_t thread = used(c, call);
        call->make = make;
        call->type = type;
        call->cols = cols;
        answers = CK_OK;
        int64_t taken = used(c, call) - thread;
        check_describe(c, "%s, %s, %d columns", name, type_name(type), (int)cols);
        check_that(c, answers == CK_OK, "the call was refused");
        check_count(c);
        if (STACK_IS_AS_PROMISED && taken > kib * KIB)
            check_fail(c, "%d bytes of stack, more than %d KiB", (int)taken, (int)kib);
    }
}

void check_stack(check *c) {
    stack_call call = {.run = {c->isa, 1}, .workspace = aligned_alloc(64, NUMBERS * sizeof(float) / 64 * 64)};
    for (int i = 0; i < 8; i++) {
        call.numbers[i] = aligned_alloc(64, (ELEMENTS + 64) / 64 * 64 * sizeof(float));
        for (int64_t k = 0; k < ELEMENTS; k++) call.numbers[i][k] = ldexpf(1, -(int)(k % 5));
    }
    struct {
        const char *name;
        void (*make)(const stack_call *, ck_run);
        int64_t cols, kib;
    } calls[] = {
        {"softmax", make_softmax, 16384, 76},
        {"softmax", make_softmax, 65536, 268},
        {"softmax", make_softmax, ELEMENTS, 76},
        {"softmax_backward", make_softmax_backward, ELEMENTS, OTHERS},
        {"score_softmax", make_score_softmax, ELEMENTS, 272},
        {"csr_softmax", make_csr_softmax, ELEMENTS, 24},
        {"layer_norm", make_norm, ELEMENTS, OTHERS},
        {"layer_norm_backward", make_norm_backward, ELEMENTS, OTHERS},
        {"layer_norm_double_backward", make_double_backward, ELEMENTS, OTHERS},
        {"orthogonal_add_backward", make_orthogonal_add, ELEMENTS, OTHERS},
        {"channel_norm", make_channel_norm, 65536, OTHERS},
        {"row_moments", make_rows_by_moments, ELEMENTS, OTHERS},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        expect_at_most(c, &call, calls[i].name, calls[i].make, calls[i].cols, calls[i].kib);
    for (int i = 0; i < 8; i++) free(call.numbers[i]);
    free(call.workspace);
}
