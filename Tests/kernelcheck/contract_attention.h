// contract_attention.h: attention for one query, and what it gives to gradients. Written from the article's words,
// apart from the kernels.

#ifndef KERNELCHECK_CONTRACT_ATTENTION_H
#define KERNELCHECK_CONTRACT_ATTENTION_H

#include "contract_score.h"

enum { CONTRACT_HEAD = 512, CONTRACT_KEYS = 2048 };  // at most

/// A query, the keys and values it meets, packed, and what its mask says (`scores.x` is not used).
typedef struct contract_attention_row {
    contract_score_row scores;
    const float *query, *key, *value;
    int64_t head_size, value_size;
    float dropout;
    uint64_t seed, number;  // of the row, for dropout
} contract_attention_row;

/// ln of the sum, and what its rounding lost.
typedef struct contract_logarithm {
    float high, low;
} contract_logarithm;

contract_logarithm contract_attention(const contract_attention_row *r, float *output);

/// What a row is given for its gradients, and what it gives: to those of its query and of all keys and values, before
/// they are scaled; the gradients of its masked scores; its numbers for the slope and the sink.
typedef struct contract_attention_gradient {
    const float *doutput, *output;
    contract_logarithm logarithm;
    float *dquery, *dkey, *dvalue, *dscores;
    float slope, sink;
} contract_attention_gradient;

void contract_attention_backward(const contract_attention_row *r, contract_attention_gradient *g);

#endif
