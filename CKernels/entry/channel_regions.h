// channel_regions.h: what the entry points of ck_channel_norm share: checks of the shape, the workspace, and how
// regions and the stages of a region are shared over threads.

#ifndef CK_CHANNEL_REGIONS_H
#define CK_CHANNEL_REGIONS_H

#include "dispatch/channel_region.h"
#include "dispatch/select.h"
#include "entry/moments_arguments.h"
#include "entry/streaming.h"
#include "parallel/blocks.h"

static inline int64_t ck_channel_elements(const ck_channel_shape *s) { return s->samples * s->channels * s->positions; }
static inline ck_area ck_channel_area(const ck_channel_shape *s, const void *base) {
    return ck_vector_area(base, s->type, ck_channel_elements(s));
}
static inline int64_t ck_channel_sets(const ck_channel_shape *s) { return s->regions * s->groups; }
static inline ck_area ck_counts_area(const ck_channel_shape *s) {
    return (ck_area){s->region_samples, 1, s->regions, s->regions, 8};
}

static inline ck_status ck_check_region_samples(const ck_channel_shape *s) {
    int64_t rest = s->samples;
    CK_CHECK(ck_check_pointer(ck_counts_area(s)));
    for (int64_t i = 0; i < s->regions; i++) {
        if (s->region_samples[i] < 1 || s->region_samples[i] > rest) return CK_BAD_SHAPE;
        rest -= s->region_samples[i];
    }
    return rest == 0 ? CK_OK : CK_BAD_SHAPE;
}

static inline ck_status ck_check_channel_shape(const ck_channel_shape *s) {
    int64_t width;
    if (s->layout != CK_CHANNELS_FIRST && s->layout != CK_CHANNELS_LAST) return CK_UNKNOWN_LAYOUT;
    CK_CHECK(ck_check_type(s->type));
    if (s->samples < 0 || s->channels < 1 || s->positions < 1 || s->groups < 1 || s->regions < 1) return CK_BAD_SHAPE;
    if (__builtin_mul_overflow(s->channels, s->positions, &width)) return CK_SIZE_OVERFLOW;
    CK_CHECK(ck_check_shape(s->samples, width, width));
    if (s->channels % s->groups != 0) return CK_BAD_SHAPE;
    if (s->samples == 0) return s->regions == 1 ? CK_OK : CK_BAD_SHAPE;
    if (s->regions > s->samples) return CK_BAD_SHAPE;
    if (s->region_samples) return ck_check_region_samples(s);
    return s->samples % s->regions == 0 ? CK_OK : CK_BAD_SHAPE;
}

/// The layout that kernels see: with one position channels are last, else with one channel they are first.
static inline ck_layout ck_canonical_layout(const ck_channel_shape *s) {
    return s->positions == 1 ? CK_CHANNELS_LAST : s->channels == 1 ? CK_CHANNELS_FIRST : s->layout;
}

static inline int64_t ck_region_samples(const ck_channel_shape *s, int64_t region) {
    return s->region_samples ? s->region_samples[region] : s->samples / s->regions;
}

static inline int64_t ck_part_count(const ck_channel_shape *s, int64_t samples) {
    if (ck_canonical_layout(s) == CK_CHANNELS_FIRST) return samples;
    return (samples * s->positions + CK_PART_ROWS - 1) / CK_PART_ROWS;
}

/// Numbers from one row of a table or plane to the next: whole cache lines.
static inline int64_t ck_channel_pitch(const ck_channel_shape *s) { return (s->channels + 15) / 16 * 16; }

/// Bytes of the tables and planes of one region; regions of different sizes take turns on those of the largest.
static inline size_t ck_region_bytes(const ck_channel_shape *s, int tables, int planes) {
    int64_t most = 0;
    for (int64_t i = 0; i < (s->region_samples ? s->regions : 1); i++) {
        int64_t samples = ck_region_samples(s, i);
        if (samples > most) most = samples;
    }
    int64_t rows = 2 * tables * ck_part_count(s, most) + planes;  // of floats
    return (size_t)(rows * ck_channel_pitch(s) * (int64_t)sizeof(float));
}

/// Bytes of a whole workspace, which begins with `totals` rows of doubles a region. 0 for what is refused.
static inline size_t ck_channel_workspace(const ck_channel_shape *s, int tables, int planes, int totals) {
    int64_t elements, bytes;
    if (!s || ck_check_channel_shape(s) != CK_OK || s->samples == 0) return 0;
    // At most one row of every table for each element, and of every plane for each region.
    if (__builtin_mul_overflow(s->samples * s->positions, ck_channel_pitch(s), &elements) ||
        __builtin_mul_overflow(elements, 8 * (tables + planes + totals), &bytes))
        return 0;
    return (s->region_samples ? 1 : (size_t)s->regions) * ck_region_bytes(s, tables, planes) +
           (size_t)(s->regions * totals * ck_channel_pitch(s)) * sizeof(double);
}

