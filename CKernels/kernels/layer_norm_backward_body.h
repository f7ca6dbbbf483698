// layer_norm_backward_body.h: gradients of layer_norm for a range of rows. With xhat = ((x - mean) -
// mean_low) * rstd and g = dy * weight:
//
//     c = the mean of a sample of g,   t_i = g_i - c,   tau = sum(t) / n,   h = sum(t * xhat) / n
//     dx = fma(-xhat, h, t - tau) * rstd
//     weight_sums = fma(dy, xhat, weight_sums),   bias_sums += dy       row by row, in their order
//
// (sum(xhat) is 0, so t may stand for g in h: under a common offset of dy nothing is lost.)
// Bound: 5 multiplications and 5 additions a vector in the second pass, beyond the caches bandwidth.

/// Rows of a group share what is loaded of weight and of the sums over rows. Wide ones are fewer: where rows are
/// 4 KiB apart, dy, x and dx of each take a way of the same set of the first cache level.
#define TOGETHER 4

typedef struct gradient_row {
    const float *dy, *x;
    const float *ahead_dy, *ahead_x, *ahead_dx;  // the rows to fetch meanwhile, or NULL
    float *dx;
    float mean, mean_low, rstd;
    float centre, tau, h;
} gradient_row;

V_FN vf normalized_left(const gradient_row *r, int64_t i, int64_t left) {
    vf d = v_sub(v_sub(load_left(r->x + i, left), v_set(r->mean)), v_set(r->mean_low));
    return v_mul(d, v_set(r->rstd));
}
V_FN vf weighted_left(const gradient_row *r, const float *weight, int64_t i, int64_t left) {
    vf dy = load_left(r->dy + i, left);
    return weight ? v_mul(dy, load_left(weight + i, left)) : dy;
}

V_FN void fetch_gradient_block(const gradient_row *r, int64_t i) {
    if (r->ahead_dy) fetch_block(r->ahead_dy + i);
    if (r->ahead_x) fetch_block(r->ahead_x + i);
}

/// The mean of g over the sample of layer_norm_moments.h.
V_FN float gradient_sample_mean(const gradient_row *r, const float *weight, int64_t n) {
    lanes sample;
    for (int k = 0; k < 4; k++) {
        int64_t i = sample_start(n, k);
        sample.v[k] = weighted_left(r, weight, i, n > BLOCK ? 16 : n - i);
    }
    return mean_of_sample(lanes_fold(&sample), n);
}

V_FN void project_block(lanes *sum, lanes *product, const gradient_row *r, const float *weight, int64_t i, int64_t left, int k) {
    for (int last = k + V_TOGETHER; k < last; k++) {
        int64_t j = i + 16 * k, rest = left - 16 * k;
        vf t = keep_left(rest, v_sub(weighted_left(r, weight, j, rest), v_set(r->centre)));
        sum->v[k] = v_add(sum->v[k], t);
        product->v[k] = v_fma(t, keep_left(rest, normalized_left(r, j, rest)), product->v[k]);
    }
}

/// centre, tau and h of one row.
V_FN void project_gradient(gradient_row *r, const float *weight, int64_t n) {
    r->centre = gradient_sample_mean(r, weight, n);
    row_lanes total = row_lanes_zero(), total_product = row_lanes_zero();
    for (int64_t c = 0; c < n; c += CHUNK) {
        lanes part = lanes_zero(), product = lanes_zero();
        int64_t end = lesser(c + CHUNK, n);
        for (int k = 0; k < 4; k += V_TOGETHER) {
            int64_t i = c;
            for (; i + BLOCK <= end; i += BLOCK) {
                if (k == 0) fetch_gradient_block(r, i);
                project_block(&part, &product, r, weight, i, BLOCK, k);
            }
            if (i < end) project_block(&part, &product, r, weight, i, end - i, k);
        }
        row_lanes_add(&total, &part, c);
        row_lanes_add(&total_product, &product, c);
    }
    lanes sum = row_lanes_total(&total, n), sum_of_products = row_lanes_total(&total_product, n);
    r->tau = lanes_fold(&sum) / (float)n;
    r->h = lanes_fold(&sum_of_products) / (float)n;
}

