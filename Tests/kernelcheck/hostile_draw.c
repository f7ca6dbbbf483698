// hostile_draw.c: draws of hostile.h: numbers, and memory for arguments.

#include "hostile_memory.h"

#include <math.h>
#include <string.h>

static int next_byte(hostile_call *h) {
    if (h->left == 0) return 0;
    h->left--;
    return *h->bytes++;
}

int64_t draw_below(hostile_call *h, int64_t count) {
    int value = next_byte(h);
    if (count > 256) value = value << 8 | next_byte(h);
    return count > 0 ? value % count : 0;
}

int draw_hostile(hostile_call *h) {
    int is = h->odds > 0 && next_byte(h) >= 256 - h->odds;
    h->hostile += is;
    return is;
}

static int64_t outlandish(hostile_call *h) {
    static const int64_t counts[] = {
        0,
        -1,
        -64,
        INT64_MIN,
        INT64_MAX,
        INT64_MAX - 1,
        INT64_MAX / 2,
        INT64_MAX / 8,
        INT64_MAX / 32,
        (int64_t)1 << 62,
        (int64_t)1 << 60,
        (int64_t)1 << 40,
        ((int64_t)1 << 32) + 1,
        (int64_t)1 << 31,
        65536,
        513,
    };
    return counts[draw_below(h, sizeof counts / sizeof *counts)];
}

int64_t draw_within(hostile_call *h, int64_t least, int64_t most) {
    if (most <= least) return least;
    return least + draw_below(h, most < INT32_MAX ? most - least + 1 : INT32_MAX);
}

int64_t draw_count(hostile_call *h, int64_t least, int64_t most) {
    int64_t count = draw_hostile(h) ? outlandish(h) : draw_within(h, least, most);
    if (count > 1) h->work *= (double)count;
    return count;
}

int64_t draw_width(hostile_call *h) {
    static const int64_t wide[] = {63, 64, 65, 127, 128, 129, 255, 257, 511, 513, 1025, 1030};
    if (draw_below(h, 4) > 0) return draw_count(h, 1, 40);
    int64_t width = wide[draw_below(h, sizeof wide / sizeof *wide)];
    h->work *= (double)width;
    return width;
}

ck_type draw_type(hostile_call *h) {
    static const ck_type types[] = {CK_F32, CK_BF16, CK_F16}, none[] = {3, (ck_type)-1, 100, (ck_type)INT32_MIN};
    return draw_hostile(h) ? none[draw_below(h, 4)] : types[draw_below(h, 3)];
}

int32_t draw_flag(hostile_call *h) { return draw_hostile(h) ? -7 : (int32_t)draw_below(h, 2); }

float draw_parameter(hostile_call *h, float usual) {
    const float wrong[] = {NAN, INFINITY, -INFINITY, -1.0f, -0.0f, 0x1p-149f, 0x1.fffffep127f, -0x1p-149f};
    const float right[] = {usual, 0.0f, 1.0f, 0.125f};
    return draw_hostile(h) ? wrong[draw_below(h, 8)] : right[draw_below(h, 4)];
}

float draw_dropout(hostile_call *h) {
    if (draw_below(h, 2)) return 0.0f;
    float p = draw_parameter(h, 0.5f);
    return p == 1.0f ? 0.75f : p;
}

/// Steps from one `reach` of elements to the next: often right behind it.
static int64_t draw_stride(hostile_call *h, int64_t reach) {
    static const int64_t gaps[] = {0, 0, 0, 1, 3, 16};
    if (draw_hostile(h)) return draw_below(h, 2) && reach > 0 ? reach - 1 : outlandish(h);
    return reach < 0 || reach > INT32_MAX ? reach : reach + gaps[draw_below(h, 6)];
}

static hostile_area *add_area(hostile_call *h, const char *name, ck_type type, int use, const int64_t extents[4],
                              const int64_t strides[3]) {
    hostile_area *a = &h->area[h->areas++];
    *a = (hostile_area){.name = name, .type = type, .use = use, .slot = -1};
    memcpy(a->extents, extents, sizeof a->extents);
    memcpy(a->strides, strides, sizeof a->strides);
    return a;
}

static void set_pointer(void *field, const void *pointer) { memcpy(field, &pointer, sizeof pointer); }

/// The element of another argument's memory that a pointer is moved to, if there is one.
static void move_onto_another(hostile_call *h, hostile_area *a, int64_t bytes) {
    static const int64_t shifts[] = {0, 0, 1, -1, 2, 16};
    const hostile_area *other = &h->area[draw_below(h, h->areas)];
    if (!other->base || other == a) return;
    char *to = other->base + shifts[draw_below(h, 6)] * hostile_size_of(a->type);
    to -= (uintptr_t)to % (uintptr_t)hostile_size_of(a->type);
    if (!hostile_watch(h, other->slot, to, bytes)) return;
    a->base = to;
    a->slot = other->slot;
    a->is_own = 0;
}

