internal import KernelBridge
public import Tensors

/// Divides every row (the last axis) of `x` by its root mean square, then scales (and shifts) it.
///
/// ```
/// y = x / sqrt(mean(x²) + epsilon) * (weight + weightOffset) + bias
/// ```
///
/// - Parameters:
///   - x: Any rank of at least 1. Leading axes may have any strides; a last axis that is not contiguous
///     costs one copy.
///   - weight: One factor a column, of any storage type, or nil for ones (whatever the offset).
///   - bias: One summand a column, or nil for zeros.
///   - weightOffset: 1 for models that store weight − 1 (Gemma, for example).
///   - epsilon: Added to the mean square.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or
///   NaN, an offset that is not finite, or a backend that is not here.
///
/// Precision: float32, whatever the storage; 16-bit results are rounded once. Rows of any scale are right, also those whose
/// squares over- or underflow. A row with a NaN or an infinity becomes NaN; a row of zeros becomes exactly `bias`. Source:
/// Zhang, Sennrich, "Root Mean Square Layer Normalization", 2019.
public func rmsNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    try rmsNorm(x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, into: &y, backend: backend)
    return y
}

/// As ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)``, into an existing tensor of the shape of `x`.
///
/// Allocates nothing if `y` is not shared with another tensor and both have contiguous rows.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the last axis of `y` is not contiguous.
@_specialize(where Element == Float, Parameter == Float)
@_specialize(where Element == BFloat16, Parameter == Float)
@_specialize(where Element == BFloat16, Parameter == BFloat16)
public func rmsNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.rmsNorm.normalize(
        x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, into: &y, backend: backend)
}

/// As ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched; also if the last axis of `x` is not contiguous.
public func rmsNorm<Element: KernelElement, Parameter: KernelElement>(
    inPlace x: inout Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.rmsNorm.normalize(inPlace: &x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
}

/// As ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)``, and the statistics that the backward pass needs.
public func rmsNormWithStatistics<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>? = nil, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    try RowNorm.rmsNorm.withStatistics(
        x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
}

// MARK: - Without weight and bias

/// ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)`` with weight 1 and bias 0.
public func rmsNorm<Element: KernelElement>(
    _ x: Tensor<Element>, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try rmsNorm(x, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// The same into an existing tensor of the shape of `x`.
public func rmsNorm<Element: KernelElement>(
    _ x: Tensor<Element>, epsilon: Float = 1e-5, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try rmsNorm(x, weight: Tensor<Float>?.none, epsilon: epsilon, into: &y, backend: backend)
}

/// The same, replacing `x` by its result.
public func rmsNorm<Element: KernelElement>(
    inPlace x: inout Tensor<Element>, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) {
    try rmsNorm(inPlace: &x, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// The same, and the statistics that the backward pass needs.
public func rmsNormWithStatistics<Element: KernelElement>(
    _ x: Tensor<Element>, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    try rmsNormWithStatistics(x, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}
