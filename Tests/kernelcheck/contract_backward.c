// contract_backward.c: the gradients in scalar C: each row's, then the sums over rows by blocks of rows that are
// merged in order.

#include <stdlib.h>
#include <string.h>

#include "contract_norm.h"
#include "contract_rows.h"
#include "contract_sums.h"

/// A row's numbers on the way to its gradients, `cols` each.
typedef struct gradient_row {
    float *h, *branch, *normalized, *dh, *dx, *dbranch;
} gradient_row;

static float saved(const norm_problem *p, norm_array array, int64_t row) {
    int is_there = norm_has(p->given, array) && !(p->kind.is_rms && array != NORM_RSTD);
    return is_there ? ((const float *)p->array[array])[row] : 0;
}

static float weighted(const norm_problem *p, int64_t row, int64_t i) {
    return contract_element(p, NORM_DY, row, i) * contract_parameter(p, NORM_WEIGHT, i);
}

/// The mean of a sample of the weighted gradients; 0 for RMSNorm.
static float gradient_centre(const norm_problem *p, int64_t row) {
    contract_sum sample = {0};
    int64_t count = contract_sample_size(p->cols);
    for (int64_t j = 0; j < count; j++) contract_add(&sample, weighted(p, row, contract_sample_column(p->cols, j)));
    return p->kind.is_rms ? 0 : contract_total(&sample) / (float)count;
}

static float centred(const norm_problem *p, int64_t row, int64_t i, float c) {
    return fmaf(contract_element(p, NORM_DY, row, i), contract_parameter(p, NORM_WEIGHT, i), -c);
}

static void gradient_of_input(const norm_problem *p, int64_t row, gradient_row *r) {
    int64_t n = p->cols;
    float rstd = saved(p, NORM_RSTD, row), c = gradient_centre(p, row);
    contract_sum rest = {0}, product = {0};
    for (int64_t i = 0; i < n; i++) {
        float t = centred(p, row, i, c);
        r->normalized[i] = fmaf(r->h[i] - saved(p, NORM_MEAN, row), rstd, -(saved(p, NORM_MEAN_LOW, row) * rstd));
        contract_add(&rest, t);
        contract_add_product(&product, t, r->normalized[i]);
    }
    float tau = p->kind.is_rms ? 0 : contract_total(&rest) / (float)n, projection = contract_total(&product) / (float)n;
    for (int64_t i = 0; i < n; i++) {
        float t = centred(p, row, i, c);
        r->dh[i] = fmaf(-r->normalized[i], projection, t - tau) * rstd;
        if (norm_has(p->given, NORM_DSUM)) r->dh[i] += contract_element(p, NORM_DSUM, row, i);
    }
}

static void gradients_of_summands(const norm_problem *p, int64_t row, gradient_row *r) {
    for (int64_t i = 0; i < p->cols; i++) {
        r->dx[i] = p->kind.is_residual ? p->residual.scale * r->dh[i] : r->dh[i];
        r->dbranch[i] = contract_dropout(p, row, i, contract_parameter(p, NORM_BRANCH_SCALE, i) * r->dh[i]);
    }
}

/// The sums over rows, in the order of their arrays.
enum { SUMS = 4 };

static void add_to_sums(const norm_problem *p, int64_t row, const gradient_row *r, float *sums[SUMS]) {
    for (int64_t i = 0; i < p->cols; i++) {
        float dy = contract_element(p, NORM_DY, row, i);
        sums[0][i] = fmaf(dy, r->normalized[i], sums[0][i]);
        sums[1][i] += dy;
        sums[2][i] += r->dbranch[i];
        sums[3][i] = fmaf(r->dh[i], r->branch[i], sums[3][i]);
    }
}

/// The gradients of the rows first ..< last, and their sums.
static void gradients_of_block(norm_problem *p, int64_t first, int64_t last, gradient_row *r, float *sums[SUMS]) {
    for (int k = 0; k < SUMS; k++) memset(sums[k], 0, (size_t)p->cols * sizeof(float));
    for (int64_t row = first; row < last; row++) {
        contract_input(p, row, r->h, r->branch);
        gradient_of_input(p, row, r);
        gradients_of_summands(p, row, r);
        add_to_sums(p, row, r, sums);
        norm_put_row(p, NORM_DX, row, r->dx);
        if (p->kind.is_residual) norm_put_row(p, NORM_DBRANCH, row, r->dbranch);
    }
}

void contract_backward(norm_problem *p) {
    int64_t size = contract_rows_in_block(p->rows), n = p->cols;
    float *memory = malloc((6 + SUMS) * (size_t)n * sizeof *memory), *sums[SUMS];
    gradient_row r = {memory, memory + n, memory + 2 * n, memory + 3 * n, memory + 4 * n, memory + 5 * n};
    for (int k = 0; k < SUMS; k++) sums[k] = memory + (6 + k) * n;
    for (int64_t first = 0; first < p->rows; first += size) {
        gradients_of_block(p, first, first + size < p->rows ? first + size : p->rows, &r, sums);
        for (int k = 0; k < (p->kind.is_residual ? SUMS : 2); k++) {
            float *total = p->array[NORM_DWEIGHT + k];
            for (int64_t i = 0; i < n; i++) total[i] = first == 0 ? sums[k][i] : total[i] + sums[k][i];
        }
    }
    for (int k = 0; p->accumulate && k < (p->kind.is_residual ? SUMS : 2); k++) {
        float *total = p->array[NORM_DWEIGHT + k];
        for (int64_t i = 0; i < n; i++) total[i] = p->sums_before[i] + total[i];
    }
    free(memory);
}