/// Finds memory of so many bytes and writes the pointer to it.
static void place(hostile_call *h, hostile_area *a, void *pointer) {
    int64_t elements = hostile_reach(a), size = hostile_size_of(a->type);
    if ((a->use & OPTIONAL) && draw_below(h, 3) == 0) {
        set_pointer(pointer, NULL);
        return;
    }
    if (elements > hostile_room(a) / size && elements < TOO_MUCH) {  // too much for us, not for everybody
        h->hostile++;
        set_pointer(pointer, draw_below(h, 2) ? NULL : AT_THE_END);
        return;
    }
    int64_t bytes = hostile_bytes(a);
    hostile_place(h, a, bytes, (int)draw_below(h, PLACES));
    if (draw_hostile(h)) {
        void *wrong[] = {NULL, size > 1 ? MISALIGNED(a->base) : NULL, bytes > 4 ? AT_THE_END : NULL};
        int64_t which = draw_below(h, 4);
        if (which < 3) {
            set_pointer(pointer, wrong[which]);
            a->base = NULL;
            return;
        }
        move_onto_another(h, a, bytes);
    }
    set_pointer(pointer, a->base);
    if (a->is_own) hostile_fill_numbers(h, a, bytes);
}

/// Whether an output takes an input's memory and strides.
static int is_drawn_instead(hostile_call *h, hostile_area *a, const hostile_area *instead, void *pointer) {
    if (!instead || !instead->base || draw_below(h, 4) > 0) return 0;
    if ((a->use & OPTIONAL) && draw_below(h, 3) == 0) return 0;
    a->base = instead->base;
    a->slot = instead->slot;
    memcpy(a->strides, instead->strides, sizeof a->strides);
    set_pointer(pointer, a->base);
    return 1;
}

hostile_area *draw_matrix(hostile_call *h, const char *name, void *pointer, int64_t *stride, ck_type type, int64_t rows,
                          int64_t cols, int use, const hostile_area *instead) {
    hostile_area *a = add_area(h, name, type, use, (int64_t[]){1, 1, rows, cols}, (int64_t[]){0, 0, 0});
    if (!is_drawn_instead(h, a, instead, pointer)) {
        a->strides[2] = draw_stride(h, cols);
        place(h, a, pointer);
    }
    *stride = a->strides[2];
    return a;
}

hostile_area *draw_vector(hostile_call *h, const char *name, void *pointer, ck_type type, int64_t count, int use) {
    hostile_area *a = add_area(h, name, type, use, (int64_t[]){1, 1, 1, count}, (int64_t[]){0, 0, 0});
    place(h, a, pointer);
    return a;
}

/// Strides of a grid: dense but for gaps, in either order of heads and rows; of an input some are 0 at times.
static void draw_strides(hostile_call *h, hostile_area *a) {
    int order = (int)draw_below(h, 2);
    const int axes[2][3] = {{2, 1, 0}, {1, 2, 0}};
    int64_t reach = a->extents[3];
    for (int i = 0; i < 3; i++) {
        int axis = axes[order][i];
        a->strides[axis] = draw_stride(h, reach);
        int64_t extent = a->extents[axis], next;
        if (!__builtin_mul_overflow(a->strides[axis], extent > 0 ? extent : 1, &next)) reach = next;
    }
    for (int axis = 0; !(a->use & (WRITTEN | APART)) && axis < 3; axis++)
        if (draw_below(h, 8) == 0) a->strides[axis] = 0;
}

hostile_area *draw_grid(hostile_call *h, const char *name, void *pointer, ck_strides *strides, ck_type type,
                        const int64_t extents[4], int use, const hostile_area *instead) {
    hostile_area *a = add_area(h, name, type, use, extents, (int64_t[]){0, 0, 0});
    if (!is_drawn_instead(h, a, instead, pointer)) {
        draw_strides(h, a);
        place(h, a, pointer);
    }
    *strides = (ck_strides){a->strides[0], a->strides[1], a->strides[2]};
    return a;
}

void draw_workspace(hostile_call *h, void *pointer, size_t *size, size_t needed) {
    int64_t bytes = needed > (size_t)1 << 40 ? (int64_t)1 << 40 : (int64_t)needed;
    if (draw_hostile(h))  // threads of the two calls may need different ones
        bytes = draw_below(h, 2) && bytes > 0 && h->run.threads == h->reference.threads ? bytes - 1 : 0;
    *size = (size_t)bytes;
    draw_vector(h, "workspace", pointer, TYPE_BYTE, bytes, SCRATCH);
}
