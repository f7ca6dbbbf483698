// contract_attention.c: the article's section on attention, one number at a time.

#include "contract_attention.h"

#include "contract_philox.h"
#include "storage_types.h"

enum { KEYS_OF_BLOCK = 64, KEYS_OF_CHUNK = 512, FOLDED = 16 };

/// What is known after some of the keys.
typedef struct attention_sums {
    float most, anchor, power;
    float lane[FOLDED], weighted[CONTRACT_HEAD];
    float unrounded[FOLDED];  // lanes of weights that have not been rounded
} attention_sums;

static float weight(const attention_sums *t, float s) {
    float x = s - t->anchor;
    if (isnan(s) || t->most == INFINITY) return NAN;
    if (s == -INFINITY || x < t->most - t->anchor - 86) return 0;
    float k = contract_power(x);
    return contract_times_power(1 + contract_expm1(x, k), k - t->power);
}

/// A larger score comes, or one as large.
static void raise(attention_sums *t, float most) {
    attention_sums before = *t;
    contract_shift shift = contract_shift_of(most);
    t->most = most;
    t->anchor = shift.anchor;
    t->power = shift.power;
    if (before.most == -INFINITY) return;
    float ratio = before.anchor == t->anchor
                      ? contract_times_power(1, before.power - t->power)
                      : contract_exp((before.anchor - t->anchor) + (before.power - t->power) * 0x1.62e43p-1f);
    for (int l = 0; l < FOLDED; l++) {
        t->lane[l] *= ratio;
        t->unrounded[l] *= ratio;
    }
    for (int d = 0; d < CONTRACT_HEAD; d++) t->weighted[d] *= ratio;
}

static int keeps(const contract_attention_row *r, int64_t j) {
    return r->dropout == 0 || contract_keeps(r->dropout, r->seed, r->number, j);
}

static float largest_of(const float *s, int64_t count, float most) {
    for (int64_t j = 0; j < count; j++)
        if (s[j] > most) most = s[j];
    return most;
}

static void add_lanes(float *lane, const float *e) {
    for (int l = 0; l < FOLDED; l++) lane[l] += (e[l] + e[l + 32]) + (e[l + 16] + e[l + 48]);
}

/// A block, whose keys begin at key `first`; scores behind the last key are -infinity.
static void add_block(const contract_attention_row *r, attention_sums *t, const float *s, int64_t first) {
    float most = largest_of(s, KEYS_OF_BLOCK, t->most), e[KEYS_OF_BLOCK];
    if (most > t->most) raise(t, most);
    for (int j = 0; j < KEYS_OF_BLOCK; j++) e[j] = weight(t, s[j]);
    add_lanes(t->unrounded, e);
    for (int j = 0; j < KEYS_OF_BLOCK && r->rounds; j++)
        e[j] = e[j] < 0x1p-40f ? 0 : type_widen(CK_BF16, type_round(CK_BF16, e[j]));
    add_lanes(t->lane, e);
    for (int64_t d = 0; d < r->value_size; d++) {
        float sum = r->rounds ? 0 : t->weighted[d];
        for (int j = 0; j < KEYS_OF_BLOCK && first + j < r->scores.to; j++)
            if (e[j] != 0 && keeps(r, first + j)) sum = fmaf(e[j], r->value[(first + j) * r->value_size + d], sum);
        t->weighted[d] = r->rounds ? t->weighted[d] + sum : sum;
    }
}

/// Adds the sums of a later chunk.
static void merge(attention_sums *t, attention_sums *part, int64_t value_size) {
    if (part->most > t->most)
        raise(t, part->most);
    else
        raise(part, t->most);
    for (int l = 0; l < FOLDED; l++) {
        t->lane[l] += part->lane[l];
        t->unrounded[l] += part->unrounded[l];
    }
    for (int64_t d = 0; d < value_size; d++) t->weighted[d] += part->weighted[d];
}

