// scaling.c: how operators scale over threads. One line an operator and thread count: name, threads, microseconds.
// Thread counts take turns. scripts/scaling.sh compiles and runs it.

#include <ckernels.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { most_threads = 16, rounds = 9 };

typedef ck_status (*entry_point)(const void *args, ck_run run);

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/// Small numbers, other ones at each place; never freed.
static void *numbers(size_t floats) {
    float *memory = aligned_alloc(64, (floats * sizeof *memory + 63) / 64 * 64);
    if (!memory) exit(1);
    for (size_t i = 0; i < floats; i++) memory[i] = (float)(i * 2654435761u % 1024) / 1024 - 0.5f;
    return memory;
}

static double time_of(entry_point entry, const void *args, int threads, int calls) {
    double start = seconds();
    for (int k = 0; k < calls; k++) {
        ck_status status = entry(args, (ck_run){.threads = threads});
        if (status != CK_OK) {
            fprintf(stderr, "%s\n", ck_status_text(status));
            exit(1);
        }
    }
    return (seconds() - start) / calls;
}

static int by_size(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/// 50 ms of warm-up for each thread count, then samples of 20 ms in turns; medians.
static void measure(const char *name, entry_point entry, const void *args, int threads) {
    static double samples[most_threads + 1][rounds];
    int calls[most_threads + 1];
    for (int n = 1; n <= threads; n++) {
        double last = 0, until = seconds() + 0.05;
        while (seconds() < until) last = time_of(entry, args, n, 1);
        calls[n] = last > 0.02 ? 1 : (int)(0.02 / last) + 1;
    }
    for (int k = 0; k < rounds; k++) {
        for (int n = 1; n <= threads; n++) samples[n][k] = time_of(entry, args, n, calls[n]);
    }
    for (int n = 1; n <= threads; n++) {
        qsort(samples[n], rounds, sizeof(double), by_size);
        printf("%s\t%d\t%.1f\n", name, n, 1e6 * samples[n][rounds / 2]);
    }
    fflush(stdout);
}

#define MEASURE(name, entry, args) measure(name, (entry_point)(entry), args, threads)

static void measure_rows(int64_t rows, int64_t cols, int threads) {
    char name[80];
    size_t count = (size_t)(rows * cols);
    float *x = numbers(count), *y = numbers(count), *weight = numbers((size_t)cols);
    ck_norm_args norm = {
        .rows = rows, .cols = cols, .x = x, .x_stride = cols, .weight = weight, .epsilon = 1e-5f, .y = y,
        .y_stride = cols,
    };
    snprintf(name, sizeof name, "layerNorm %lldx%lld", (long long)rows, (long long)cols);
    MEASURE(name, ck_layer_norm, &norm);
    ck_softmax_args softmax = {.rows = rows, .cols = cols, .x = x, .x_stride = cols, .y = y, .y_stride = cols};
    snprintf(name, sizeof name, "softmax %lldx%lld", (long long)rows, (long long)cols);
    MEASURE(name, ck_softmax, &softmax);
    free(x), free(y), free(weight);
}

static void measure_attention(int64_t heads, int64_t queries, int64_t keys, int64_t size, int causal, int threads) {
    char name[80];
    ck_strides query = {heads * queries * size, queries * size, size}, key = {heads * keys * size, keys * size, size};
    ck_attention_args args = {
        .batch = 1, .query_heads = heads, .key_heads = heads, .queries = queries, .keys = keys, .head_size = size,
        .value_size = size, .query = numbers((size_t)query.batch), .query_strides = query,
        .key = numbers((size_t)key.batch), .key_strides = key, .value = numbers((size_t)key.batch),
        .value_strides = key, .scale = 0.125f, .mask = {.causal = causal, .offset = keys - queries}, .output = numbers((size_t)query.batch),
        .output_strides = query,
    };
    for (int n = 0; n <= threads; n++) {
        size_t needed = ck_attention_workspace(&args, (ck_run){.threads = n});
        if (needed > args.workspace_size) args.workspace_size = needed;
    }
    args.workspace = aligned_alloc(64, args.workspace_size);
    snprintf(name, sizeof name, "attention %lldx%lld:%lldx%lld%s", (long long)heads, (long long)queries,
             (long long)keys, (long long)size, causal ? " causal" : "");
    MEASURE(name, ck_attention, &args);
    free(args.workspace);
}

int main(void) {
    int threads = ck_inspect().max_threads;
    if (threads > most_threads) threads = most_threads;
    measure_rows(512, 1024, threads);
    measure_rows(4096, 4096, threads);
    measure_attention(12, 512, 512, 64, 0, threads);
    measure_attention(12, 512, 512, 64, 1, threads);
    measure_attention(32, 1, 2048, 128, 0, threads);
    return 0;
}
