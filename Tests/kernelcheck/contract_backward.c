// contract_backward.c: LayerNorm's gradients in scalar C: each row's dx, then the sums over rows by
// blocks of rows that are merged in order.

#include "contract_backward.h"

#include "contract_sums.h"

static float weighted(const layer_norm_problem *p, int64_t row, int64_t i) {
    float dy = p->dy[row * p->cols + i];
    return p->weight_given ? dy * p->weight[i] : dy;
}

static float normalized(const layer_norm_problem *p, int64_t row, int64_t i) {
    float low = p->mean_low_given ? p->mean_low[row] : 0;
    return ((p->x[row * p->cols + i] - p->mean[row]) - low) * p->rstd[row];
}

static void contract_dx(const layer_norm_problem *p, int64_t row) {
    int64_t n = p->cols;
    contract_sum sample = {0}, rest = {0}, product = {0};
    for (int64_t j = 0; j < contract_sample_size(n); j++)
        contract_add(&sample, weighted(p, row, contract_sample_column(n, j)));
    float c = contract_total(&sample) / (float)contract_sample_size(n);
    for (int64_t i = 0; i < n; i++) {
        float t = weighted(p, row, i) - c;
        contract_add(&rest, t);
        contract_add_product(&product, t, normalized(p, row, i));
    }
    float tau = contract_total(&rest) / (float)n, h = contract_total(&product) / (float)n;
    for (int64_t i = 0; i < n; i++) {
        float t = weighted(p, row, i) - c;
        p->dx[row * n + i] = fmaf(-normalized(p, row, i), h, t - tau) * p->rstd[row];
    }
}

/// The smallest multiple of 4, at least 16, that cuts the rows into at most 64 blocks.
static int64_t rows_in_block(int64_t rows) {
    int64_t size = 16;
    while ((rows + size - 1) / size > 64) size += 4;
    return size;
}

static void contract_sums_over_rows(const layer_norm_problem *p, int64_t i) {
    int64_t size = rows_in_block(p->rows);
    float dweight = 0, dbias = 0;
    for (int64_t first = 0; first < p->rows; first += size) {
        float weight_sum = 0, bias_sum = 0;
        for (int64_t row = first; row < p->rows && row < first + size; row++) {
            float dy = p->dy[row * p->cols + i];
            weight_sum = fmaf(dy, normalized(p, row, i), weight_sum);
            bias_sum += dy;
        }
        dweight = first == 0 ? weight_sum : dweight + weight_sum;
        dbias = first == 0 ? bias_sum : dbias + bias_sum;
    }
    p->dweight[i] = p->accumulate ? p->dweight_before[i] + dweight : dweight;
    p->dbias[i] = p->accumulate ? p->dbias_before[i] + dbias : dbias;
}

void contract_backward(const layer_norm_problem *p) {
    for (int64_t row = 0; row < p->rows; row++) contract_dx(p, row);
    for (int64_t i = 0; i < p->cols; i++) contract_sums_over_rows(p, i);
}
