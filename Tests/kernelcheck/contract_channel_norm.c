// contract_channel_norm.c: set by set, channel by channel, part by part.

#include "contract_channel_norm.h"

#include <math.h>
#include <stdlib.h>

#include "contract_moments.h"
#include "contract_rows.h"

enum { ROWS_OF_A_PART = 128 };

/// Where the elements of one channel in one part lie.
typedef struct part {
    int64_t first, stride, count;
    contract_order order;
} part;

/// A set: the samples of a region, the channels of a group.
typedef struct set {
    const ck_channel_shape *shape;
    int64_t index, sample, samples, channel, channels;
} set;

static set set_at(const ck_channel_shape *s, int64_t region, int64_t group) {
    set at = {.shape = s, .index = region * s->groups + group, .channels = s->channels / s->groups};
    at.channel = group * at.channels;
    for (int64_t r = 0; r <= region; r++) {
        at.sample += at.samples;
        at.samples = s->region_samples ? s->region_samples[r] : s->samples / s->regions;
    }
    return at;
}

static int is_first(const ck_channel_shape *s) {
    return s->positions > 1 && (s->channels == 1 || s->layout == CK_CHANNELS_FIRST);
}

static int64_t part_count(const set *s) {
    return is_first(s->shape) ? s->samples : (s->samples * s->shape->positions + ROWS_OF_A_PART - 1) / ROWS_OF_A_PART;
}

static part part_at(const set *s, int64_t channel, int64_t index) {
    int64_t positions = s->shape->positions, channels = s->shape->channels, row = index * ROWS_OF_A_PART;
    if (is_first(s->shape))
        return (part){((s->sample + index) * channels + channel) * positions, 1, positions, CONTRACT_RUN};
    int64_t rest = s->samples * positions - row;
    return (part){(s->sample * positions + row) * channels + channel, channels,
                  rest < ROWS_OF_A_PART ? rest : ROWS_OF_A_PART, CONTRACT_COLUMN};
}

static float *read_part(const set *s, part p, const void *tensor) {
    float *values = contract_floats(p.count);
    contract_read(values, s->shape->type, tensor, p.first, p.stride, p.count, 0);
    return values;
}

static ck_moments moments_of(const set *s, const void *x) {
    ck_moments of_set = {0};
    for (int64_t c = s->channel; c < s->channel + s->channels; c++) {
        ck_moments of_channel = {0};
        for (int64_t k = 0; k < part_count(s); k++) {
            part p = part_at(s, c, k);
            float *values = read_part(s, p, x);
            of_channel = contract_merged(of_channel, contract_part_moments(values, p.count, p.order));
            free(values);
        }
        of_set = contract_merged(of_set, of_channel);
    }
    return of_set;
}

static float parameter(const float *of, int64_t channel, float otherwise) { return of ? of[channel] : otherwise; }

static void normalize_set(const ck_channel_norm_args *a, const set *s, int inverts) {
    ck_moments m = a->given ? a->given[s->index] : moments_of(s, a->x);
    contract_rule r = contract_rule_of(m, a->epsilon);
    if (a->moments) a->moments[s->index] = m;
    for (int64_t c = s->channel; c < s->channel + s->channels; c++) {
        float weight = parameter(a->weight, c, 1), bias = parameter(a->bias, c, 0);
        for (int64_t k = 0; k < part_count(s); k++) {
            part p = part_at(s, c, k);
            float *v = read_part(s, p, a->x);
            for (int64_t i = 0; i < p.count; i++)
                v[i] = inverts ? fmaf(fmaf(v[i], 1, -bias) - 0, (float)(r.root / weight), (float)m.mean)
                               : fmaf(contract_deviation(v[i], r), contract_bounded(r.phi * weight), bias);
            contract_write(s->shape->type, a->y, p.first, p.stride, p.count, v);
            free(v);
        }
    }
}

void contract_channel_norm(const ck_channel_norm_args *a, int inverts) {
    for (int64_t region = 0; region < a->shape.regions; region++)
        for (int64_t group = 0; group < a->shape.groups; group++) {
            set s = set_at(&a->shape, region, group);
            normalize_set(a, &s, inverts);
        }
}

/// Sums of a channel over its parts, with the names of the contract.
typedef struct channel_sums {
    double g, p, x, h, t;
} channel_sums;

/// xhat of a part's x in its place; for the inverse x - bias.
static void turn_to_xhat(float *x, int64_t n, contract_rule r, float bias, int inverts) {
    for (int64_t i = 0; i < n; i++)
        x[i] = inverts ? x[i] - bias : contract_deviation(x[i], r) * contract_bounded(r.phi);
}