/// A region with what follows from the shape; `elements_before` says where it begins in the tensors.
static inline ck_channel_region ck_region_at(const ck_channel_shape *s, int64_t region, int tables, int planes,
                                             void *workspace, int64_t *elements_before) {
    int64_t first = 0, samples = ck_region_samples(s, region), pitch = ck_channel_pitch(s);
    for (int64_t i = 0; s->region_samples && i < region; i++) first += s->region_samples[i];
    if (!s->region_samples) first = region * samples;
    *elements_before = first * s->channels * s->positions;

    ck_channel_region r = {.shape = *s, .parts = ck_part_count(s, samples), .pitch = pitch};
    r.shape.samples = samples;
    r.shape.layout = ck_canonical_layout(s);
    char *slot = (char *)workspace + (s->region_samples ? 0 : (size_t)region * ck_region_bytes(s, tables, planes));
    r.tables = (double *)slot;
    r.coefficients = (float *)(r.tables + tables * r.parts * pitch);
    return r;
}

typedef void (*ck_region_kernel)(const ck_channel_region *region, int64_t begin, int64_t end);

/// One stage of a region: a kernel over `count` units of work, `size` of them in a block.
typedef struct ck_region_stage {
    const ck_channel_region *region;
    ck_region_kernel kernel;
    int64_t count, size;
} ck_region_stage;

static inline void ck_run_stage_blocks(const void *context, int64_t begin, int64_t end) {
    const ck_region_stage *stage = context;
    int64_t last = end * stage->size;
    stage->kernel(stage->region, begin * stage->size, last < stage->count ? last : stage->count);
}

/// Runs a kernel over runs (or strips of parts: `by_part`, or tiles of rows). `tensors` are read or written.
static inline void ck_run_elements(const ck_channel_region *r, ck_region_kernel kernel, int by_part, int tensors,
                                   ck_run run) {
    const ck_channel_shape *s = &r->shape;
    int64_t strips = (s->channels + CK_STRIP - 1) / CK_STRIP, rows = s->samples * s->positions;
    ck_region_stage stage = {r, kernel, s->samples * s->channels, 1 + 4096 / s->positions};
    if (s->layout == CK_CHANNELS_LAST && by_part)
        stage = (ck_region_stage){r, kernel, r->parts * strips, 1};
    else if (s->layout == CK_CHANNELS_LAST)
        stage = (ck_region_stage){r, kernel, (rows + CK_TILE - 1) / CK_TILE, 4};
    int64_t bytes = tensors * ck_channel_elements(s) * ck_size_of(s->type);
    ck_run_blocks((stage.count + stage.size - 1) / stage.size, bytes, run.threads, ck_run_stage_blocks, &stage);
}

/// Runs a kernel over the groups.
static inline void ck_run_groups(const ck_channel_region *r, ck_region_kernel kernel, int tables, ck_run run) {
    int64_t width = r->shape.channels / r->shape.groups, bytes = tables * r->parts * r->pitch * (int64_t)sizeof(double);
    ck_region_stage stage = {r, kernel, r->shape.groups, 1 + 64 / width};
    ck_run_blocks((stage.count + stage.size - 1) / stage.size, bytes, run.threads, ck_run_stage_blocks, &stage);
}

typedef void (*ck_region_function)(const void *call, int64_t region, ck_run run);

typedef struct ck_region_loop {
    ck_region_function function;
    const void *call;
    ck_isa isa;
} ck_region_loop;

static inline void ck_run_regions(const void *context, int64_t begin, int64_t end) {
    const ck_region_loop *loop = context;
    for (int64_t region = begin; region < end; region++) loop->function(loop->call, region, (ck_run){loop->isa, 1});
}

/// Every region: small ones whole on one thread, so that they stay in its caches from stage to stage; others one after
/// the other, each stage on all threads.
static inline void ck_for_regions(const ck_channel_shape *s, int tensors, ck_run run, ck_region_function function,
                                  const void *call) {
    int64_t bytes = tensors * ck_channel_elements(s) * ck_size_of(s->type);
    ck_region_loop loop = {function, call, run.isa};
    if (!s->region_samples && s->regions > 1 && bytes / s->regions <= 1 << 20)
        ck_run_blocks(s->regions, bytes, run.threads, ck_run_regions, &loop);
    else
        for (int64_t region = 0; region < s->regions; region++) function(call, region, run);
}

/// Whether an output bypasses the caches: beyond them, not in place, and every run or row begins at a cache line.
static inline int ck_streams_channels(const ck_channel_shape *s, int tensors, const void *output,
                                      const void *in_place) {
    int64_t size = ck_size_of(s->type), row = ck_canonical_layout(s) == CK_CHANNELS_FIRST ? s->positions : s->channels;
    return tensors * ck_channel_elements(s) * size > ck_cached_bytes() && output != in_place &&
           (uintptr_t)output % 64 == 0 && row * size % 64 == 0;
}

#endif
