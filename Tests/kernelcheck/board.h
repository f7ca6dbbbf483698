// board.h: one piece of memory on which the arguments of a call lie side by side, for checks of what a
// call refuses: after a refusal nothing on the board may have changed, whichever argument it belongs to.

#ifndef KERNELCHECK_BOARD_H
#define KERNELCHECK_BOARD_H

#include "guarded.h"

/// Floats from one argument's place to the next, and the number of places.
enum { PLACE = 256, BOARD_PLACES = 24 };

typedef struct board {
    guarded memory;
    float *floats, *before;  // as it is, as it was when a call began
} board;

board board_make(void);
void board_free(board *b);

/// A call that must answer `status` and leave the board, which is restored first, as it is.
void board_refuses(check *c, board *b, entry_point entry, const void *args, ck_run run, ck_status status);

/// A call that must be accepted. What it wrote stays on the board, which is restored first.
void board_accepts(check *c, board *b, entry_point entry, const void *args, ck_run run);
void board_restore(board *b);

#endif
