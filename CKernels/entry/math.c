// math.c: ck_exp_1ulp and ck_tanh_2ulp: the kernels of functions_body.h on threads.

#include "ck_math.h"

#include "dispatch/select.h"
#include "entry/arguments.h"
#include "parallel/blocks.h"

enum { FLOATS_PER_BLOCK = 1024 };

typedef void (*map_kernel)(const float *x, float *y, int64_t count, int streaming);

typedef struct map_call {
    map_kernel kernel;
    const float *x;
    float *y;
    int64_t count;
    int streaming;
} map_call;

static void run_map(const void *context, int64_t begin, int64_t end) {
    const map_call *call = context;
    int64_t first = begin * FLOATS_PER_BLOCK, last = end * FLOATS_PER_BLOCK;
    if (last > call->count) last = call->count;
    call->kernel(call->x + first, call->y + first, last - first, call->streaming);
}

static ck_status check(const map_call *call, ck_run run) {
    if (call->count == 0) return CK_OK;
    CK_CHECK(ck_check_shape(1, call->count, call->count));
    ck_area x = ck_vector_area(call->x, CK_F32, call->count), y = ck_vector_area(call->y, CK_F32, call->count);
    CK_CHECK(ck_check_pointer(x));
    CK_CHECK(ck_check_pointer(y));
    CK_CHECK(ck_check_output(y, &x, 1, 0));
    return ck_check_threads(run);
}

static void map(map_call call, ck_run run) {
    int64_t blocks = call.count / FLOATS_PER_BLOCK + (call.count % FLOATS_PER_BLOCK != 0);
    int64_t bytes = 2 * call.count * (int64_t)sizeof(float);
    call.streaming =
        bytes > ck_last_cache() && call.x != call.y && ck_is_line_aligned(ck_vector_area(call.y, CK_F32, 0));
    ck_run_blocks(blocks, bytes, run.threads, run_map, &call);
}

ck_status ck_exp_1ulp(const float *x, float *y, int64_t count, ck_run run) {
    map_call call = {.x = x, .y = y, .count = count};
    const ck_kernel_table *table;
    CK_CHECK(check(&call, run));
    CK_CHECK(ck_select(run.isa, &table));
    call.kernel = table->exp_1ulp;
    map(call, run);
    return CK_OK;
}

ck_status ck_tanh_2ulp(const float *x, float *y, int64_t count, ck_run run) {
    map_call call = {.x = x, .y = y, .count = count};
    const ck_kernel_table *table;
    CK_CHECK(check(&call, run));
    CK_CHECK(ck_select(run.isa, &table));
    call.kernel = table->tanh_2ulp;
    map(call, run);
    return CK_OK;
}
