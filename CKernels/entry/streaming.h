// streaming.h: whether an output is written past the caches.

#ifndef CK_STREAMING_H
#define CK_STREAMING_H

#include "dispatch/reach.h"
#include "dispatch/select.h"
#include "parallel/blocks.h"

/// Traffic up to which outputs stay in the caches: memory is as fast as the last cache level, if what is overwritten
/// need not be read. So it is for two threads, too: LayerNorm 4096x768 (25 MB, where that level has 34) streamed from
/// seven eighths of it on and from half of it, hot 0.70 and 0.67 ms, from memory 2.31 and 1.37 (Zen 3, AVX2,
/// 2026-11-28).
static inline int64_t ck_cached_bytes(void) { return ck_last_cache() / 2; }

/// How far away a call's tensors lie, which are `bytes` in all. What takes a third of the last cache level is most
/// often there when it is read; where it is not, outputs of half lines do better in the caches (bfloat16 512x1024 from
/// memory 180 and streamed 200 us, AVX2, Zen 4, 2026-11-27). With several threads they stay there longer: bfloat16
/// LayerNorm 6144x1024 on two 1.72 and streamed 1.96 ms, from memory 1.91 and 2.02 (Zen 3, AVX2, 2026-11-28).
static inline ck_reach ck_reach_of(int64_t blocks, int64_t bytes, int32_t threads, int may_stream, ck_type type) {
    int stays = type != CK_F32 && ck_is_shared(blocks, bytes, threads);
    if (may_stream && bytes > (stays ? ck_last_cache() / 8 * 7 : ck_cached_bytes())) return CK_STREAMED;
    if (bytes > ck_last_cache() / 3) return CK_FAR;
    return may_stream && type == CK_F32 ? CK_NEAR_OR_STREAMED : CK_NEAR;
}

/// Two outputs of 16 bits go past the caches in turns of half a line each, which takes longer than reading what is
/// overwritten: bfloat16 4096x4096, residual forward 28.6 and 16.7 ms, backward 63.9 and 31.5 ms (Zen 3, 2026-11-25).
static inline int ck_streams_pairs(ck_type type) { return type == CK_F32; }

#endif
