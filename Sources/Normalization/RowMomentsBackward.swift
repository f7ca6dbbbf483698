internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// What the gradient of rows that were normalized by given moments needs of every row (the last axis), or of what a
/// process holds of it.
///
/// The gradient of a row that is sharded over processes is found as the row was normalized: each finds the gradient
/// moments of its part, all merge them in one order, and each finds the gradients of its part from the result.
/// ```swift
/// let parts = try rowGradientMoments(dy, x: shard, moments: whole, weight: shardOfWeight)   // to be sent to the others
/// let merged = zip(mine, theirs).map { $0.merged(with: $1) }
/// let gradients = try normalizeBackward(
///     dy, x: shard, moments: whole, gradientMoments: merged, weight: shardOfWeight)
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `x`. A view that is not contiguous costs one copy, `x` likewise.
///   - x: The input of the forward pass.
///   - moments: Those by which was normalized, one value a row: of whole rows.
///   - weight: That of the forward pass.
///   - epsilon: That of the forward pass.
/// - Returns: One value a row, in row-major order.
/// - Throws: `NormalizationError` for shapes or moments that do not fit, an epsilon that is negative, infinite or NaN, or
///   a backend that is not here.
///
/// Precision: as of ``layerNormBackward(_:x:weight:statistics:backend:)``: deviations from the mean of a sample are summed
/// in float32, and merged in float64.
public func rowGradientMoments<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, moments: [Moments], weight: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> [GradientMoments] {
    let columns = try validatedColumns(outputGradient, x: x, moments: moments, weight: weight, epsilon: epsilon)
    if let run = try backend.kernelRun() {
        return try RowMomentsKernels.gradientMoments(
            outputGradient.contiguous(), x: x.contiguous(), columns: columns, moments: moments,
            weight: weight?.contiguous(), epsilon: epsilon, run: run)
    }
    return RowMomentsReference<Float>.gradientMoments(
        outputGradient.widenedArray, x: x.widenedArray, columns: columns, moments: moments, weight: weight?.array,
        epsilon: epsilon)
}

/// The pullback of ``normalize(_:with:weight:bias:epsilon:backend:)`` and of the moments of whole rows, by which it
/// normalized. With `xhat = (x - mean) / deviation`, `deviation = sqrt(variance + epsilon)`, `g = outputGradient * weight`,
/// and the means of whole rows:
/// ```
/// input  = (g - mean(g) - xhat * mean(g * xhat)) / deviation
/// weight = sum over rows of outputGradient * xhat
/// bias   = sum over rows of outputGradient
/// ```
/// This is the gradient of layer normalization. For moments that do not depend on `x`, as those of a reference, give
/// gradient moments of one element that are 0: then `input = g / deviation`.
///
/// - Parameters:
///   - outputGradient: The shape of `x`. A view that is not contiguous costs one copy, `x` likewise.
///   - x: The input of the forward pass.
///   - moments: Those by which was normalized.
///   - gradientMoments: Those of whole rows, one value a row, each of at least one element.
///   - weight: That of the forward pass.
///   - epsilon: That of the forward pass.
/// - Throws: `NormalizationError` for shapes or moments that do not fit, an epsilon that is negative, infinite or NaN, or
///   a backend that is not here.
///
/// With merged moments this differs from ``layerNormBackward(_:x:weight:statistics:backend:)`` in its last bits: the bits of
/// moments depend on how rows were cut. For the same ones it gives the same bits however rows are cut.
public func normalizeBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, moments: [Moments], gradientMoments: [GradientMoments],
    weight: Tensor<Float>? = nil, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    var gradients = try NormGradients(uninitializedLike: x, columns: columns)
    try normalizeBackward(
        outputGradient, x: x, moments: moments, gradientMoments: gradientMoments, weight: weight, epsilon: epsilon,
        into: &gradients, backend: backend)
    return gradients
}

/// As ``normalizeBackward(_:x:moments:gradientMoments:weight:epsilon:backend:)``, into existing gradients, which say by
/// their nils what is wanted.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is
///   always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func normalizeBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, moments: [Moments], gradientMoments: [GradientMoments],
    weight: Tensor<Float>? = nil, epsilon: Float = 1e-5, into gradients: inout NormGradients<Element>,
    accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    let columns = try validatedColumns(outputGradient, x: x, moments: moments, weight: weight, epsilon: epsilon)
    try validate(gradientMoments: gradientMoments, count: moments.count)
    try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
    guard let run = try backend.kernelRun() else {
        let result = RowMomentsReference<Float>.backward(
            outputGradient.widenedArray, x: x.widenedArray, columns: columns, moments: moments,
            gradientMoments: gradientMoments, weight: weight?.array, epsilon: epsilon)
        gradients.input.assign(rounding: result.dx)
        gradients.weight?.put(result.dweight, accumulating: accumulating)
        gradients.bias?.put(result.dbias, accumulating: accumulating)
        return
    }
    gradients.makeUnique()
    try RowMomentsKernels.backward(
        outputGradient.contiguous(), x: x.contiguous(), columns: columns, moments: moments,
        gradientMoments: gradientMoments, weight: weight?.contiguous(), epsilon: epsilon, gradients: gradients.outputs,
        accumulating: accumulating, workspace: gradients.workspace, run: run)
}

/// What both passes are given.
private func validatedColumns<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, moments: [Moments], weight: Tensor<Float>?, epsilon: Float
) throws(NormalizationError) -> Int {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    try validate(moments: moments, count: x.count / columns, argument: "moments")
    try validate(parameter: weight, columns: columns, argument: "weight")
    try validate(epsilon: epsilon)
    return columns
}

private func validate(gradientMoments: [GradientMoments], count: Int) throws(NormalizationError) {
    try validate(count: gradientMoments.count, is: count, argument: "gradientMoments")
    for moments in gradientMoments where moments.count < 1 {
        throw NormalizationError(
            .invalidMoments, argument: "gradientMoments", expected: "at least one element", given: "\(moments.count)")
    }
}
