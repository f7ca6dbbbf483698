// segment_entry.h: norms of segments and their gradients behind check.h's entry_point.

#ifndef KERNELCHECK_SEGMENT_ENTRY_H
#define KERNELCHECK_SEGMENT_ENTRY_H

#include "ckernels.h"

static inline ck_status enter_segments(const void *args, ck_run run) { return ck_segment_layer_norm(args, run); }
static inline ck_status enter_rms_segments(const void *args, ck_run run) { return ck_segment_rms_norm(args, run); }
static inline ck_status enter_segments_backward(const void *args, ck_run run) {
    return ck_segment_layer_norm_backward(args, run);
}
static inline ck_status enter_rms_segments_backward(const void *args, ck_run run) {
    return ck_segment_rms_norm_backward(args, run);
}

#endif
