// contract_attention.h: attention for one query. Written from the article's words, apart from the kernels.

#ifndef KERNELCHECK_CONTRACT_ATTENTION_H
#define KERNELCHECK_CONTRACT_ATTENTION_H

#include "contract_score.h"

enum { CONTRACT_HEAD = 512, CONTRACT_KEYS = 2048 };  // at most

/// A query, the keys and values it meets, packed, and what its mask says (`scores.x` is not used).
typedef struct contract_attention_row {
    contract_score_row scores;
    const float *query, *key, *value;
    int64_t head_size, value_size;
} contract_attention_row;

/// The output; returns the log-sum-exp.
float contract_attention(const contract_attention_row *r, float *output);

#endif
