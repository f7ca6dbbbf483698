// hostile_memory.h: the memory of hostile calls: a slot between guard pages for each argument, of which the bytes
// around an argument are watched.

#ifndef KERNELCHECK_HOSTILE_MEMORY_H
#define KERNELCHECK_HOSTILE_MEMORY_H

#include "arguments.h"
#include "hostile.h"

#define TYPE_BYTE TYPE_S8

int64_t hostile_size_of(ck_type type);

/// Elements from the first to after the last one, at most 2^62; 0 where a stride is negative, which must be refused.
int64_t hostile_reach(const hostile_area *a);

/// So many elements must be refused, whatever they are; smaller numbers of them may be right for somebody.
#define TOO_MUCH ((int64_t)1 << 61)

/// Bytes of an argument's memory; none of what is too much.
int64_t hostile_bytes(const hostile_area *a);

/// The largest number of bytes that an argument can have.
int64_t hostile_room(const hostile_area *a);

/// Gives an argument a slot: at one of guarded.h's places.
void hostile_place(hostile_call *h, hostile_area *a, int64_t bytes, int place);

/// Watches bytes of a slot and what is around them; 0 if they are not in it.
int hostile_watch(hostile_call *h, int slot, const char *from, int64_t bytes);

/// Numbers of any bits, or tame ones.
void hostile_fill_numbers(hostile_call *h, const hostile_area *a, int64_t bytes);

/// What is watched, remembered, brought back, and made as before the call was drawn.
void hostile_remember(const hostile_call *h);
void hostile_restore(const hostile_call *h);
void hostile_clear(const hostile_call *h);

/// Nothing may have changed since it was remembered but outputs, if the call was `accepted`; these are remembered, too.
void hostile_expect_unchanged(check *c, const hostile_call *h, int accepted);

/// Compares outputs with those that hostile_expect_unchanged remembered.
void hostile_compare(check *c, const hostile_call *h);

#endif