static channel_sums sums_of(const ck_channel_norm_backward_args *a, const set *s, int64_t c, contract_rule r,
                            int inverts) {
    channel_sums sums = {0};
    for (int64_t k = 0; k < part_count(s); k++) {
        part p = part_at(s, c, k);
        float *t = read_part(s, p, a->dy), *xhat = read_part(s, p, a->x), g = contract_part_sample(t, p.count, p.order);
        turn_to_xhat(xhat, p.count, r, parameter(a->bias, c, 0), inverts);
        for (int64_t i = 0; i < p.count; i++) t[i] -= g;
        double x = contract_part_sum(xhat, p.count, p.order);
        sums.g += (double)p.count * g;
        sums.p += contract_part_dot(t, xhat, p.count, p.order);
        sums.x += x;
        sums.h += g * x;
        sums.t += contract_part_sum(t, p.count, p.order);
        free(t);
        free(xhat);
    }
    return sums;
}

/// What an element's gradient is made of besides dy and xhat.
typedef struct coefficients {
    float weight, m, low, h, factor;
} coefficients;

static void write_gradients(const ck_channel_norm_backward_args *a, const set *s, int64_t c, contract_rule r,
                            coefficients by, int inverts) {
    for (int64_t k = 0; k < part_count(s); k++) {
        part p = part_at(s, c, k);
        float *dy = read_part(s, p, a->dy), *xhat = read_part(s, p, a->x);
        turn_to_xhat(xhat, p.count, r, parameter(a->bias, c, 0), inverts);
        for (int64_t i = 0; i < p.count; i++)
            dy[i] = fmaf(-xhat[i], by.h, fmaf(dy[i], by.weight, -by.m) - by.low) * by.factor;
        contract_write(s->shape->type, a->dx, p.first, p.stride, p.count, dy);
        free(dy);
        free(xhat);
    }
}

/// `b` and `d` are the channels' sums of products and of dy, over the regions so far.
static void differentiate_set(const ck_channel_norm_backward_args *a, const set *s, int inverts, double *b, double *d) {
    contract_rule r = contract_rule_of(a->moments[s->index], a->epsilon);
    int is_constant = inverts || a->are_given;
    int64_t first = s->channel, last = first + s->channels;
    double n = (double)(s->samples * s->shape->positions * s->channels), mean_xhat = 0, mean = 0, projection = 0;
    channel_sums *sums = calloc((size_t)s->channels, sizeof *sums);
    if (!sums) exit(2);
    for (int64_t c = first; c < last; c++) {
        sums[c - first] = sums_of(a, s, c, r, inverts);
        mean_xhat += is_constant ? 0 : sums[c - first].x;
    }
    mean_xhat /= n;
    for (int64_t c = first; c < last; c++) {
        channel_sums of = sums[c - first];
        float weight = parameter(a->weight, c, 1);
        double total = of.t + of.g, product = of.p + (of.h - mean_xhat * of.g), ratio = r.root / weight;
        mean += weight * total;
        projection += weight * product;
        d[c] += inverts ? -ratio * total : total;
        b[c] += inverts ? -(ratio / weight) * product : product;
    }
    free(sums);
    coefficients by = {.factor = (float)(r.phi * r.s)};
    if (!is_constant) {
        by.m = (float)(mean / n);
        by.low = (float)(mean / n - by.m);
        by.h = (float)(projection / n);
    }
    for (int64_t c = first; c < last; c++) {
        by.weight = inverts ? 1 : parameter(a->weight, c, 1);
        if (inverts) by.factor = (float)(r.root / parameter(a->weight, c, 1));
        write_gradients(a, s, c, r, by, inverts);
    }
}

static void put(float *result, const double *sums, int64_t count, int accumulate) {
    for (int64_t c = 0; result && c < count; c++) result[c] = accumulate ? result[c] + (float)sums[c] : (float)sums[c];
}

void contract_channel_norm_backward(const ck_channel_norm_backward_args *a, int inverts) {
    int64_t channels = a->shape.channels;
    double *sums = calloc(2 * (size_t)channels, sizeof *sums);
    if (!sums) exit(2);
    for (int64_t region = 0; region < a->shape.regions; region++)
        for (int64_t group = 0; group < a->shape.groups; group++) {
            set s = set_at(&a->shape, region, group);
            differentiate_set(a, &s, inverts, sums, sums + channels);
        }
    put(a->dweight, sums, channels, a->accumulate);
    put(a->dbias, sums + channels, channels, a->accumulate);
    free(sums);
}
