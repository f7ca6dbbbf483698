internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of a LayerNorm or RMSNorm.
public struct NormGradients<Element: KernelElement>: Sendable {
    /// For the input: the shape of `x`.
    public internal(set) var input: Tensor<Element>
    /// For `weight`, or nil if not wanted. A sum over rows, in float32 whatever the storage.
    public internal(set) var weight: Tensor<Float>?
    /// For `bias`, or nil if not wanted.
    public internal(set) var bias: Tensor<Float>?

    /// Partial sums over rows; kept so that the next pass allocates nothing.
    private(set) var workspace: Tensor<Float>

    /// Zero gradients for an input of `shape`, to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for a shape without a last axis, or too large.
    public init(shape: Shape, weight: Bool = true, bias: Bool = true) throws(NormalizationError) {
        let columns = try validatedColumns(of: shape, argument: "shape")
        input = try Tensor(repeating: .zero, shape: shape)
        self.weight = weight ? try Tensor(repeating: 0, shape: [columns]) : nil
        self.bias = bias ? try Tensor(repeating: 0, shape: [columns]) : nil
        workspace = Tensor(sumsOverRowsOf: shape, residual: false)
    }

    /// Gradients whose `input` is not initialised, for a kernel to fill; shaped like an existing tensor.
    init(uninitializedLike x: Tensor<Element>, columns: Int) throws(NormalizationError) {
        input = Tensor(uninitializedLike: x.shape)
        weight = try Tensor(repeating: 0, shape: [columns])
        bias = try Tensor(repeating: 0, shape: [columns])
        workspace = Tensor(sumsOverRowsOf: x.shape, residual: false)
    }

    /// For kernels, which write to tensors that are not shared.
    mutating func makeUnique() {
        input.makeUniqueForOverwriting()
        weight?.makeUnique()
        bias?.makeUnique()
        workspace.makeUniqueForOverwriting()
    }

    var outputs: NormKernels.Gradients<Element> { NormKernels.Gradients(input: input, weight: weight, bias: bias) }
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
public func layerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    try RowNorm.layerNorm.backward(
        outputGradient, x: x, weight: weight, weightOffset: 0, statistics: statistics, backend: backend)
}

/// As ``layerNormBackward(_:x:weight:statistics:backend:)``, into existing gradients, which say by their
/// nils what is wanted. Allocates nothing if they are not shared and the inputs are contiguous.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is
///   always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func layerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, statistics: RowStatistics,
    into gradients: inout NormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.layerNorm.backward(
        outputGradient, x: x, weight: weight, weightOffset: 0, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

/// The pullback of ``rmsNormWithStatistics(_:weight:bias:weightOffset:epsilon:backend:)``: as that of LayerNorm with
/// means 0 and `g = outputGradient * (weight + weightOffset)`:
/// ```
/// input  = rstd * (g - xhat * mean(g * xhat)),   xhat = x * rstd
/// ```
///
/// - Throws: `NormalizationError` for shapes that do not fit, an offset that is not finite, or a backend that is not here.
public func rmsNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    try RowNorm.rmsNorm.backward(
        outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics, backend: backend)
}

/// As ``rmsNormBackward(_:x:weight:weightOffset:statistics:backend:)``, into existing gradients, which say by their
/// nils what is wanted.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias.
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func rmsNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, into gradients: inout NormGradients<Element>, accumulating: Bool = false,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.rmsNorm.backward(
        outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

// MARK: - Without weight

/// ``layerNormBackward(_:x:weight:statistics:backend:)`` with weight 1.
public func layerNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    try layerNormBackward(
        outputGradient, x: x, weight: Tensor<Float>?.none, statistics: statistics, backend: backend)
}

/// ``rmsNormBackward(_:x:weight:weightOffset:statistics:backend:)`` with weight 1.
public func rmsNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    try rmsNormBackward(
        outputGradient, x: x, weight: Tensor<Float>?.none, statistics: statistics, backend: backend)
}

/// The same into existing gradients.
public func layerNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, statistics: RowStatistics,
    into gradients: inout NormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    try layerNormBackward(
        outputGradient, x: x, weight: Tensor<Float>?.none, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

/// The same into existing gradients.
public func rmsNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, statistics: RowStatistics,
    into gradients: inout NormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    try rmsNormBackward(
        outputGradient, x: x, weight: Tensor<Float>?.none, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

extension RowNorm {
    fileprivate func backward<Element: KernelElement, Parameter: KernelElement>(
        _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        statistics: RowStatistics, backend: Backend
    ) throws(NormalizationError) -> NormGradients<Element> {
        let columns = try validatedColumns(of: x.shape, argument: "x")
        var gradients = try NormGradients(uninitializedLike: x, columns: columns)
        try backward(
            outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics, into: &gradients,
            accumulating: false, backend: backend)
        return gradients
    }

    fileprivate func backward<Element: KernelElement, Parameter: KernelElement>(
        _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        statistics: RowStatistics, into gradients: inout NormGradients<Element>, accumulating: Bool, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(of: x.shape, argument: "x")
        try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
        try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
        try validate(count: statistics.mean.count, is: x.count / columns, argument: "statistics")
        try validate(parameter: weight, columns: columns, argument: "weight")
        try validate(finite: weightOffset, argument: "weightOffset")
        guard let run = try backend.kernelRun() else {
            let terms = NormTerms(self, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
            let result = NormReference.backward(
                self, outputGradient.widenedArray, x: x.widenedArray, columns: columns, weight: terms.offsetWeight,
                mean: statistics.mean.array, meanLow: statistics.meanLow.array,
                rstd: statistics.reciprocalDeviation.array)
            gradients.input.assign(rounding: result.dx)
            gradients.weight?.put(result.dweight, accumulating: accumulating)
            gradients.bias?.put(result.dbias, accumulating: accumulating)
            return
        }
        gradients.makeUnique()
        try NormKernels.backward(
            self, outputGradient.contiguous(), sumGradient: nil, x: x.contiguous(), residual: nil,
            weight: weight?.contiguous(), weightOffset: weightOffset, statistics: statistics, gradients: gradients.outputs,
            accumulating: accumulating, workspace: gradients.workspace, run: run)
    }
}

extension Tensor<Float> {
    /// Room for the partial sums over rows of a backward pass.
    init(sumsOverRowsOf shape: Shape, residual: Bool) {
        let columns = shape[shape.rank - 1]
        let rows = (shape.elementCount ?? 0) / columns
        self.init(
            uninitializedLike: [NormKernels.workspaceCount(rows: rows, columns: columns, residual: residual)])
    }

    mutating func put(_ sums: [Float], accumulating: Bool) {
        assign(accumulating ? zip(array, sums).map { $0 + $1 } : sums)
    }
}
