// reach_trial.h: finds out how far away rows are that should be near by the size of their call.
//
// To ask ahead, and not to keep sums, costs rows in the caches up to a third of their time and saves rows in memory up
// to a quarter, and only the rows can tell which they are. So a call does its first rows in both ways and goes on in
// the one that took less time. The bits are the same in both. One call as near and with this trial: residual sum
// 512x1024 hot 285 and 284 us, from memory 840 and 615; LayerNorm 128x768 hot 32 and 32, from memory 98 and 76 (Zen 3,
// 2026-11-27).

/// Bytes of a part that is tried: about a microsecond in the caches. A kind is tried on two parts and timed on the
/// second: at the first there is still on its way what the kind before it asked for.
#define TRIED_BYTES (32 * 1024)

typedef struct reach_trial {
    ck_reach reach;    // of the part that next_part gave
    int64_t rows;      // of a part that is tried; 0 where nothing is, or nothing any more
    int parts;         // given so far
    uint64_t start;    // of the last of them
    uint64_t nearest;  // how long a part took as near
} reach_trial;

/// For `rows` rows of `bytes` each, whole groups of short rows in a part. Calls of a few parts are taken as they come.
V_FN reach_trial reach_trial_of(ck_reach reach, int64_t rows, int64_t bytes) {
    reach_trial t = {.reach = reach};
    if (reach != CK_NEAR || bytes > TRIED_BYTES) return t;
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
        t->reach = took < t->nearest ? CK_FAR : CK_NEAR;
        t->rows = 0;
        return end;
    }
    t->reach = t->parts < 2 ? CK_NEAR : CK_FAR;
    t->start = now;
    t->parts++;
    return begin + t->rows;
}
