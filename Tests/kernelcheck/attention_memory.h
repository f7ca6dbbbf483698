// attention_memory.h: where the arguments of attention lie: tensors of queries and of keys, each in a guarded memory.

#ifndef KERNELCHECK_ATTENTION_MEMORY_H
#define KERNELCHECK_ATTENTION_MEMORY_H

#include "attention_problem.h"
#include "mask_memory.h"

enum { QUERY, KEY, VALUE, OUTPUT, SUMS, SUMS_LOW, TABLE, QUERY_OFFSETS, KEY_OFFSETS, WORKSPACE };
enum { DOUTPUT = WORKSPACE + 1, DQUERY, DKEY, DVALUE, DBIAS, DSLOPES, DSINKS, HOMES };

typedef struct attention_memory {
    guarded home[HOMES];
    mask_memory mask;
    void *scratch;
} attention_memory;

attention_memory attention_memory_make(void);
void attention_memory_free(attention_memory *m);

/// Packed rows [batch][heads][most][size] and where they lie. `only`: this row of every entry alone; -1: all.
typedef struct rows_of_tensor {
    const attention_axis *axis;
    int64_t heads, size;
    ck_type type;
    const void *packed;
    ck_strides layout;  // in rows
    int64_t only;
    int home;
} rows_of_tensor;

rows_of_tensor rows_of_queries(check *c, const attention_problem *p, int home, int64_t size, ck_type type,
                               const void *packed);
rows_of_tensor rows_of_keys(check *c, const attention_problem *p, int home, int64_t size, const void *packed);

/// The rows in the order of their layout; where there is none, canaries.
void *arranged(const rows_of_tensor *t, void *to);

/// A tensor in its home, an input with its numbers.
matrix place_tensor(check *c, const attention_memory *m, const rows_of_tensor *t, int is_input);

/// Its rows are those of the problem, all around is as it was.
void expect_tensor(check *c, const attention_memory *m, const rows_of_tensor *t, const char *name, matrix placed);

/// A problem's inputs in memory.
typedef struct attention_inputs {
    rows_of_tensor query, key, value;
    matrix q, k, v;
} attention_inputs;

/// Arguments of a call but its outputs and workspace.
ck_attention_args place_inputs(check *c, const attention_problem *p, const attention_memory *m, attention_inputs *in);

/// These are as they were.
void expect_inputs(check *c, const attention_memory *m, const attention_inputs *in);

/// Workspace of a size, flush with the end of its memory; answers its canaries.
matrix place_workspace(check *c, const guarded *home, size_t bytes);

/// Says what is drawn.
void describe_attention(check *c, const attention_problem *p, ck_run run);

#endif
