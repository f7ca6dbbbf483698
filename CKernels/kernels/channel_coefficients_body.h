// channel_coefficients_body.h: from the moments of parts to those of sets, and from these to what each channel is
// multiplied by. Scalar binary64: a few operations a channel and part.
//
//     q = m2 / n + epsilon,   root = sqrt(q)
//     xhat = (fma(x, scale, -centre) - low) * factor,   centre + low = mean * scale,   factor = 1 / (root * scale)
//
// scale is 1, or a power of two for sets whose squares are out of binary32's range.

/// Merges the parts of 16 channels (fewer if `left` says so), in their order, into the first part's place.
V_FN void merge_parts(const ck_channel_region *r, int64_t channel, int64_t left) {
    double *mean = table_row(r, CK_MEANS, 0) + channel, *m2 = table_row(r, CK_SQUARES, 0) + channel;
    int64_t total = part_count(r, 0);
    for (int64_t part = 1; part < r->parts; part++) {
        int64_t count = part_count(r, part);
        const double *means = table_row(r, CK_MEANS, part) + channel,
                     *squares = table_row(r, CK_SQUARES, part) + channel;
        for (int64_t c = 0; c < lesser(16, left); c++) {
            ck_moments merged =
                moments_merged((ck_moments){total, mean[c], m2[c]}, (ck_moments){count, means[c], squares[c]});
            mean[c] = merged.mean;
            m2[c] = merged.m2;
        }
        total += count;
    }
}

/// The power of two that brings the set near 1; 1 for ordinary sets, for those without spread, and where none does.
V_FN double set_scale(double mean, double q, double root) {
    if ((q >= ORDINARY_LEAST && q <= ORDINARY_MOST) || q == 0.0 || !(q <= 0x1p1000)) return 1.0;
    int e = ilogb(fabs(mean) > root ? fabs(mean) : root);
    return ldexp(1.0, e < -126 ? 126 : e > 126 ? -126 : -e);
}

/// Binary32, but not beyond its largest number.
V_FN float bounded(double a) {
    return (float)(a > 0x1.fffffep127 ? 0x1.fffffep127 : a < -0x1.fffffep127 ? -0x1.fffffep127 : a);
}

/// How the elements of a set are normalized.
typedef struct set_rule {
    float scale, centre, low;
    double factor, root;
} set_rule;

V_FN set_rule set_rule_of(ck_moments m, float epsilon) {
    double q = m.m2 / (double)m.count + epsilon, root = sqrt(q), scale = set_scale(m.mean, q, root);
    float centre = (float)(m.mean * scale);
    return (set_rule){
        .scale = (float)scale,
        .centre = centre,
        .low = (float)(m.mean * scale - centre),
        .factor = q == 0.0 ? 0.0 : 1.0 / (root * scale),
        .root = root,
    };
}

/// The coefficients of channels begin ..< end, whose moments are m.
V_FN void set_coefficients(const ck_channel_region *r, ck_moments m, int64_t begin, int64_t end) {
    set_rule rule = set_rule_of(m, r->epsilon);
    for (int64_t c = begin; c < end; c++) {
        float weight = r->weight ? r->weight[c] : 1.0f, bias = r->bias ? r->bias[c] : 0.0f;
        if (r->task == CK_INVERT) {
            plane(r, CK_SCALE)[c] = 1.0f;
            plane(r, CK_CENTRE)[c] = bias;
            plane(r, CK_LOW)[c] = 0.0f;
            plane(r, CK_FACTOR)[c] = (float)(rule.root / weight);
            plane(r, CK_OFFSET)[c] = (float)m.mean;
            continue;
        }
        if (r->task == CK_DIFFERENTIATE_INVERSE) {  // x - bias stands for xhat
            plane(r, CK_SCALE)[c] = 1.0f;
            plane(r, CK_CENTRE)[c] = bias;
            plane(r, CK_LOW)[c] = 0.0f;
            plane(r, CK_FACTOR)[c] = 1.0f;
            plane(r, CK_RSTD)[c] = (float)(rule.root / weight);
            plane(r, CK_WEIGHT)[c] = 1.0f;
            continue;
        }
        plane(r, CK_SCALE)[c] = rule.scale;
        plane(r, CK_CENTRE)[c] = rule.centre;
        plane(r, CK_LOW)[c] = rule.low;
        if (r->task == CK_NORMALIZE) {
            plane(r, CK_FACTOR)[c] = bounded(rule.factor * weight);
            plane(r, CK_OFFSET)[c] = bias;
        } else {
            plane(r, CK_FACTOR)[c] = bounded(rule.factor);
            plane(r, CK_RSTD)[c] = (float)(rule.factor * rule.scale);
            plane(r, CK_WEIGHT)[c] = weight;
        }
    }
}

/// Groups begin ..< end: their moments, merged from the parts or given, and the coefficients of their channels.
CK_KERNEL(channel_coefficients)(const ck_channel_region *r, int64_t begin, int64_t end) {
    int64_t width = r->shape.channels / r->shape.groups, count = region_rows(r);
    for (int64_t c = begin * width; c < end * width && !r->given; c += 16) merge_parts(r, c, end * width - c);
    for (int64_t g = begin; g < end; g++) {
        ck_moments m = {0};
        if (r->given) m = r->given[g];
        for (int64_t c = g * width; c < (g + 1) * width && !r->given; c++)
            m = moments_merged(m, (ck_moments){count, table_row(r, CK_MEANS, 0)[c], table_row(r, CK_SQUARES, 0)[c]});
        if (r->moments) r->moments[g] = m;
        set_coefficients(r, m, g * width, (g + 1) * width);
    }
}
