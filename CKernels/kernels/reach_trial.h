// reach_trial.h: finds out how far away rows are that should be near by the size of their call.
//
// Asking ahead costs rows in the caches a third of their time and saves rows in memory as much, and only the rows can
// tell which they are. So a call does its first rows in both ways and goes on in the one that took less time. Their
// bits are those of either.

/// Bytes of a part that is tried: a microsecond in the caches. The first of two parts of a kind is for what the kind
/// before it left on its way.
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
