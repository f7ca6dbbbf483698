internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of a layer normalization.
public struct LayerNormGradients: Sendable {
    /// For the input: the shape of `x`.
    public fileprivate(set) var input: Tensor<Float>
    /// For `weight`, or nil if not wanted.
    public fileprivate(set) var weight: Tensor<Float>?
    /// For `bias`, or nil if not wanted.
    public fileprivate(set) var bias: Tensor<Float>?

    /// Partial sums over rows; kept so that the next pass allocates nothing.
    fileprivate var workspace: Tensor<Float>

    /// Zero gradients for an input of `shape`, to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for a shape without a last axis, or too large.
    public init(shape: Shape, weight: Bool = true, bias: Bool = true) throws(NormalizationError) {
        let columns = try validatedColumns(of: shape, argument: "shape")
        input = try Tensor(repeating: 0, shape: shape)
        self.weight = weight ? try Tensor(repeating: 0, shape: [columns]) : nil
        self.bias = bias ? try Tensor(repeating: 0, shape: [columns]) : nil
        workspace = Self.workspace(for: input, columns: columns)
    }

    /// Gradients whose `input` is not initialised, for a kernel to fill; shaped like an existing tensor.
    fileprivate init(uninitializedLike x: Tensor<Float>, columns: Int) throws(NormalizationError) {
        input = Tensor(uninitializedLike: x.shape)
        weight = try Tensor(repeating: 0, shape: [columns])
        bias = try Tensor(repeating: 0, shape: [columns])
        workspace = Self.workspace(for: input, columns: columns)
    }

    private static func workspace(for input: Tensor<Float>, columns: Int) -> Tensor<Float> {
        Tensor(uninitializedLike: [LayerNormKernels.workspaceCount(rows: input.count / columns, columns: columns)])
    }
}

/// The pullback of ``layerNormWithStatistics(_:weight:bias:epsilon:backend:)``.
///
/// With `xhat = (x - mean) * rstd` and `g = outputGradient * weight`, over each row:
/// ```
/// input  = rstd * (g - mean(g) - xhat * mean(g * xhat))
/// weight = sum over rows of outputGradient * xhat
/// bias   = sum over rows of outputGradient
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `x`. A view that is not contiguous costs one copy, `x` likewise.
///   - x: The input of the forward pass.
///   - weight: The weight of the forward pass.
///   - statistics: What the forward pass saved.
/// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
///
/// Precision: float32; rows are centred before they are summed, as in the forward pass, so that a common offset of
/// `x` or of `outputGradient` costs nothing. Rows of one element give exactly 0.
public func layerNormBackward(
    _ outputGradient: Tensor<Float>, x: Tensor<Float>, weight: Tensor<Float>? = nil, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> LayerNormGradients {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    var gradients = try LayerNormGradients(uninitializedLike: x, columns: columns)
    try layerNormBackward(
        outputGradient, x: x, weight: weight, statistics: statistics, into: &gradients, backend: backend)
    return gradients
}

/// As ``layerNormBackward(_:x:weight:statistics:backend:)``, into existing gradients, which say by their
/// nils what is wanted. Allocates nothing if they are not shared and the inputs are contiguous.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is
///   always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func layerNormBackward(
    _ outputGradient: Tensor<Float>, x: Tensor<Float>, weight: Tensor<Float>? = nil, statistics: RowStatistics,
    into gradients: inout LayerNormGradients, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
    try validate(count: statistics.mean.count, is: x.count / columns, argument: "statistics")
    try validate(parameter: weight, columns: columns, argument: "weight")
    let weight = weight?.contiguous()
    let x = x.contiguous()
    let dy = outputGradient.contiguous()
    if let run = try backend.kernelRun() {
        try LayerNormKernels.backward(
            dy, x: x, weight: weight, statistics: statistics, inputGradient: &gradients.input,
            weightGradient: &gradients.weight, biasGradient: &gradients.bias, accumulating: accumulating,
            workspace: &gradients.workspace, run: run)
        return
    }
    let result = LayerNormReference.backward(
        dy.array, x: x.array, columns: columns, weight: weight?.array, mean: statistics.mean.array,
        meanLow: statistics.meanLow.array, rstd: statistics.reciprocalDeviation.array)
    gradients.input.assign(result.dx)
    gradients.weight?.put(result.dweight, accumulating: accumulating)
    gradients.bias?.put(result.dbias, accumulating: accumulating)
}

extension Tensor<Float> {
    mutating func put(_ sums: [Float], accumulating: Bool) {
        assign(accumulating ? zip(array, sums).map { $0 + $1 } : sums)
    }
}
