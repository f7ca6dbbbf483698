/// ck_channel_norm.h: normalization of channels over a batch: BatchNorm, GroupNorm and InstanceNorm, forward and
/// backward, and the inverse that RevIN needs.
///
/// Elements x[sample][channel][position] are cut into sets: the samples into consecutive regions, the channels into
/// consecutive groups of equal size. Each set, a region by a group, is normalized by its own moments, or by given ones:
///
///     y = (x - mean) / sqrt(m2 / count + epsilon) * weight[channel] + bias[channel]
///
///                                          regions                      groups
///     BatchNorm, one batch                 1                            channels
///     BatchNorm, each source by itself     one a source                 channels
///     BatchNorm, inference                 1, `given` moments           channels
///     GroupNorm                            samples                      as wanted
///     InstanceNorm                         samples                      channels
///
/// (Ioffe, Szegedy: Batch Normalization, 2015; Ulyanov, Vedaldi, Lempitsky: Instance Normalization, 2016; Wu, He: Group
/// Normalization, 2018; Kim et al.: Reversible Instance Normalization, 2022. The variance is the biased one.)
///
/// Precision: elements in binary32, moments and what follows from them in binary64, by the arithmetic contract (the
/// article "One answer"): the same bits on every instruction set and thread count. Offsets, and scales from 1e-30 to
/// 1e30, cost nothing. A set that holds a NaN or an infinity becomes NaN; other sets do not notice. A set without
/// spread is exactly `bias`, also for epsilon 0.
#ifndef CK_CHANNEL_NORM_H
#define CK_CHANNEL_NORM_H

#include <stddef.h>

#include "ck_base.h"
#include "ck_moments.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ck_layout {
    CK_CHANNELS_FIRST = 0,  ///< [samples, channels, positions]
    CK_CHANNELS_LAST,       ///< [samples, positions, channels]
} ck_layout;

/// What is normalized together. All tensors of this shape are dense.
typedef struct ck_channel_shape {
    int64_t samples;    ///< >= 0; 0 does nothing, but for sums and moments of nothing
    int64_t channels;   ///< >= 1
    int64_t positions;  ///< >= 1: elements of a channel in a sample
    ck_layout layout;
    ck_type type;    ///< of all tensors of this shape
    int64_t groups;  ///< divides `channels`
    int64_t regions;                ///< >= 1
    const int64_t *region_samples;  ///< [regions], each >= 1, `samples` in all; NULL: all alike, `regions` divides `samples`
} ck_channel_shape;

/// Arguments of `ck_channel_norm`.
typedef struct ck_channel_norm_args {
    ck_channel_shape shape;
    const void *x;
    const ck_moments *given;  ///< [regions, groups], each of at least one element; NULL: those of x
    const float *weight;      ///< [channels], or NULL for ones
    const float *bias;        ///< [channels], or NULL for zeros
    float epsilon;            ///< >= 0, finite
    void *y;                  ///< may be x itself, or NULL where only the moments of x are wanted
    ck_moments *moments;      ///< [regions, groups] or NULL: the moments by which was normalized
    void *workspace;          ///< ck_channel_norm_workspace bytes, 64-byte aligned
    size_t workspace_size;
} ck_channel_norm_args;

CK_API ck_status ck_channel_norm(const ck_channel_norm_args *args, ck_run run);

/// The inverse, from `given` moments (which it needs) back to the scale of the input:
///
///     y = (x - bias[channel]) * (sqrt(m2 / count + epsilon) / weight[channel]) + mean
CK_API ck_status ck_channel_norm_inverse(const ck_channel_norm_args *args, ck_run run);

/// Bytes of scratch memory that both need; 0 for shapes that they refuse, and without samples.
CK_API size_t ck_channel_norm_workspace(const ck_channel_shape *shape);

/// Arguments of `ck_channel_norm_backward`. With xhat = (x - mean) / sqrt(m2 / count + epsilon), g = dy * weight and the
/// means over a set:
///
///     dx      = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(m2 / count + epsilon)
///     dweight = sum over samples and positions of dy * xhat
///     dbias   = sum over samples and positions of dy
///
/// Where moments were given to the forward pass they do not depend on x, and dx = g / sqrt(m2 / count + epsilon).
typedef struct ck_channel_norm_backward_args {
    ck_channel_shape shape;
    const void *dy;
    const void *x;
    const ck_moments *moments;  ///< [regions, groups]: what the forward pass saved, or was given
    int32_t are_given;          ///< nonzero: they do not depend on x
    const float *weight;        ///< [channels], or NULL for ones
    const float *bias;          ///< [channels], or NULL for zeros; only the inverse's gradients depend on it
    float epsilon;              ///< of the forward pass
    void *dx;                   ///< or NULL; may be dy itself
    float *dweight;             ///< [channels] or NULL
    float *dbias;               ///< [channels] or NULL
    int32_t accumulate;         ///< nonzero: add to dweight and dbias instead of writing them
    void *workspace;            ///< ck_channel_norm_backward_workspace bytes, 64-byte aligned
    size_t workspace_size;
} ck_channel_norm_backward_args;

CK_API ck_status ck_channel_norm_backward(const ck_channel_norm_backward_args *args, ck_run run);

/// Gradients of `ck_channel_norm_inverse`, dy being that of its output and x its input; the moments do not depend on x,
/// whatever `are_given` says. With r = sqrt(m2 / count + epsilon) / weight:
///
///     dx      = dy * r
///     dweight = sum over samples and positions of -dy * (x - bias) * r / weight
///     dbias   = sum over samples and positions of -dy * r
CK_API ck_status ck_channel_norm_inverse_backward(const ck_channel_norm_backward_args *args, ck_run run);

/// Bytes of scratch memory that both need; 0 for shapes that they refuse, and without samples.
CK_API size_t ck_channel_norm_backward_workspace(const ck_channel_shape *shape);

#ifdef __cplusplus
}
#endif
#endif