static float folded(float *lane) {
    for (int half = FOLDED / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/// The product of the query and a key.
static float product_of(const contract_attention_row *r, int64_t j) {
    float x = 0;
    for (int64_t d = 0; d < r->head_size; d++) x = fmaf(r->query[d], r->key[j * r->head_size + d], x);
    return x;
}

/// The score of a key under the mask.
static float score_of(const contract_attention_row *r, int64_t j) {
    float products[CONTRACT_KEYS];
    contract_score_row scores = r->scores;
    if (j < scores.from || j >= scores.to) return -INFINITY;
    products[j] = product_of(r, j);
    scores.x = products;
    return contract_score(&scores, j);
}

contract_logarithm contract_attention(const contract_attention_row *r, float *output) {
    attention_sums total = {.most = -INFINITY};
    for (int64_t chunk = 0; chunk < r->scores.to; chunk += KEYS_OF_CHUNK) {
        attention_sums part = {.most = -INFINITY};
        for (int64_t j = chunk; j < chunk + KEYS_OF_CHUNK && j < r->scores.to; j += KEYS_OF_BLOCK) {
            float s[KEYS_OF_BLOCK];
            for (int k = 0; k < KEYS_OF_BLOCK; k++) s[k] = score_of(r, j + k);
            add_block(r, &part, s, j);
        }
        merge(&total, &part, r->value_size);
    }
    float sink = r->scores.sink;
    if (sink > total.most) raise(&total, sink);
    float unrounded = folded(total.unrounded) + weight(&total, sink);
    float sum = folded(total.lane) + weight(&total, sink), kept_scale = 1 / (1 - r->dropout);
    for (int64_t d = 0; d < r->value_size; d++) output[d] = sum == 0 ? 0 : total.weighted[d] / sum * kept_scale + 0.0f;
    if (isnan(sum) || sum == 0) return (contract_logarithm){isnan(sum) ? NAN : -INFINITY, 0};
    double log = total.anchor + total.power * 0x1.62e42fefa39efp-1 + contract_log(unrounded);
    float high = (float)log;
    return (contract_logarithm){high, isfinite(high) ? (float)(log - high) : 0};
}

/// p of a score, or of the sink.
static float probability(contract_logarithm l, float s) {
    float u = (s - l.high) - l.low;
    if (isnan(u) && s != -INFINITY) return u;
    if (u > 86) u = 86;
    float k = contract_power(u);
    return s == -INFINITY || u < -86 ? 0 : ldexpf(1 + contract_expm1(u, k), (int)k);
}

/// The derivative of the softcap at a key.
static float softcap_slope(const contract_attention_row *r, int64_t j) {
    float t = contract_tanh(r->scores.scale * product_of(r, j) * (1 / r->scores.cap));
    return fmaf(-t, t, 1);
}

static void add_row(float factor, const float *row, int64_t size, float *sums) {
    for (int64_t d = 0; d < size && factor != 0; d++) sums[d] = fmaf(factor, row[d], sums[d]);
}

/// What key j adds; answers ds.
static float add_key(const contract_attention_row *r, contract_attention_gradient *g, int64_t j, float delta) {
    float p = probability(g->logarithm, score_of(r, j)), product = 0;
    for (int64_t d = 0; d < r->value_size; d++) product = fmaf(g->doutput[d], r->value[j * r->value_size + d], product);
    product = keeps(r, j) ? product * (1 / (1 - r->dropout)) : 0;
    float ds = p == 0 ? 0 : p * (product - delta), capped = ds;
    if (r->scores.cap != 0 && p != 0) capped = ds * softcap_slope(r, j);
    if (keeps(r, j)) add_row(p, g->doutput, r->value_size, g->dvalue + j * r->value_size);
    add_row(capped, r->query, r->head_size, g->dkey + j * r->head_size);
    add_row(capped, r->key + j * r->head_size, r->head_size, g->dquery);
    return ds;
}

void contract_attention_backward(const contract_attention_row *r, contract_attention_gradient *g) {
    float lanes[FOLDED] = {0}, totals[FOLDED] = {0};
    g->slope = g->sink = 0;
    if (g->logarithm.high == -INFINITY) return;
    for (int64_t d = 0; d < r->value_size; d++)
        lanes[d % FOLDED] = fmaf(g->doutput[d], g->output[d], lanes[d % FOLDED]);
    float delta = folded(lanes), sink = r->scores.sink;
    for (int64_t chunk = 0; chunk < r->scores.to; chunk += KEYS_OF_CHUNK) {
        float part[FOLDED] = {0};
        for (int64_t first = chunk; first < chunk + KEYS_OF_CHUNK; first += KEYS_OF_BLOCK) {
            float t[KEYS_OF_BLOCK] = {0};
            for (int64_t j = first; j < first + KEYS_OF_BLOCK && j < r->scores.to; j++) {
                if (j < r->scores.from) continue;
                g->dscores[j] = add_key(r, g, j, delta);
                t[j - first] = g->dscores[j] * contract_distance(&r->scores, j);
            }
            for (int l = 0; l < FOLDED; l++) part[l] += (t[l] + t[l + 32]) + (t[l + 16] + t[l + 48]);
        }
        for (int l = 0; l < FOLDED; l++) totals[l] += part[l];
    }
    g->slope = folded(totals);
    float share = probability(g->logarithm, sink);
    g->sink = share == 0 ? 0 : -share * delta;
}
