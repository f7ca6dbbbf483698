internal import KernelBridge
public import Tensors

/// Normalizes every row (the last axis) of `x` to mean 0 and variance 1, then scales and shifts it.
///
/// ```
/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias
/// ```
///
/// - Parameters:
///   - x: Any rank of at least 1. Leading axes may have any strides; a last axis that is not contiguous
///     costs one copy.
///   - weight: One factor a column, of any storage type, or nil for ones.
///   - bias: One summand a column, or nil for zeros.
///   - epsilon: Added to the (biased) variance.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or
///   NaN, or a backend that is not here.
///
/// Precision: float32, whatever the storage; 16-bit results are rounded once. A row of up to 50257 nearly normal numbers is
/// off by at most 3e-7 of its largest output under any mean offset up to 1e7 and any scale from 1e-30 to 1e30;
/// <doc:Accuracy> has the bound for others. A row with a NaN or an infinity becomes NaN; a row without spread becomes
/// exactly `bias`. Source: Ba, Kiros, Hinton, "Layer Normalization", 2016.
public func layerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    try layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, into: &y, backend: backend)
    return y
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, into an existing tensor of the shape of `x`.
///
/// Allocates nothing if `y` is not shared with another tensor and both have contiguous rows.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the last axis of `y` is not contiguous.
@_specialize(where Element == Float, Parameter == Float)
@_specialize(where Element == BFloat16, Parameter == Float)
@_specialize(where Element == BFloat16, Parameter == BFloat16)
public func layerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5,
    into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.layerNorm.normalize(
        x, weight: weight, bias: bias, epsilon: epsilon, into: &y, backend: backend)
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched; also if the last axis of `x` is not contiguous.
public func layerNorm<Element: KernelElement, Parameter: KernelElement>(
    inPlace x: inout Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.layerNorm.normalize(inPlace: &x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, and the statistics that the backward pass needs.
public func layerNormWithStatistics<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    try RowNorm.layerNorm.withStatistics(
        x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
}

// MARK: - Without weight and bias

/// ``layerNorm(_:weight:bias:epsilon:backend:)`` with weight 1 and bias 0.
public func layerNorm<Element: KernelElement>(
    _ x: Tensor<Element>, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try layerNorm(x, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// The same into an existing tensor of the shape of `x`.
public func layerNorm<Element: KernelElement>(
    _ x: Tensor<Element>, epsilon: Float = 1e-5, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try layerNorm(x, weight: Tensor<Float>?.none, epsilon: epsilon, into: &y, backend: backend)
}

/// The same, replacing `x` by its result.
public func layerNorm<Element: KernelElement>(
    inPlace x: inout Tensor<Element>, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) {
    try layerNorm(inPlace: &x, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// The same, and the statistics that the backward pass needs.
public func layerNormWithStatistics<Element: KernelElement>(
    _ x: Tensor<Element>, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    try layerNormWithStatistics(x, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}
