// board.c: the board of board.h: small numbers everywhere, compared byte by byte.

#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOATS = PLACE * BOARD_PLACES, BYTES = FLOATS * sizeof(float) };

board board_make(void) {
    board b = {.memory = guarded_make(BYTES), .before = malloc(BYTES)};
    if (!b.before) {
        perror("kernelcheck: memory");
        exit(2);
    }
    b.floats = b.memory.first;
    random_source random = {0};
    for (int i = 0; i < FLOATS; i++) b.before[i] = random_uniform(&random);
    board_restore(&b);
    return b;
}

void board_free(board *b) {
    guarded_free(&b->memory);
    free(b->before);
}

void board_restore(board *b) { memcpy(b->floats, b->before, BYTES); }

void board_refuses(check *c, board *b, entry_point entry, const void *args, ck_run run, ck_status status) {
    board_restore(b);
    check_call(c, entry, args, run, status);
    check_that(c, memcmp(b->floats, b->before, BYTES) == 0, "a refused call wrote something");
}

void board_accepts(check *c, board *b, entry_point entry, const void *args, ck_run run) {
    board_restore(b);
    check_call(c, entry, args, run, CK_OK);
    check_count(c);
}
