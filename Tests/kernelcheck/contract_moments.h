// contract_moments.h: moments of parts, and how a set is normalized by them, in scalar C from the words of the
// arithmetic contract: what channel normalization and rows by given moments have in common.

#ifndef KERNELCHECK_CONTRACT_MOMENTS_H
#define KERNELCHECK_CONTRACT_MOMENTS_H

#include "ckernels.h"

/// A run is summed as a row is, a column of at most 128 elements in tiles of 8.
typedef enum contract_order { CONTRACT_RUN, CONTRACT_COLUMN } contract_order;

/// The sum of a, or of a * b, in the order of a part; the mean of the sample of a.
float contract_part_sum(const float *a, int64_t n, contract_order order);
float contract_part_dot(const float *a, const float *b, int64_t n, contract_order order);
float contract_part_sample(const float *a, int64_t n, contract_order order);

ck_moments contract_part_moments(const float *x, int64_t n, contract_order order);
ck_moments contract_merged(ck_moments a, ck_moments b);

/// The rule of a set.
typedef struct contract_rule {
    float s, c, l;
    double phi, root;
} contract_rule;

contract_rule contract_rule_of(ck_moments m, float epsilon);
float contract_deviation(float x, contract_rule r);
float contract_bounded(double a);

/// Fill the outputs of a call, whose argument struct this is.
void contract_row_moments(const void *args);
void contract_normalize_rows(const void *args);
void contract_row_gradient_moments(const void *args);
void contract_normalize_rows_backward(const void *args);

ck_gradient_moments contract_gradient_merged(ck_gradient_moments a, ck_gradient_moments b);

#endif
