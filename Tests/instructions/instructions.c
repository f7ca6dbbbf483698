// instructions.c: one call of each operator, on one thread with AVX2, for an instruction counter to watch.
//
// scripts/check_instructions.py runs it under callgrind, which counts within `measured` alone and writes one file each
// time that returns. It prints a line for each of these: name and elements.

#include <ckernels.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Twelve rows: with more of them the clock decides how a norm goes on (reach_probe.h), and what it then asks for counts.
enum { rows = 12, cols = 1024, length = 128, size = 64, floats = rows * cols };

static const ck_run run = {.isa = CK_ISA_AVX2, .threads = 1};

static _Alignas(64) float input[3][floats], output[3][floats];
static _Alignas(64) uint16_t half_input[2][CK_F16 + 1][floats], half_output[2][floats];
static _Alignas(64) float weight[cols], bias[cols], sums[2][cols], mean[rows], mean_low[rows], rstd[rows];
static float log_sum_exp[length];

/// One of a case's calls. Both arguments are those of an entry point.
typedef ck_status (*entry_point)(const void *args, ck_run run);

__attribute__((noinline)) ck_status measured(entry_point entry, const void *args) {
    ck_status status = entry(args, run);
    __asm__ volatile("" ::: "memory"); // no tail call: the counter stops where this returns
    return status;
}

static void expect_ok(ck_status status, const char *name) {
    if (status == CK_OK) return;
    fprintf(stderr, "%s: %s\n", name, ck_status_text(status));
    exit(1);
}

/// Twice, since the first call of all asks what the processor has; the second is measured.
static void count(const char *name, int64_t elements, entry_point entry, const void *args) {
    expect_ok(entry(args, run), name);
    expect_ok(measured(entry, args), name);
    printf("%s %lld\n", name, (long long)elements);
}

#define COUNT(name, elements, entry, args) count(name, elements, (entry_point)(entry), args)

static const char *const type_names[] = {"f32", "bf16", "f16"};

static void *in(ck_type type, int k) { return type == CK_F32 ? (void *)input[k] : (void *)half_input[k][type]; }
static void *out(ck_type type, int k) { return type == CK_F32 ? (void *)output[k] : (void *)half_output[k]; }

static const char *named(const char *operation, ck_type type) {
    static char text[80];
    snprintf(text, sizeof text, "%s.%s", operation, type_names[type]);
    return text;
}

static void count_norms(ck_type type) {
    ck_residual residual = {
        .branch = in(type, 1), .branch_stride = cols, .scale = 1, .sum = out(type, 1), .sum_stride = cols,
    };
    ck_norm_args args = {
        .rows = rows, .cols = cols, .type = type, .x = in(type, 0), .x_stride = cols, .weight = weight, .bias = bias,
        .epsilon = 1e-5f, .y = out(type, 0), .y_stride = cols, .mean = mean, .mean_low = mean_low, .rstd = rstd,
    };
    COUNT(named("layerNorm", type), floats, ck_layer_norm, &args);
    size_t needed = ck_norm_backward_workspace(rows, cols, 0);
    ck_norm_backward_args backward = {
        .rows = rows, .cols = cols, .type = type, .dy = in(type, 1), .dy_stride = cols, .x = in(type, 0),
        .x_stride = cols, .weight = weight, .mean = mean, .mean_low = mean_low, .rstd = rstd, .dx = out(type, 0),
        .dx_stride = cols,
        .dweight = sums[0], .dbias = sums[1], .workspace = aligned_alloc(64, needed), .workspace_size = needed,
    };
    COUNT(named("layerNormBackward", type), floats, ck_layer_norm_backward, &backward);
    free(backward.workspace);
    args.residual = &residual;
    COUNT(named("residualLayerNorm", type), floats, ck_layer_norm, &args);
    args.bias = NULL;
    COUNT(named("residualRMSNorm", type), floats, ck_rms_norm, &args);
    args.residual = NULL;
    COUNT(named("rmsNorm", type), floats, ck_rms_norm, &args);
}

