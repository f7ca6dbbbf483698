// storage.h: elements in memory, of a type that is a constant wherever speed matters.
//
// A body is written once for all types: it takes a `ck_type` that its instances fill in with a constant, so that every
// branch on it here is gone when it is compiled.

/// Calls a function whose first argument is the storage type, as a constant.
#define BY_TYPE(type, function, ...)        \
    do {                                    \
        if ((type) == CK_F32)               \
            function(CK_F32, __VA_ARGS__);  \
        else if ((type) == CK_BF16)         \
            function(CK_BF16, __VA_ARGS__); \
        else                                \
            function(CK_F16, __VA_ARGS__);  \
    } while (0)

typedef struct source {
    const void *at;
    ck_type type;
} source;

typedef struct target {
    void *at;
    ck_type type;
} target;

static const float CK_JOIN(zeros, CK_SUFFIX)[CHUNK];

V_FN int64_t size_of(ck_type type) { return type == CK_F32 ? 4 : 2; }

/// `count` elements on.
V_FN source source_at(source s, int64_t count) {
    return (source){(const char *)s.at + count * size_of(s.type), s.type};
}
V_FN target target_at(target t, int64_t count) { return (target){(char *)t.at + count * size_of(t.type), t.type}; }

/// `elements` after the beginning of an output that may be absent.
V_FN target optional_target(void *base, ck_type type, int64_t elements) {
    return base ? target_at((target){base, type}, elements) : (target){0, type};
}

/// Up to 16 elements from index i on, of which `left` remain. With a constant `left` it is one load.
V_FN vf read_left(source s, int64_t i, int64_t left) {
    s = source_at(s, i);
    if (s.type == CK_F32) return load_left(s.at, left);
    vh stored = left >= 16 ? vh_load(s.at) : vh_load_n(s.at, left);
    return s.type == CK_BF16 ? v_widen_bf16(stored) : v_widen_f16(stored);
}

/// Writes them, rounded once; `streaming`: past the caches, where all 16 are there.
V_FN void write_left(target t, int64_t i, int64_t left, vf a, int streaming) {
    t = target_at(t, i);
    if (t.type == CK_F32) {
        if (streaming && left >= 16)
            v_stream(t.at, a);
        else
            store_left(t.at, left, a);
        return;
    }
    vh rounded = t.type == CK_BF16 ? v_round_bf16(a) : v_round_f16(a);
    if (left < 16)
        vh_store_n(t.at, left, rounded);
    else if (streaming)
        vh_stream(t.at, rounded);
    else
        vh_store(t.at, rounded);
}

/// Writes `count` elements, stored like the target's, past the caches, the whole lines among them.
V_FN void stream_left(const void *from, target t, int64_t count) {
    source s = {from, t.type};
    int64_t line = 64 / size_of(t.type), i = 0;
    for (; i + line <= count; i += line) v_stream(target_at(t, i).at, v_load(source_at(s, i).at));
    for (; i < count; i += 16) write_left(t, i, count - i, read_left(s, i, count - i), 0);
}
