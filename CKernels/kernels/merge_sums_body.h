// merge_sums_body.h: result = [result +] ((sums[0] + sums[1]) + sums[2]) + ..., column by column.
//
// The second level of every sum over rows: `count` partial sums, `stride` elements apart, for columns
// begin ..< end. Bound: one load a vector and partial sum.

CK_KERNEL(merge_sums)
(const float *sums, int64_t count, int64_t stride, float *result, int64_t begin, int64_t end, int accumulate) {
    for (int64_t i = begin; i < end; i += 16) {
        int64_t left = end - i;
        vf total = load_left(sums + i, left);
        for (int64_t k = 1; k < count; k++) total = v_add(total, load_left(sums + k * stride + i, left));
        if (accumulate) total = v_add(load_left(result + i, left), total);
        store_left(result + i, left, total);
    }
}
