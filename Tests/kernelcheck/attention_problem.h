// attention_problem.h: one attention: its numbers, packed, where its rows lie in memory, and the contract's answers.

#ifndef KERNELCHECK_ATTENTION_PROBLEM_H
#define KERNELCHECK_ATTENTION_PROBLEM_H

#include "contract_attention.h"
#include "score_problem.h"

enum { ATTENTION_ELEMENTS = 1 << 21, ATTENTION_BATCH = 8, ATTENTION_PAGES = 4096 };

typedef struct attention_shape {
    int64_t batch, query_heads, key_heads, queries, keys, head_size, value_size;
    int kinds;  // of masks
    int has_no_pages;
} attention_shape;

/// Heads for key heads: each its own, groups, one for all; sizes of heads up to 96.
attention_shape attention_shape_draw(check *c, int64_t batch, int64_t queries, int64_t keys, int kinds);

/// The rows of a head, queries or keys, in memory: entries of the batch side by side, packed, or in pages.
typedef struct attention_axis {
    int64_t batch, most;                   // rows of an entry at most
    int64_t offsets[ATTENTION_BATCH + 1];  // of packed entries
    int64_t page_size, pages;
    int32_t table[ATTENTION_PAGES];  // [batch][table_stride]
    int64_t table_stride;
    int is_packed, is_paged;
} attention_axis;

/// Rows of batch entry b.
int64_t axis_count(const attention_axis *a, int64_t b);

/// What lies in memory: entries of the batch or pages, and the rows of each.
int64_t axis_outer(const attention_axis *a);
int64_t axis_rows(const attention_axis *a);

/// Row r of batch entry b and a head, in a layout whose strides count rows.
int64_t axis_place(const attention_axis *a, ck_strides layout, int64_t b, int64_t head, int64_t r);

typedef struct attention_problem {
    attention_shape shape;
    ck_type type, key_type;
    score_problem scores;  // the mask, for scores of which there are none; the scale
    attention_axis queries, keys;
    float dropout;
    uint64_t seed;
    int64_t first_query;
    float *query, *key, *value, *output;  // [batch][heads][most][size]
    float *log_sum_exp, *log_sum_exp_low;
    float *doutput, *dquery, *dkey, *dvalue;  // those of the mask's parameters are `scores`'
    void *stored_query, *stored_key, *stored_value, *stored_output;
    void *stored_doutput, *stored_dquery, *stored_dkey, *stored_dvalue;
} attention_problem;

attention_problem attention_problem_make(void);
void attention_problem_free(attention_problem *p);

/// Draws a problem of a shape, packed or not, in pages or not, and solves it.
void attention_problem_draw(check *c, attention_problem *p, attention_shape shape);

/// Draws the gradient of the output and solves the backward pass; `has_low`: with the low part of the logarithms.
void attention_problem_draw_backward(check *c, attention_problem *p, int has_low);

/// A query in the contract's words.
contract_attention_row attention_problem_row(const attention_problem *p, int64_t b, int64_t head, int64_t query);

#endif
