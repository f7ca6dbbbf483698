// reach_probe.h: finds out how far away rows are that should be near by the size of their call.
//
// To ask ahead, and not to keep sums, costs rows in the caches up to a third of their time and saves rows in memory up
// to a quarter; to write past the caches, where that is possible, saves these a half: what is overwritten is not read.
// Only the rows can tell where they are, so the first ones are read, and read again when they must be near. What is
// written is not asked: it would be far for ever, once it was written past the caches. LayerNorm and a residual sum of
// 512x1024, microseconds (Zen 4, AVX-512, 2026-11-27):
//
//                    hot         from memory    hot          from memory
//     near           78          344            146          662
//     or far         78          229            163          481
//     or streamed    72             96              142          225
//
// (The second row by a trial of both ways, which this replaced. On Zen 3 only gradients have been measured so:
// LayerNorm backward 512x1024 hot 0.81 of its time, from memory 0.70 to 0.88, 256x1000 and 1024x768 from memory 0.91 to
// 1.05; AVX2, 2026-11-28.)

/// Bytes that are read, and how many times longer the first reading takes from memory than the third: 30 to 40 times
/// there, 5 from the last cache level (Zen 4, 2026-11-27).
#define PROBED_BYTES (32 * 1024)
#define FAR_READING 16

V_FN uint64_t ticks_to_read(const char *from, int64_t bytes) {
    uint64_t start = CK_TICKS();
    for (int64_t i = 0; i < bytes; i += 64) (void)*(const volatile char *)(from + i);
    return CK_TICKS() - start;
}

/// Where rows begin ..< end of x are, of a call of this reach. Calls of a few times what is read are taken as they
/// come.
V_FN ck_reach reach_found(source x, int64_t cols, int64_t stride, int64_t begin, int64_t end, int64_t probed,
                          ck_reach reach) {
    if (reach != CK_NEAR && reach != CK_NEAR_OR_STREAMED) return reach;
    if (stride != cols || (end - begin) * cols * size_of(x.type) < 4 * probed) return CK_NEAR;
    const char *from = source_at(x, begin * cols).at;
    uint64_t first = ticks_to_read(from, probed);
    (void)ticks_to_read(from, probed);
    if (first <= FAR_READING * (ticks_to_read(from, probed) + 1)) return CK_NEAR;
    return reach == CK_NEAR ? CK_FAR : CK_STREAMED;
}
