// attention_arguments.h: what the passes of attention share of their checks and plans.

#ifndef CK_ATTENTION_ARGUMENTS_H
#define CK_ATTENTION_ARGUMENTS_H

#include "ck_attention.h"
#include "entry/mask_arguments.h"

/// Counts, sizes and types.
ck_status ck_check_attention_numbers(const ck_attention_args *a);

/// These, offsets and tables, strides.
ck_status ck_check_attention_shapes(const ck_attention_args *a);

ck_score_shape ck_attention_shape(const ck_attention_args *a);

/// The mask as far as there are keys and queries.
ck_mask ck_attention_mask(const ck_attention_args *a);

/// Of a query head in memory: of all batch entries if they are packed.
int64_t ck_attention_rows(const ck_attention_args *a);

/// A tensor of queries, or of one row each of their outputs; of keys.
ck_grid ck_query_grid(const ck_attention_args *a, const void *base, int64_t size, int64_t cols, ck_strides strides);
ck_grid ck_key_grid(const ck_attention_args *a, const void *base, int64_t cols, ck_strides strides);

/// Bytes of memory traffic that take as long as attention of this shape, for the choice of threads.
int64_t ck_attention_worth(const ck_attention_args *a);

/// Threads that may work on a call of this worth; workspace is for as many.
int64_t ck_attention_threads(int64_t worth, ck_run run);

#endif
