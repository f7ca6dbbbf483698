internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// The moments of every row (the last axis) of `x`, or of what a process holds of it.
///
/// A row that is sharded over processes is normalized in three steps: each finds the moments of its part, all merge
/// them in one order, and each normalizes its part by the result.
/// ```swift
/// let parts = try rowMoments(shard)                        // to be sent to the others
/// let whole = zip(mine, theirs).map { $0.merged(with: $1) }
/// let y = try normalize(shard, with: whole, weight: shardOfWeight)
/// ```
///
/// - Parameter x: Any rank of at least 1. A view that is not contiguous costs one copy.
/// - Returns: One value a row, in row-major order.
/// - Throws: `NormalizationError` for a shape without a last axis, or a backend that is not here.
///
/// Precision: deviations from the mean of a sample are summed in float32 and merged in float64, so that mean and
/// variance are off by some 1e-7 of the deviation and the variance, under any offset and scale.
public func rowMoments<Element: KernelElement>(
    _ x: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> [Moments] {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    if let run = try backend.kernelRun() {
        return try RowMomentsKernels.moments(x.contiguous(), columns: columns, run: run)
    }
    return RowMomentsReference<Float>.moments(x.widened().array, columns: columns)
}

/// Normalizes every row of `x` by given moments, then scales and shifts it:
///
/// ```
/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias
/// ```
///
/// With moments that were merged from parts this differs from ``layerNorm(_:weight:bias:epsilon:backend:)`` in its last
/// bits: the bits of moments depend on how rows were cut. For the same moments it gives the same bits however rows are cut.
///
/// - Parameters:
///   - moments: One value a row, each of at least one element.
///   - weight: One factor a column of `x`, or nil for ones.
///   - bias: One summand a column of `x`, or nil for zeros.
/// - Throws: `NormalizationError` for shapes or moments that do not fit, an epsilon that is negative, infinite or NaN, or a
///   backend that is not here.
public func normalize<Element: KernelElement>(
    _ x: Tensor<Element>, with moments: [Moments], weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    try normalize(x, with: moments, weight: weight, bias: bias, epsilon: epsilon, into: &y, backend: backend)
    return y
}

/// As ``normalize(_:with:weight:bias:epsilon:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
public func normalize<Element: KernelElement>(
    _ x: Tensor<Element>, with moments: [Moments], weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    try validate(moments: moments, count: x.count / columns, argument: "moments")
    try validate(parameter: weight, columns: columns, argument: "weight")
    try validate(parameter: bias, columns: columns, argument: "bias")
    try validate(epsilon: epsilon)
    try validate(output: y, like: x, argument: "y")
    if let run = try backend.kernelRun() {
        try RowMomentsKernels.normalize(
            x.contiguous(), columns: columns, moments: moments, weight: weight?.contiguous(), bias: bias?.contiguous(),
            epsilon: epsilon, into: &y, run: run)
    } else {
        let result = RowMomentsReference<Float>.normalize(
            x.widened().array, columns: columns, with: moments, weight: weight?.array, bias: bias?.array,
            epsilon: epsilon)
        y.assign(rounding: result)
    }
}
