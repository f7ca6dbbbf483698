// contract_moments.c: moments of parts, their merging, the rule of a set.

#include "contract_moments.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "contract_rows.h"

enum { TILE = 8, LANES_OF_A_RUN = 16 };

float contract_part_dot(const float *a, const float *b, int64_t n, contract_order order) {
    if (order == CONTRACT_RUN) return contract_dot(a, b, n);
    float sum = 0;
    for (int64_t first = 0; first < n; first += TILE) {
        float tile = 0;
        for (int64_t i = first; i < n && i < first + TILE; i++) tile = fmaf(a[i], b[i], tile);
        sum += tile;
    }
    return sum;
}

float contract_part_sum(const float *a, int64_t n, contract_order order) {
    if (order == CONTRACT_RUN) return contract_sum_of(a, n);
    float sum = 0;
    for (int64_t first = 0; first < n; first += TILE) {
        float tile = 0;
        for (int64_t i = first; i < n && i < first + TILE; i++) tile += a[i];
        sum += tile;
    }
    return sum;
}

float contract_part_sample(const float *a, int64_t n, contract_order order) {
    if (order == CONTRACT_RUN) return contract_sample_mean(a, n, 1);
    float sum = 0;
    for (int64_t k = 0; k < 16 && k < n; k++) sum += a[n <= 16 ? k : (2 * (k / 4) + 1) * n / 8 - 2 + k % 4];
    return sum / (float)(n < 16 ? n : 16);
}

/// The sum of (x - mean), or of its square, in binary64: a run in 16 lanes folded by halves, a column in one.
static double wide_sum(const float *x, int64_t n, double mean, int squares, contract_order order) {
    double lane[LANES_OF_A_RUN] = {0};
    int lanes = order == CONTRACT_RUN ? LANES_OF_A_RUN : 1;
    for (int64_t i = 0; i < n; i++) {
        double d = x[i] - mean;
        lane[i % lanes] += squares ? d * d : d;
    }
    for (int half = lanes / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

ck_moments contract_part_moments(const float *x, int64_t n, contract_order order) {
    float *d = contract_floats(n), c = contract_part_sample(x, n, order);
    for (int64_t i = 0; i < n; i++) d[i] = x[i] - c;
    double sum = contract_part_sum(d, n, order), squares = contract_part_dot(d, d, n, order);
    free(d);
    double delta = sum / (double)n, h = sum * delta, m2 = squares - h;
    if (h <= m2 && 0x1p-100 * (double)n <= m2 && m2 <= 0x1p120 * (double)n) return (ck_moments){n, c + delta, m2};
    double mean = wide_sum(x, n, 0, 0, order) / (double)n;
    return (ck_moments){n, mean, wide_sum(x, n, mean, 1, order)};
}

ck_moments contract_merged(ck_moments a, ck_moments b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    double n = (double)a.count + (double)b.count, distance = b.mean - a.mean, share = (double)b.count / n;
    double between = (distance * distance) * ((double)a.count * share);
    return (ck_moments){a.count + b.count, a.mean + distance * share, (a.m2 + b.m2) + between};
}

contract_rule contract_rule_of(ck_moments m, float epsilon) {
    double q = m.m2 / (double)m.count + (double)epsilon, root = sqrt(q), s = 1;
    int is_ordinary = (q >= 0x1p-100 && q <= 0x1p120) || q == 0 || !(q <= 0x1p1000);
    if (!is_ordinary) {
        int e = ilogb(fmax(fabs(m.mean), root));
        s = ldexp(1, -(e < -126 ? -126 : e > 126 ? 126 : e));
    }
    contract_rule r = {.s = (float)s, .c = (float)(m.mean * s), .root = root};
    r.l = (float)(m.mean * s - (double)r.c);
    r.phi = q == 0 ? 0 : 1 / (root * s);
    return r;
}

float contract_deviation(float x, contract_rule r) { return fmaf(x, r.s, -r.c) - r.l; }

float contract_bounded(double a) {
    if (a > FLT_MAX) return FLT_MAX;
    return a < -FLT_MAX ? -FLT_MAX : (float)a;
}
