// operators.c: one call of each kind of operator, of a size that several threads share: rows, sums over rows, channels,
// attention whose keys are shared, products, elements.

#include "operators.h"

enum { ROWS = 128, COLS = 256, HEADS = 4, LENGTH = 96, HEAD_SIZE = 32, CHANNELS = 64, POSITIONS = 64 };

static ck_status layer_norm(const shared_inputs *in, outputs *out, ck_run run) {
    ck_norm_args args = {.rows = ROWS,
                         .cols = COLS,
                         .x = in->a,
                         .x_stride = COLS,
                         .weight = in->b,
                         .epsilon = 1e-5f,
                         .y = out->y,
                         .y_stride = COLS};
    return ck_layer_norm(&args, run);
}

static ck_status rms_norm_backward(const shared_inputs *in, outputs *out, ck_run run) {
    float *sums = out->y + ROWS * COLS;
    ck_norm_backward_args args = {.rows = ROWS,
                                  .cols = COLS,
                                  .dy = in->b,
                                  .dy_stride = COLS,
                                  .x = in->a,
                                  .x_stride = COLS,
                                  .rstd = in->ones,
                                  .dx = out->y,
                                  .dx_stride = COLS,
                                  .dweight = sums,
                                  .dbias = sums + COLS,
                                  .workspace = out->workspace,
                                  .workspace_size = sizeof out->workspace};
    return ck_rms_norm_backward(&args, run);
}

static ck_status softmax(const shared_inputs *in, outputs *out, ck_run run) {
    ck_softmax_args args = {.rows = ROWS, .cols = COLS, .x = in->a, .x_stride = COLS, .y = out->y, .y_stride = COLS};
    return ck_softmax(&args, run);
}

static ck_status batch_norm(const shared_inputs *in, outputs *out, ck_run run) {
    ck_channel_norm_args args = {.shape = {.samples = 8,
                                           .channels = CHANNELS,
                                           .positions = POSITIONS,
                                           .layout = CK_CHANNELS_FIRST,
                                           .groups = CHANNELS,
                                           .regions = 1},
                                 .x = in->a,
                                 .epsilon = 1e-5f,
                                 .y = out->y,
                                 .workspace = out->workspace,
                                 .workspace_size = sizeof out->workspace};
    return ck_channel_norm(&args, run);
}

static ck_attention_args attention_args(const shared_inputs *in, outputs *out) {
    ck_strides strides = {HEADS * LENGTH * HEAD_SIZE, LENGTH * HEAD_SIZE, HEAD_SIZE};
    return (ck_attention_args){.batch = 1,
                               .query_heads = HEADS,
                               .key_heads = HEADS,
                               .queries = LENGTH,
                               .keys = LENGTH,
                               .head_size = HEAD_SIZE,
                               .value_size = HEAD_SIZE,
                               .query = in->a,
                               .query_strides = strides,
                               .key = in->b,
                               .key_strides = strides,
                               .value = in->a,
                               .value_strides = strides,
                               .scale = 0.2f,
                               .mask = {.causal = 1},
                               .output = out->y,
                               .output_strides = strides,
                               .workspace = out->workspace,
                               .workspace_size = sizeof out->workspace};
}

static ck_status attention(const shared_inputs *in, outputs *out, ck_run run) {
    ck_attention_args args = attention_args(in, out);
    return ck_attention(&args, run);
}

/// One query of many keys: threads share the keys, and merge.
static ck_status decoding(const shared_inputs *in, outputs *out, ck_run run) {
    enum { KEYS = 2048 };
    ck_attention_args args = attention_args(in, out);
    args.query_heads = args.key_heads = 1;
    args.queries = 1;
    args.keys = KEYS;
    args.mask.causal = 0;
    return ck_attention(&args, run);
}

static ck_status product(const shared_inputs *in, outputs *out, ck_run run) {
    ck_strides strides = {COLS * ROWS, COLS * ROWS, COLS};
    ck_matmul_args args = {.batch = 1,
                           .heads = 1,
                           .b_heads = 1,
                           .rows = ROWS,
                           .columns = ROWS,
                           .depth = COLS,
                           .scale = 1,
                           .a = in->a,
                           .a_strides = strides,
                           .b = in->b,
                           .b_strides = strides,
                           .b_transposed = 1,
                           .c = out->y,
                           .c_strides = {ROWS * ROWS, ROWS * ROWS, ROWS},
                           .workspace = out->workspace,
                           .workspace_size = sizeof out->workspace};
    return ck_matmul(&args, run);
}

static ck_status conversion(const shared_inputs *in, outputs *out, ck_run run) {
    ck_convert_args args = {
        .rows = 1, .cols = INPUT, .x = in->a, .x_stride = INPUT, .y = out->y, .y_type = CK_BF16, .y_stride = INPUT};
    return ck_convert(&args, run);
}

const thread_operator thread_operators[] = {
    {"layer_norm", layer_norm}, {"rms_norm_backward", rms_norm_backward},
    {"softmax", softmax},       {"channel_norm", batch_norm},
    {"attention", attention},   {"attention of one query", decoding},
    {"matmul", product},        {"convert", conversion},
};
const int thread_operator_count = sizeof thread_operators / sizeof *thread_operators;
