// moments.h: moments in binary64 (ck_moments.h): from the sums of a part, and merged by Chan's formula.

/// `b` after `a`.
V_FN ck_moments moments_merged(ck_moments a, ck_moments b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    double n = (double)a.count + (double)b.count, delta = b.mean - a.mean, share = (double)b.count / n;
    return (ck_moments){
        .count = a.count + b.count,
        .mean = a.mean + delta * share,
        .m2 = (a.m2 + b.m2) + delta * delta * ((double)a.count * share),
    };
}

/// From binary32 sums of deviations from `centre`. 0 where these do not serve: the centre was far from the mean, beside
/// the deviation, or squares left binary32's range, or there is no spread, or a NaN.
V_FN int moments_of_sums(ck_moments *m, float centre, float sum, float squares, int64_t count) {
    double n = (double)count, delta = sum / n, shift = sum * delta, m2 = squares - shift;
    *m = (ck_moments){count, centre + delta, m2};
    return shift <= m2 && m2 >= 0x1p-100 * n && m2 <= 0x1p120 * n;
}

/// 16 lanes of binary64 sums, folded by halves.
V_FN double lanes_fold_wide(double *lane) {
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}
