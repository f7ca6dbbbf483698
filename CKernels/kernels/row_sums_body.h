// row_sums_body.h: result[row] = [result[row] +] sum(x[row]) in the contract's order, for rows begin ..< end of floats.
// Bound: bandwidth.

CK_KERNEL(row_sums)
(const float *x, int64_t n, int64_t stride, float *result, int64_t begin, int64_t end, int accumulate) {
    for (int64_t row = begin; row < end; row++) {
        row_lanes total = row_lanes_zero();
        for (int64_t c = 0; c < n; c += CHUNK) {
            lanes sum = lanes_zero();
            for (int64_t i = c; i < lesser(c + CHUNK, n); i += BLOCK)
                for (int k = 0; k < 4; k++)
                    sum.v[k] = v_add(sum.v[k], load_left(x + row * stride + i + 16 * k, n - i - 16 * k));
            row_lanes_add(&total, &sum, c);
        }
        lanes all = row_lanes_total(&total, n);
        float sum = lanes_fold(&all);
        result[row] = accumulate ? result[row] + sum : sum;
    }
}
