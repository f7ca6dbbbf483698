// score_entry.h: ck_score_softmax, ck_masked_scores and ck_score_softmax_backward behind check.h's entry_point.

#ifndef KERNELCHECK_SCORE_ENTRY_H
#define KERNELCHECK_SCORE_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_score_softmax(const void *args, ck_run run) { return ck_score_softmax(args, run); }
static inline ck_status enter_masked_scores(const void *args, ck_run run) { return ck_masked_scores(args, run); }
static inline ck_status enter_score_softmax_backward(const void *args, ck_run run) {
    return ck_score_softmax_backward(args, run);
}

#endif
