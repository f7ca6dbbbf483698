// hostile_memory.c: slots between guard pages, and what became of them.

#include "hostile_memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/// Bytes of an argument's slot, of the workspace's slot, and what is watched on either side.
enum { SLOT = 1 << 17, WORKSPACE = 1 << 22, WATCHED = 256 };

/// Slot 0 is for workspaces. `noise` is what slots hold where no argument is.
static struct {
    guarded live[HOSTILE_SLOTS];
    char *before[HOSTILE_SLOTS], *after[HOSTILE_SLOTS];
    char *noise, *tame[3];
} ground;

static int64_t bytes_of_slot(int slot) { return slot == 0 ? WORKSPACE : SLOT; }
static char *start_of(int slot) { return ground.live[slot].first; }

static char *reserve(int64_t bytes) {
    char *memory = malloc((size_t)bytes);
    if (!memory) exit(2);
    return memory;
}

static void make_ground(void) {
    random_source random = {1};
    ground.noise = reserve(WORKSPACE);
    for (int64_t i = 0; i < WORKSPACE; i += 8) {
        uint64_t bits = random_bits(&random);
        memcpy(ground.noise + i, &bits, 8);
    }
    for (int type = 0; type < 3; type++) {
        ground.tame[type] = reserve(2 * SLOT);
        for (int64_t i = 0; i < 2 * SLOT / type_size((ck_type)type); i++)
            type_set_bits((ck_type)type, ground.tame[type], i,
                          type_round((ck_type)type, random_below(&random, 9) ? 4 * random_uniform(&random) : 0.0f));
    }
    for (int slot = 0; slot < HOSTILE_SLOTS; slot++) {
        int64_t bytes = bytes_of_slot(slot);
        ground.live[slot] = guarded_make(bytes);
        ground.before[slot] = reserve(bytes);
        ground.after[slot] = reserve(bytes);
        memcpy(start_of(slot), ground.noise, (size_t)bytes);
    }
}

int64_t hostile_size_of(ck_type type) {
    return type == TYPE_BYTE ? 1 : type == TYPE_WORD ? 8 : type == CK_F32 || type == TYPE_INDEX ? 4 : 2;
}

int64_t hostile_room(const hostile_area *a) { return bytes_of_slot(a->use & SCRATCH ? 0 : 1) - 64; }

int64_t hostile_reach(const hostile_area *a) {
    __int128 reach = a->extents[3], most = (__int128)1 << 62;
    if (reach <= 0) return 0;
    for (int axis = 0; axis < 3; axis++) {
        if (a->extents[axis] <= 0 || (a->extents[axis] > 1 && a->strides[axis] < 0)) return 0;
        reach += (__int128)(a->extents[axis] - 1) * a->strides[axis] * (a->extents[axis] > 1);
        if (reach > most) reach = most;
    }
    return (int64_t)reach;
}

int64_t hostile_bytes(const hostile_area *a) {
    int64_t elements = hostile_reach(a);
    return elements < TOO_MUCH ? elements * hostile_size_of(a->type) : 0;
}

int hostile_watch(hostile_call *h, int slot, const char *from, int64_t bytes) {
    int64_t first = from - start_of(slot), last = first + bytes, all = bytes_of_slot(slot);
    if (first < 0 || last > all) return 0;
    int64_t low = first > WATCHED ? first - WATCHED : 0, high = last + WATCHED < all ? last + WATCHED : all;
    int is_new = h->low[slot] == h->high[slot];
    if (is_new || low < h->low[slot]) h->low[slot] = low;
    if (is_new || high > h->high[slot]) h->high[slot] = high;
    return 1;
}

void hostile_place(hostile_call *h, hostile_area *a, int64_t bytes, int place) {
    if (!ground.noise) make_ground();
    a->slot = a->use & SCRATCH ? 0 : ++h->slots;
    int64_t size = hostile_size_of(a->type), start = 0, end = bytes_of_slot(a->slot) - bytes;
    if (place < FLUSH_START) start = SLOT / 2 < end ? SLOT / 2 + place * size : 0;
    if (start > end) start = 0;
    if (place == FLUSH_END) start = end / size * size;
    if (a->use & SCRATCH) start = start / 64 * 64;
    a->base = start_of(a->slot) + start;
    a->is_own = 1;
    hostile_watch(h, a->slot, a->base, bytes);
}

void hostile_fill_numbers(hostile_call *h, const hostile_area *a, int64_t bytes) {
    if (a->type > CK_F16 || draw_below(h, 4) == 0) return;
    memcpy(a->base, ground.tame[a->type] + 64 * draw_below(h, SLOT / 64), (size_t)bytes);
}