/// 64 columns of dx for some rows, and their contribution to the sums over rows (if wanted).
V_FN void gradient_block(const gradient_row *rows, int count, const float *weight, float *weight_sums, float *bias_sums,
                         int64_t i, int64_t left, int streaming) {
    lanes weights = lanes_zero(), biases = lanes_zero();
    for (int k = 0; k < 4 && weight_sums; k++) {
        weights.v[k] = load_left(weight_sums + i + 16 * k, left - 16 * k);
        biases.v[k] = load_left(bias_sums + i + 16 * k, left - 16 * k);
    }
    for (int row = 0; row < count; row++) {
        const gradient_row *r = &rows[row];
        if (left == BLOCK) {
            fetch_gradient_block(r, i);
            fetch_gradient_block(r, i + 4 * BLOCK);
            if (r->ahead_dx) fetch_block_to_write(r->ahead_dx + i);
        }
        for (int k = 0; k < 4; k++) {
            int64_t j = i + 16 * k, rest = left - 16 * k;
            vf dy = load_left(r->dy + j, rest), xhat = normalized_left(r, j, rest);
            if (r->dx) {
                vf t = v_sub(weighted_left(r, weight, j, rest), v_set(r->centre));
                vf dx = v_mul(v_fnma(xhat, v_set(r->h), v_sub(t, v_set(r->tau))), v_set(r->rstd));
                if (streaming && rest >= 16) v_stream(r->dx + j, dx);
                else store_left(r->dx + j, rest, dx);
            }
            if (weight_sums) {
                weights.v[k] = v_fma(dy, xhat, weights.v[k]);
                biases.v[k] = v_add(biases.v[k], dy);
            }
        }
    }
    for (int k = 0; k < 4 && weight_sums; k++) {
        store_left(weight_sums + i + 16 * k, left - 16 * k, weights.v[k]);
        store_left(bias_sums + i + 16 * k, left - 16 * k, biases.v[k]);
    }
}

V_FN void gradient_rows(const ck_layer_norm_backward_args *args, int64_t begin, int count, float *weight_sums,
                        float *bias_sums, int streaming, int fetch) {
    gradient_row rows[TOGETHER] = {0};
    int64_t n = args->cols, i = 0;
    for (int k = 0; k < count; k++) {
        int64_t row = begin + k;
        rows[k] = (gradient_row){
            .dy = args->dy + row * args->dy_stride,
            .x = args->x + row * args->x_stride,
            .ahead_dy = fetch ? args->dy + (row + count) * args->dy_stride : 0,
            .ahead_x = fetch ? args->x + (row + count) * args->x_stride : 0,
            .ahead_dx = fetch && args->dx && !streaming ? args->dx + (row + count) * args->dx_stride : 0,
            .dx = args->dx ? args->dx + row * args->dx_stride : 0,
            .mean = args->mean[row],
            .mean_low = args->mean_low ? args->mean_low[row] : 0.0f,
            .rstd = args->rstd[row],
        };
        if (args->dx) project_gradient(&rows[k], args->weight, n);
    }
    for (; i + BLOCK <= n; i += BLOCK)
        gradient_block(rows, count, args->weight, weight_sums, bias_sums, i, BLOCK, streaming);
    if (i < n) gradient_block(rows, count, args->weight, weight_sums, bias_sums, i, n - i, streaming);
}

/// `together` and `streaming` are constants: four copies of the loops.
V_FN void gradient_groups(const ck_layer_norm_backward_args *args, int64_t begin, int64_t end, float *weight_sums,
                          float *bias_sums, int together, int streaming) {
    for (; begin + together <= end; begin += together)
        gradient_rows(args, begin, together, weight_sums, bias_sums, streaming, begin + 2 * together <= end);
    for (; begin < end; begin++) gradient_rows(args, begin, 1, weight_sums, bias_sums, streaming, 0);
}

CK_KERNEL(layer_norm_backward)(const ck_layer_norm_backward_args *args, int64_t begin, int64_t end, float *weight_sums,
                               float *bias_sums, int streaming) {
    for (int64_t i = 0; weight_sums && i < args->cols; i += 16) {
        store_left(weight_sums + i, args->cols - i, v_zero());
        store_left(bias_sums + i, args->cols - i, v_zero());
    }
    int is_wide = args->cols > 512;
    if (is_wide && streaming) gradient_groups(args, begin, end, weight_sums, bias_sums, 2, 1);
    else if (is_wide) gradient_groups(args, begin, end, weight_sums, bias_sums, 2, 0);
    else if (streaming) gradient_groups(args, begin, end, weight_sums, bias_sums, 4, 1);
    else gradient_groups(args, begin, end, weight_sums, bias_sums, 4, 0);
    if (streaming) v_stream_end();
}
