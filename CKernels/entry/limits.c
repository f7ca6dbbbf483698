// limits.c: ck_limit_copy, ck_limit_read and ck_limit_fma: the kernels of limits_body.h on threads.

#include "ck_limits.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "parallel/blocks.h"

enum { FLOATS_PER_BLOCK = 1024 };

typedef struct copy_call {
    const ck_kernel_table *table;
    const float *source, *second;
    float *destination;
    int64_t count;
    int streaming;
} copy_call;

static void run_copy(const void *context, int64_t begin, int64_t end) {
    const copy_call *call = context;
    int64_t first = begin * FLOATS_PER_BLOCK, last = end * FLOATS_PER_BLOCK;
    if (last > call->count) last = call->count;
    const float *second = call->second ? call->second + first : 0;
    call->table->limit_copy(call->source + first, second, call->destination + first, last - first, call->streaming);
}

ck_status ck_limit_copy(const float *source, const float *second, float *destination, int64_t count, int32_t streaming,
                        ck_run run) {
    copy_call call = {NULL, source, second, destination, count, streaming};
    if (count == 0) return CK_OK;
    CK_CHECK(ck_check_shape(1, count, count));
    ck_area from[] = {ck_vector_area(source, CK_F32, count), ck_vector_area(second, CK_F32, count)};
    ck_area to = ck_vector_area(destination, CK_F32, count);
    CK_CHECK(ck_check_pointer(from[0]));
    CK_CHECK(ck_check_optional(from[1]));
    CK_CHECK(ck_check_pointer(to));
    CK_CHECK(ck_check_output(to, from, 2, -1));
    if (streaming && !ck_is_line_aligned(to)) return CK_MISALIGNED_POINTER;
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int64_t blocks = count / FLOATS_PER_BLOCK + (count % FLOATS_PER_BLOCK != 0);
    int64_t bytes = (second ? 3 : 2) * count * (int64_t)sizeof(float);
    ck_run_blocks(blocks, bytes, run.threads, run_copy, &call);
    return CK_OK;
}

static void run_read(const void *context, int64_t begin, int64_t end) {
    const copy_call *call = context;
    int64_t first = begin * FLOATS_PER_BLOCK, last = end * FLOATS_PER_BLOCK;
    if (last > call->count) last = call->count;
    call->table->limit_read(call->source + first, last - first, call->destination + begin);
}

ck_status ck_limit_read(const float *source, int64_t count, float *largest, ck_run run) {
    copy_call call = {NULL, source, NULL, largest, count, 0};
    if (count == 0) return CK_OK;
    CK_CHECK(ck_check_shape(1, count, count));
    int64_t blocks = count / FLOATS_PER_BLOCK + (count % FLOATS_PER_BLOCK != 0);
    ck_area from = ck_vector_area(source, CK_F32, count), to = ck_vector_area(largest, CK_F32, blocks);
    CK_CHECK(ck_check_pointer(from));
    CK_CHECK(ck_check_pointer(to));
    CK_CHECK(ck_check_output(to, &from, 1, -1));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    ck_run_blocks(blocks, count * (int64_t)sizeof(float), run.threads, run_read, &call);
    return CK_OK;
}

typedef struct fma_call {
    const ck_kernel_table *table;
    int64_t steps;
    float *sink;
} fma_call;

static void run_fma(const void *context, int64_t begin, int64_t end) {
    const fma_call *call = context;
    float result;
    for (int64_t block = begin; block < end; block++) {
        call->table->limit_fma(call->steps, &result);
        if (block == 0) *call->sink = result;
    }
}

ck_status ck_limit_fma(int64_t steps, float *sink, ck_run run) {
    fma_call call = {.steps = steps, .sink = sink};
    if (steps < 0) return CK_BAD_SHAPE;
    CK_CHECK(ck_check_pointer(ck_vector_area(sink, CK_F32, 1)));
    CK_CHECK(ck_check_threads(run));
    CK_CHECK(ck_select(run.isa, &call.table));
    int64_t most = ck_most_threads(), blocks = run.threads < most ? run.threads : most;
    ck_run_blocks(blocks > 1 ? blocks : 1, 0, run.threads, run_fma, &call);
    return CK_OK;
}
