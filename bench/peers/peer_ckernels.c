// peer_ckernels.c: CKernels as a peer of the harness that times other libraries (README.md beside this file).

#include <ckernels.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_abi.h"

static int threads = 1;

void peer_init(int count) { threads = count; }

const char *peer_version(void) {
    static char text[64];
    ck_inspection i = ck_inspect();
    snprintf(text, sizeof text, "ckernels %s %s %s", i.version, ck_isa_name(i.chosen), i.threading);
    return text;
}

/// A result that was not computed must not be timed.
static void expect_ok(ck_status status) {
    if (status == CK_OK) return;
    fprintf(stderr, "ckernels: %s\n", ck_status_text(status));
    exit(1);
}

static ck_run run(void) { return (ck_run){.threads = threads == 1}; }

/// Memory that a caller keeps from call to call.
static void *scratch(size_t needed) {
    static void *memory;
    static size_t size;
    if (needed > size) {
        free(memory);
        memory = aligned_alloc(64, size = (needed + 63) / 64 * 64);
    }
    return memory;
}

typedef ck_status (*norm_entry)(const ck_norm_args *, ck_run);

/// p: x w b y, and with a residual r h. RMSNorm has no bias.
static void norm(const struct peer_args *a, ck_type type, norm_entry entry, int has_bias, int is_residual) {
    ck_residual residual = {
        .branch = a->p[4], .branch_stride = a->cols, .scale = 1, .sum = a->p[5], .sum_stride = a->cols,
    };
    ck_norm_args args = {
        .rows = a->rows, .cols = a->cols, .type = type, .parameter_type = type, .x = a->p[0], .x_stride = a->cols,
        .residual = is_residual ? &residual : NULL, .weight = a->p[1], .bias = has_bias ? a->p[2] : NULL,
        .epsilon = 1e-5f, .y = a->p[3], .y_stride = a->cols,
    };
    expect_ok(entry(&args, run()));
}

/// p: dy x mean rstd w b dx dw db. The gradients of weight and bias are floats; the harness wants them as x.
static void norm_backward(const struct peer_args *a, ck_type type) {
    size_t sums = type == CK_F32 ? 0 : (size_t)(a->cols + 15) / 16 * 16 * sizeof(float);
    size_t needed = ck_norm_backward_workspace(a->rows, a->cols, 0);
    char *memory = scratch(needed + 2 * sums);
    void *dweight = sums ? memory + needed : a->p[7], *dbias = sums ? memory + needed + sums : a->p[8];
    ck_norm_backward_args args = {
        .rows = a->rows, .cols = a->cols, .type = type, .parameter_type = type, .dy = a->p[0], .dy_stride = a->cols,
        .x = a->p[1], .x_stride = a->cols, .weight = a->p[4], .mean = a->p[2], .rstd = a->p[3], .dx = a->p[6],
        .dx_stride = a->cols, .dweight = dweight, .dbias = dbias, .workspace = memory, .workspace_size = needed,
    };
    expect_ok(ck_layer_norm_backward(&args, run()));
    for (int k = 0; sums && k < 2; k++) {
        ck_convert_args narrow = {1, a->cols, k ? dbias : dweight, CK_F32, a->cols, a->p[7 + k], type, a->cols};
        expect_ok(ck_convert(&narrow, run()));
    }
}

/// p: x y.
static void softmax(const struct peer_args *a, ck_type type) {
    ck_softmax_args args = {
        .rows = a->rows, .cols = a->cols, .type = type, .x = a->p[0], .x_stride = a->cols, .y = a->p[1],
        .y_stride = a->cols,
    };
    expect_ok(ck_softmax(&args, run()));
}

/// p: dy y dx.
static void softmax_backward(const struct peer_args *a, ck_type type) {
    ck_softmax_backward_args args = {
        .rows = a->rows, .cols = a->cols, .type = type, .dy = a->p[0], .dy_stride = a->cols, .y = a->p[1],
        .y_stride = a->cols, .dx = a->p[2], .dx_stride = a->cols,
    };
    expect_ok(ck_softmax_backward(&args, run()));
}

