internal import KernelBridge
internal import ReferenceKernels
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
///   - weight: One factor a column, or nil for ones.
///   - bias: One summand a column, or nil for zeros.
///   - epsilon: Added to the (biased) variance.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or
///   NaN, or a backend that is not here.
///
/// Precision: float32. A row of up to 50257 nearly normal numbers is off by at most 3e-7 of its largest output under any
/// mean offset up to 1e7 and any scale from 1e-30 to 1e30; <doc:Accuracy> has the bound for others. A row with a NaN or an infinity becomes NaN; a row without spread
/// becomes exactly `bias`. Source: Ba, Kiros, Hinton, "Layer Normalization", 2016.
public func layerNorm(
    _ x: Tensor<Float>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Float> {
    var y = Tensor<Float>(uninitializedLike: x.shape)
    try layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, into: &y, backend: backend)
    return y
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, into an existing tensor of the shape of `x`.
///
/// Allocates nothing if `y` is not shared with another tensor and both have contiguous rows.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the last axis of `y` is not contiguous.
public func layerNorm(
    _ x: Tensor<Float>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil, epsilon: Float = 1e-5,
    into y: inout Tensor<Float>, backend: Backend = .automatic
) throws(NormalizationError) {
    let columns = try validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
    try validate(shape: y.shape, is: x.shape, argument: "y")
    guard y.hasContiguousRows else { throw .rowsNotContiguous(argument: "y", strides: y.strides) }
    guard let run = try backend.kernelRun() else {
        y.assign(reference(x, columns: columns, weight: weight, bias: bias, epsilon: epsilon).y)
        return
    }
    if x.hasContiguousRows, weight.isDense, bias.isDense {
        try LayerNormKernels.forward(x, weight: weight, bias: bias, epsilon: epsilon, into: &y, run: run)
    } else {
        try LayerNormKernels.forward(
            x.contiguous(), weight: weight?.contiguous(), bias: bias?.contiguous(), epsilon: epsilon, into: &y, run: run)
    }
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched; also if the last axis of `x` is not contiguous.
public func layerNorm(
    inPlace x: inout Tensor<Float>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) {
    let columns = try validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
    guard x.hasContiguousRows else { throw .rowsNotContiguous(argument: "x", strides: x.strides) }
    guard let run = try backend.kernelRun() else {
        x.assign(reference(x, columns: columns, weight: weight, bias: bias, epsilon: epsilon).y)
        return
    }
    try LayerNormKernels.forward(
        inPlace: &x, weight: weight?.contiguous(), bias: bias?.contiguous(), epsilon: epsilon, run: run)
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, and the statistics that the backward pass needs.
public func layerNormWithStatistics(
    _ x: Tensor<Float>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Float>, statistics: RowStatistics) {
    let columns = try validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
    var y = Tensor<Float>(uninitializedLike: x.shape)
    var statistics = RowStatistics(uninitializedFor: x.shape)
    if let run = try backend.kernelRun() {
        try LayerNormKernels.forward(
            x.hasContiguousRows ? x : x.contiguous(), weight: weight?.contiguous(), bias: bias?.contiguous(),
            epsilon: epsilon, into: &y, statistics: &statistics, run: run)
    } else {
        let result = reference(x, columns: columns, weight: weight, bias: bias, epsilon: epsilon)
        y.assign(result.y)
        statistics.mean.assign(result.mean)
        statistics.meanLow.assign(result.meanLow)
        statistics.reciprocalDeviation.assign(result.rstd)
    }
    return (y, statistics)
}

/// The checks of every forward call; returns the extent of the last axis.
private func validatedColumns(
    _ shape: Shape, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float
) throws(NormalizationError) -> Int {
    let columns = try validatedColumns(of: shape, argument: "x")
    try validate(parameter: weight, columns: columns, argument: "weight")
    try validate(parameter: bias, columns: columns, argument: "bias")
    try validate(epsilon: epsilon)
    return columns
}

private func reference(
    _ x: Tensor<Float>, columns: Int, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float
) -> LayerNormReference<Float>.Output {
    LayerNormReference.forward(
        x.array, columns: columns, weight: weight?.array, bias: bias?.array, epsilon: epsilon)
}

extension Optional where Wrapped == Tensor<Float> {
    /// Whether no copy is needed to hand this to a kernel.
    fileprivate var isDense: Bool {
        switch self {
        case .none: true
        case .some(let tensor): tensor.isContiguous
        }
    }
}

extension NormalizationError {
    static func rowsNotContiguous(argument: String, strides: [Int]) -> NormalizationError {
        NormalizationError(
            .unsupportedLayout, argument: argument, expected: "a contiguous last axis", given: "strides \(strides)")
    }
}
