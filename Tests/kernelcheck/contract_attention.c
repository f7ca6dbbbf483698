// contract_attention.c: the article's section on attention, one number at a time.

#include "contract_attention.h"

enum { KEYS_OF_BLOCK = 64, KEYS_OF_CHUNK = 512, FOLDED = 16 };

/// What is known after some of the keys.
typedef struct attention_sums {
    float most, anchor, power;
    float lane[FOLDED], weighted[CONTRACT_HEAD];
} attention_sums;

static float weight(const attention_sums *t, float s) {
    float x = s - t->anchor;
    if (isnan(s) || t->most == INFINITY) return NAN;
    if (s == -INFINITY || x < t->most - t->anchor - 86) return 0;
    float k = contract_power(x);
    return ldexpf(1 + contract_expm1(x, k), (int)(k - t->power));
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
                      ? ldexpf(1, (int)(before.power - t->power))
                      : contract_exp((before.anchor - t->anchor) + (before.power - t->power) * 0x1.62e43p-1f);
    for (int l = 0; l < FOLDED; l++) t->lane[l] *= ratio;
    for (int d = 0; d < CONTRACT_HEAD; d++) t->weighted[d] *= ratio;
}

static float largest_of(const float *s, int64_t count, float most) {
    for (int64_t j = 0; j < count; j++)
        if (s[j] > most) most = s[j];
    return most;
}

/// A block, whose keys begin at key `first`; scores behind the last key are -infinity.
static void add_block(const contract_attention_row *r, attention_sums *t, const float *s, int64_t first) {
    float most = largest_of(s, KEYS_OF_BLOCK, t->most), e[KEYS_OF_BLOCK];
    if (most > t->most) raise(t, most);
    for (int j = 0; j < KEYS_OF_BLOCK; j++) e[j] = weight(t, s[j]);
    for (int l = 0; l < FOLDED; l++) t->lane[l] += (e[l] + e[l + 32]) + (e[l + 16] + e[l + 48]);
    for (int j = 0; j < KEYS_OF_BLOCK; j++)
        for (int64_t d = 0; d < r->value_size && e[j] != 0; d++)
            if (first + j < r->scores.to)
                t->weighted[d] = fmaf(e[j], r->value[(first + j) * r->value_size + d], t->weighted[d]);
}

/// Adds the sums of a later chunk.
static void merge(attention_sums *t, attention_sums *part, int64_t value_size) {
    if (part->most > t->most)
        raise(t, part->most);
    else
        raise(part, t->most);
    for (int l = 0; l < FOLDED; l++) t->lane[l] += part->lane[l];
    for (int64_t d = 0; d < value_size; d++) t->weighted[d] += part->weighted[d];
}

static float folded(float *lane) {
    for (int half = FOLDED / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/// The scores of a block under the mask.
static void score_block(const contract_attention_row *r, int64_t first, float *s) {
    float products[CONTRACT_KEYS];
    contract_score_row scores = r->scores;
    scores.x = products;
    for (int64_t j = first; j < first + KEYS_OF_BLOCK; j++) {
        s[j - first] = -INFINITY;
        if (j < scores.from || j >= scores.to) continue;
        products[j] = 0;
        for (int64_t d = 0; d < r->head_size; d++)
            products[j] = fmaf(r->query[d], r->key[j * r->head_size + d], products[j]);
        s[j - first] = contract_score(&scores, j);
    }
}

float contract_attention(const contract_attention_row *r, float *output) {
    attention_sums total = {.most = -INFINITY};
    for (int64_t chunk = 0; chunk < r->scores.to; chunk += KEYS_OF_CHUNK) {
        attention_sums part = {.most = -INFINITY};
        for (int64_t j = chunk; j < chunk + KEYS_OF_CHUNK && j < r->scores.to; j += KEYS_OF_BLOCK) {
            float s[KEYS_OF_BLOCK];
            score_block(r, j, s);
            add_block(r, &part, s, j);
        }
        merge(&total, &part, r->value_size);
    }
    float sink = r->scores.sink;
    if (sink > total.most) raise(&total, sink);
    float sum = folded(total.lane) + weight(&total, sink);
    for (int64_t d = 0; d < r->value_size; d++) output[d] = sum == 0 ? 0 : total.weighted[d] / sum + 0.0f;
    if (isnan(sum)) return NAN;
    return sum == 0 ? -INFINITY : (float)(total.anchor + total.power * 0x1.62e42fefa39efp-1 + contract_log(sum));
}