/// p: x y mask. The mask has as many rows as columns, which all heads share.
static void masked_softmax(const struct peer_args *a, ck_type type) {
    int64_t n = a->cols;
    ck_score_softmax_args args = {
        .batch = 1, .heads = a->rows / n, .queries = n, .keys = n, .type = type, .scale = 0.125f, .x = a->p[0],
        .x_strides = {0, n * n, n}, .y = a->p[1], .y_strides = {0, n * n, n},
        .mask = {.bias = a->p[2], .bias_type = CK_F32, .bias_strides = {0, 0, n}},
    };
    expect_ok(ck_score_softmax(&args, run()));
}

static ck_strides dense(int64_t heads, int64_t rows, int64_t columns) {
    return (ck_strides){heads * rows * columns, rows * columns, columns};
}

/// p: q k v o.
static ck_attention_args attention_args(const struct peer_args *a, ck_type type, void *output, float *log_sum_exp) {
    return (ck_attention_args){
        .batch = a->B, .query_heads = a->H, .key_heads = a->HK, .queries = a->L, .keys = a->S, .head_size = a->D,
        .value_size = a->D, .type = type, .key_type = type, .query = a->p[0], .key = a->p[1], .value = a->p[2],
        .query_strides = dense(a->H, a->L, a->D), .key_strides = dense(a->HK, a->S, a->D),
        .value_strides = dense(a->HK, a->S, a->D), .scale = 1 / sqrtf((float)a->D),
        .mask = {.causal = a->causal != 0, .offset = a->S - a->L}, .output = output,
        .output_strides = dense(a->H, a->L, a->D), .log_sum_exp = log_sum_exp,
        .log_sum_exp_strides = {a->H * a->L, a->L, 1},
    };
}

static void attention(const struct peer_args *a, ck_type type) {
    ck_attention_args args = attention_args(a, type, a->p[3], NULL);
    args.workspace_size = ck_attention_workspace(&args, run());
    args.workspace = scratch(args.workspace_size);
    expect_ok(ck_attention(&args, run()));
}

/// p: q k v do dq dk dv o lse.
static void attention_backward(const struct peer_args *a, ck_type type) {
    ck_strides query = dense(a->H, a->L, a->D), key = dense(a->HK, a->S, a->D);
    ck_attention_backward_args args = {
        .forward = attention_args(a, type, a->p[7], a->p[8]), .doutput = a->p[3], .doutput_strides = query,
        .dquery = a->p[4], .dquery_strides = query, .dkey = a->p[5], .dkey_strides = key, .dvalue = a->p[6],
        .dvalue_strides = key,
    };
    args.workspace_size = ck_attention_backward_workspace(&args, run());
    args.workspace = scratch(args.workspace_size);
    expect_ok(ck_attention_backward(&args, run()));
}

#define FOR_TYPE(name, type)                                                                           \
    void peer_ln_##name(const struct peer_args *a) { norm(a, type, ck_layer_norm, 1, 0); }             \
    void peer_rms_##name(const struct peer_args *a) { norm(a, type, ck_rms_norm, 0, 0); }              \
    void peer_addln_##name(const struct peer_args *a) { norm(a, type, ck_layer_norm, 1, 1); }          \
    void peer_addrms_##name(const struct peer_args *a) { norm(a, type, ck_rms_norm, 0, 1); }           \
    void peer_lnbwd_##name(const struct peer_args *a) { norm_backward(a, type); }                      \
    void peer_softmask_##name(const struct peer_args *a) { masked_softmax(a, type); }                  \
    void peer_sdpa_##name(const struct peer_args *a) { attention(a, type); }                           \
    void peer_sdpabwd_##name(const struct peer_args *a) { attention_backward(a, type); }               \
    void peer_softmax_##name(const struct peer_args *a) { softmax(a, type); }                          \
    void peer_softmaxbwd_##name(const struct peer_args *a) { softmax_backward(a, type); }
FOR_TYPE(f32, CK_F32)
FOR_TYPE(bf16, CK_BF16)
FOR_TYPE(f16, CK_F16)