static void copy_watched(const hostile_call *h, char *const *to, char *const *from) {
    for (int slot = 0; slot <= h->slots; slot++)
        if (h->high[slot] > h->low[slot])
            memcpy(to[slot] + h->low[slot], from[slot] + h->low[slot], (size_t)(h->high[slot] - h->low[slot]));
}

static void live_slots(char *slots[HOSTILE_SLOTS]) {
    for (int slot = 0; slot < HOSTILE_SLOTS; slot++) slots[slot] = start_of(slot);
}

void hostile_remember(const hostile_call *h) {
    char *live[HOSTILE_SLOTS];
    if (!ground.noise) make_ground();
    live_slots(live);
    copy_watched(h, ground.before, live);
}

void hostile_restore(const hostile_call *h) {
    char *live[HOSTILE_SLOTS];
    live_slots(live);
    copy_watched(h, live, ground.before);
}

void hostile_clear(const hostile_call *h) {
    char *live[HOSTILE_SLOTS], *noise[HOSTILE_SLOTS];
    live_slots(live);
    for (int slot = 0; slot < HOSTILE_SLOTS; slot++) noise[slot] = ground.noise;
    copy_watched(h, live, noise);
}

/// Calls `row` with the bytes of each row of an argument, as offsets in its slot.
static void for_rows(const hostile_area *a,
                     void (*row)(void *context, const hostile_area *a, int64_t from, int64_t bytes), void *context) {
    int64_t size = hostile_size_of(a->type), start = a->base - start_of(a->slot);
    for (int64_t b = 0; b < a->extents[0]; b++)
        for (int64_t head = 0; head < a->extents[1]; head++)
            for (int64_t r = 0; r < a->extents[2]; r++)
                row(context, a, start + (b * a->strides[0] + head * a->strides[1] + r * a->strides[2]) * size,
                    a->extents[3] * size);
}

static void keep_row(void *context, const hostile_area *a, int64_t from, int64_t bytes) {
    (void)context;
    memcpy(ground.after[a->slot] + from, start_of(a->slot) + from, (size_t)bytes);
}

/// The argument in whose slot a byte changed.
static void report(check *c, const hostile_call *h, int slot, const char *what) {
    int64_t at = h->low[slot];
    while (ground.after[slot][at] == start_of(slot)[at]) at++;
    for (int i = 0; i < h->areas; i++)
        if (h->area[i].base && h->area[i].slot == slot) {
            const hostile_area *a = &h->area[i];
            check_fail(c, "%s byte %" PRId64 " of %s, which has %" PRId64, what,
                       (int64_t)(start_of(slot) + at - a->base), a->name, hostile_bytes(a));
            return;
        }
    check_fail(c, "%s memory that is no argument's", what);
}

void hostile_expect_unchanged(check *c, const hostile_call *h, int accepted) {
    copy_watched(h, ground.after, ground.before);
    for (int i = 0; accepted && i < h->areas; i++)
        if (h->area[i].base && (h->area[i].use & (WRITTEN | SCRATCH)) && hostile_bytes(&h->area[i]) > 0)
            for_rows(&h->area[i], keep_row, NULL);
    check_count(c);
    for (int slot = 0; slot <= h->slots; slot++) {
        size_t bytes = (size_t)(h->high[slot] - h->low[slot]);
        if (bytes && memcmp(ground.after[slot] + h->low[slot], start_of(slot) + h->low[slot], bytes) != 0) {
            report(c, h, slot, accepted ? "it wrote" : "refused, it wrote");
            return;
        }
    }
}

static int are_equal_words(const char *a, const char *b) {
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return memcmp(a, b, sizeof x) == 0 || (x != x && y != y);
}

static void compare_row(void *context, const hostile_area *a, int64_t from, int64_t bytes) {
    const char *found = ground.after[a->slot] + from, *expected = start_of(a->slot) + from;
    if (memcmp(found, expected, (size_t)bytes) == 0) return;
    if (a->type != TYPE_WORD) {
        check_row(context, a->name, a->type, from / hostile_size_of(a->type), found, expected,
                  bytes / hostile_size_of(a->type));
        return;
    }
    for (int64_t i = 0; i < bytes; i += 8)
        if (!are_equal_words(found + i, expected + i)) {
            check_fail(context, "%s: word %" PRId64 " differs from portable's", a->name, i / 8);
            return;
        }
}

void hostile_compare(check *c, const hostile_call *h) {
    for (int i = 0; i < h->areas; i++)
        if (h->area[i].base && (h->area[i].use & WRITTEN) && hostile_bytes(&h->area[i]) > 0)
            for_rows(&h->area[i], compare_row, c);
}
