// channel_region.h: one region of ck_channel_norm as its kernels see it: samples that share moments, and the tables
// in the workspace. Entry fills it in; kernels work on ranges of it.

#ifndef CK_CHANNEL_REGION_H
#define CK_CHANNEL_REGION_H

#include "ck_channel_norm.h"

/// Rows in a part of a channels-last region; part of the arithmetic contract.
#define CK_PART_ROWS 128
/// Columns of a part that are one piece of work, and rows that are.
#define CK_STRIP 512
#define CK_TILE 8

/// Planes of coefficients, one float a channel each. xhat = (fma(x, scale, -centre) - low) * factor.
enum {
    CK_SCALE,
    CK_CENTRE,
    CK_LOW,
    CK_FACTOR,  // forward: with the weight
    CK_OFFSET,  // forward: the bias
    CK_PLANES,
    CK_RSTD = CK_OFFSET,  // backward: 1 / sqrt(variance + epsilon), or what the inverse multiplies by
    CK_WEIGHT,
    CK_MEAN,  // of dy * weight, as a pair
    CK_MEAN_LOW,
    CK_PROJECTION,  // the mean of dy * weight * xhat
    CK_GRADIENT_PLANES,
};

/// Tables of sums, one double a part and channel each. The first part's become those of the channel.
enum {
    CK_MEANS,
    CK_SQUARES,
    CK_TABLES,
    CK_DY = 0,    // sums of dy
    CK_PRODUCTS,  // sums of (dy - dy_centre) * xhat
    CK_XHAT,      // sums of xhat
    CK_DY_CENTRES,
    CK_GRADIENT_TABLES,
};

typedef enum ck_channel_task {
    CK_NORMALIZE,
    CK_INVERT,
    CK_DIFFERENTIATE,
    CK_DIFFERENTIATE_INVERSE,
} ck_channel_task;

typedef struct ck_channel_region {
    ck_channel_task task;
    int streaming;           // whether `out` bypasses the caches
    int are_constant;        // whether moments do not depend on x
    ck_channel_shape shape;  // of the region alone
    int64_t parts;           // samples, or blocks of CK_PART_ROWS rows where channels are last
    const void *x, *dy;
    void *out;  // y or dx
    const float *weight, *bias;
    float epsilon;
    const ck_moments *given;  // [groups] or NULL
    ck_moments *moments;      // [groups] or NULL
    int64_t pitch;            // from channel 0 of one row of a table or plane to the next
    double *tables;           // [CK_TABLES or CK_GRADIENT_TABLES][parts][pitch]
    float *coefficients;      // [CK_PLANES or CK_GRADIENT_PLANES][pitch]
    double *totals;           // backward: [2][pitch], sums of dy * xhat and of dy
} ck_channel_region;

#endif