static void count_softmaxes(ck_type type) {
    ck_softmax_args args = {
        .rows = rows, .cols = cols, .type = type, .x = in(type, 0), .x_stride = cols, .y = out(type, 0),
        .y_stride = cols,
    };
    ck_softmax_backward_args backward = {
        .rows = rows, .cols = cols, .type = type, .dy = in(type, 1), .dy_stride = cols, .y = out(type, 0),
        .y_stride = cols, .dx = out(type, 1), .dx_stride = cols,
    };
    COUNT(named("softmax", type), floats, ck_softmax, &args);
    COUNT(named("softmaxBackward", type), floats, ck_softmax_backward, &backward);
    args.logarithmic = 1;
    COUNT(named("logSoftmax", type), floats, ck_softmax, &args);
    ck_strides square = {floats, floats, cols};
    ck_score_softmax_args scores = {
        .batch = 1, .heads = 1, .queries = rows, .keys = cols, .type = type, .scale = 0.125f, .x = in(type, 0),
        .x_strides = square, .y = out(type, 0), .y_strides = square,
        .mask = {.bias = input[2], .bias_type = CK_F32, .bias_strides = square},
    };
    COUNT(named("scoreSoftmax.bias", type), floats, ck_score_softmax, &scores);
}

/// Elements are multiply-adds: two for each query, key and number of a head; five backward.
static void count_attention(ck_type type, int causal, int64_t queries) {
    int64_t pairs = causal ? queries * (queries + 1) / 2 : queries * length;
    ck_strides strides = {length * size, length * size, size}, rows_alone = {length, length, 1};
    ck_attention_args args = {
        .batch = 1, .query_heads = 1, .key_heads = 1, .queries = queries, .keys = length, .head_size = size,
        .value_size = size, .type = type, .key_type = type, .query = in(type, 0), .query_strides = strides,
        .key = in(type, 1), .key_strides = strides, .value = (char *)in(type, 1) + floats / 2, .value_strides = strides,
        .scale = 0.125f, .mask = {.causal = causal}, .output = out(type, 0), .output_strides = strides,
        .log_sum_exp = log_sum_exp, .log_sum_exp_strides = rows_alone,
    };
    args.workspace_size = ck_attention_workspace(&args, run);
    args.workspace = aligned_alloc(64, args.workspace_size);
    const char *name = queries == 1 ? "attention.decode" : causal ? "attention.causal" : "attention";
    COUNT(named(name, type), 2 * pairs * size, ck_attention, &args);
    if (queries == length) {
        float *gradients = output[1];
        ck_attention_backward_args backward = {
            .forward = args, .doutput = in(type, 0), .doutput_strides = strides, .dquery = gradients,
            .dquery_strides = strides, .dkey = gradients + length * size, .dkey_strides = strides,
            .dvalue = gradients + 2 * length * size, .dvalue_strides = strides,
        };
        backward.workspace_size = ck_attention_backward_workspace(&backward, run);
        backward.workspace = aligned_alloc(64, backward.workspace_size);
        COUNT(named(causal ? "attentionBackward.causal" : "attentionBackward", type), 5 * pairs * size,
              ck_attention_backward, &backward);
        free(backward.workspace);
    }
    free(args.workspace);
}

/// Numbers between -1 and 1 that look random: the fractions of multiples of the golden ratio.
static void fill(void) {
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < floats; i++) input[k][i] = 2 * (float)fmod((i + k * floats) * 0.6180339887498949, 1) - 1;
    }
    for (int i = 0; i < cols; i++) {
        weight[i] = 1 + input[2][i] / 8;
        bias[i] = input[2][cols + i] / 8;
    }
    for (int k = 0; k < 2; k++) {
        for (ck_type type = CK_BF16; type <= CK_F16; type++) {
            ck_convert_args args = {1, floats, input[k], CK_F32, floats, half_input[k][type], type, floats};
            expect_ok(ck_convert(&args, run), "convert");
        }
    }
}

int main(void) {
    fill();
    for (ck_type type = CK_F32; type <= CK_F16; type++) {
        count_norms(type);
        count_softmaxes(type);
        for (int causal = 0; causal <= 1; causal++) count_attention(type, causal, length);
        count_attention(type, 0, 1);
    }
    return 0;
}
