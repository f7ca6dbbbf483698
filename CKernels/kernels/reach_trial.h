// reach_trial.h: finds out how far away rows are that should be near by the size of their call.
//
// To ask ahead, and not to keep sums, costs rows in the caches up to a third of their time and saves rows in memory up
// to a quarter; to write past the caches, where that is possible, saves these a half: what is overwritten is not read.
// Only the rows can tell where they are. So a call does its first rows in both ways and goes on in the one that took
// less time. The bits are the same in both. LayerNorm and a residual sum of 512x1024, microseconds:
//
//                    hot         from memory    hot          from memory
//     near           78          344            146          662
//     near or far    78          229            163          481
//     or streamed    73          110            151          240        (Zen 4, AVX-512, 2026-11-27)

/// Bytes of a part that is tried: about a microsecond in the caches. A kind is tried on two parts and timed on the
/// second: at the first there is still on its way what the kind before it asked for.
#define TRIED_BYTES (32 * 1024)

typedef struct reach_trial {
    ck_reach reach;    // of the part that next_part gave
    ck_reach other;    // what is tried beside near
    int64_t rows;      // of a part that is tried; 0 where nothing is, or nothing any more
    int parts;         // given so far
    uint64_t start;    // of the last of them
    uint64_t nearest;  // how long a part took as near
} reach_trial;

/// For `rows` rows of `bytes` each, whole groups of short rows in a part. Calls of a few parts are taken as they come.
V_FN reach_trial reach_trial_of(ck_reach reach, int64_t rows, int64_t bytes) {
    int is_near = reach == CK_NEAR || reach == CK_NEAR_OR_STREAMED;
    reach_trial t = {is_near ? CK_NEAR : reach, reach == CK_NEAR ? CK_FAR : CK_STREAMED};
    if (!is_near || bytes > TRIED_BYTES) return t;
    t.rows = TRIED_BYTES / bytes;
    if (t.rows > GROUP) t.rows -= t.rows % GROUP;
    if (rows < 8 * t.rows) t.rows = 0;
    return t;
}

/// Where the part that begins at `begin` ends.
V_FN int64_t next_part(reach_trial *t, int64_t begin, int64_t end) {
    if (!t->rows) return end;
    uint64_t now = CK_TICKS(), took = now - t->start;
    if (t->parts == 2) t->nearest = took;
    if (t->parts == 4) {
        t->reach = took < t->nearest ? t->other : CK_NEAR;
        t->rows = 0;
        return end;
    }
    t->reach = t->parts < 2 ? CK_NEAR : t->other;
    t->start = now;
    t->parts++;
    return begin + t->rows;
}
