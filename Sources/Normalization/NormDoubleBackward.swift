internal import KernelBridge
internal import ReferenceKernels
public import Tensors

// Gradients of gradients, as gradient penalties need them.

/// Gradients of the backward pass of a LayerNorm or RMSNorm.
public struct NormSecondGradients<Element: KernelElement>: Sendable {
    /// For `outputGradient`, the input of the backward pass.
    public fileprivate(set) var outputGradient: Tensor<Element>
    /// For `x`.
    public fileprivate(set) var input: Tensor<Element>
    /// For `weight`: a sum over rows, in float32 whatever the storage. (The backward pass does not depend on the bias.)
    public fileprivate(set) var weight: Tensor<Float>

    /// Partial sums over rows; kept so that the next pass allocates nothing.
    fileprivate var workspace: Tensor<Float>

    /// Zero gradients for an input of `shape`, to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for a shape without a last axis, or too large.
    public init(shape: Shape) throws(NormalizationError) {
        let columns = try validatedColumns(of: shape, argument: "shape")
        let zeros = try Tensor(repeating: Element.zero, shape: shape)
        self.init(
            outputGradient: zeros, input: zeros, weight: try Tensor(repeating: 0, shape: [columns]), columns: columns)
    }

    fileprivate init(outputGradient: Tensor<Element>, input: Tensor<Element>, weight: Tensor<Float>, columns: Int) {
        self.outputGradient = outputGradient
        self.input = input
        self.weight = weight
        workspace = Tensor(uninitializedLike: [
            NormSecondOrderKernels.workspaceCount(rows: input.count / columns, columns: columns)
        ])
    }
}

/// The pullback of ``layerNormBackward(_:x:weight:statistics:backend:)``, as a loss needs it that depends on gradients.
///
/// With `xhat = (x - mean) * rstd`, `g = outputGradient * weight`, `J(v) = rstd * (v - mean(v) - xhat * mean(v * xhat))`,
/// cotangents v, p, q of the gradients of input, weight and bias, and `s = mean(v * xhat)`, `m = mean(g * xhat)`,
/// `c = mean((v - mean(v)) * (g - mean(g)))`:
/// ```
/// outputGradient = J(v) * weight + xhat * p + q
/// input          = J(p * outputGradient) - rstd² (m (v - mean(v)) + s (g - mean(g)) + xhat (c - 3 s m))
/// weight         = sum over rows of outputGradient * J(v)
/// ```
///
/// - Parameters:
///   - inputCotangent: v, of the shape of `x`. A view that is not contiguous costs one copy, the other tensors likewise.
///   - weightCotangent: p, one element a column, or nil for zeros.
///   - biasCotangent: q, one element a column, or nil for zeros.
///   - outputGradient: What the backward pass was given.
///   - x: The input of the forward pass.
///   - weight: The weight of the forward pass.
///   - statistics: What the forward pass saved; the gradient for `x` includes what goes through them.
/// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
///
/// Precision: float32, rows centred before they are summed, as in the backward pass; 16-bit results are rounded once.
/// Source of the use: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", 2017.
public func layerNormDoubleBackward<Element: KernelElement, Parameter: KernelElement>(
    inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>? = nil, biasCotangent: Tensor<Float>? = nil,
    outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> NormSecondGradients<Element> {
    try RowNorm.layerNorm.doubleBackward(
        inputCotangent: inputCotangent, weightCotangent: weightCotangent, biasCotangent: biasCotangent,
        outputGradient: outputGradient, x: x, weight: weight, weightOffset: 0, statistics: statistics, backend: backend)
}

/// As ``layerNormDoubleBackward(inputCotangent:weightCotangent:biasCotangent:outputGradient:x:weight:statistics:backend:)``,
/// into existing gradients. Allocates nothing if they are not shared and the inputs are contiguous.
///
/// - Parameter accumulating: Whether to add to the gradient of the weight (the others are always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func layerNormDoubleBackward<Element: KernelElement, Parameter: KernelElement>(
    inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>? = nil, biasCotangent: Tensor<Float>? = nil,
    outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, statistics: RowStatistics,
    into gradients: inout NormSecondGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.layerNorm.doubleBackward(
        inputCotangent: inputCotangent, weightCotangent: weightCotangent, biasCotangent: biasCotangent,
        outputGradient: outputGradient, x: x, weight: weight, weightOffset: 0, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

/// ``layerNormDoubleBackward(inputCotangent:weightCotangent:biasCotangent:outputGradient:x:weight:statistics:backend:)``
/// with weight 1.
public func layerNormDoubleBackward<Element: KernelElement>(
    inputCotangent: Tensor<Element>, outputGradient: Tensor<Element>, x: Tensor<Element>, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> NormSecondGradients<Element> {
    try layerNormDoubleBackward(
        inputCotangent: inputCotangent, outputGradient: outputGradient, x: x, weight: Tensor<Float>?.none,
        statistics: statistics, backend: backend)
}

/// The pullback of ``rmsNormBackward(_:x:weight:weightOffset:statistics:backend:)``: as that of LayerNorm with means 0
/// where they stand alone, and weight + weightOffset for the weight.
///
/// - Throws: `NormalizationError` for shapes that do not fit, an offset that is not finite, or a backend that is not here.
public func rmsNormDoubleBackward<Element: KernelElement, Parameter: KernelElement>(
    inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>? = nil, biasCotangent: Tensor<Float>? = nil,
    outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> NormSecondGradients<Element> {
    try RowNorm.rmsNorm.doubleBackward(
        inputCotangent: inputCotangent, weightCotangent: weightCotangent, biasCotangent: biasCotangent,
        outputGradient: outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics,
        backend: backend)
}

/// As
/// ``rmsNormDoubleBackward(inputCotangent:weightCotangent:biasCotangent:outputGradient:x:weight:weightOffset:statistics:backend:)``,
/// into existing gradients. Allocates nothing if they are not shared and the inputs are contiguous.
///
/// - Parameter accumulating: Whether to add to the gradient of the weight (the others are always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func rmsNormDoubleBackward<Element: KernelElement, Parameter: KernelElement>(
    inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>? = nil, biasCotangent: Tensor<Float>? = nil,
    outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, into gradients: inout NormSecondGradients<Element>, accumulating: Bool = false,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.rmsNorm.doubleBackward(
        inputCotangent: inputCotangent, weightCotangent: weightCotangent, biasCotangent: biasCotangent,
        outputGradient: outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics,
        into: &gradients, accumulating: accumulating, backend: backend)
}

extension RowNorm {
    fileprivate func doubleBackward<Element: KernelElement, Parameter: KernelElement>(
        inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>?, biasCotangent: Tensor<Float>?,
        outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        statistics: RowStatistics, backend: Backend
    ) throws(NormalizationError) -> NormSecondGradients<Element> {
        let columns = try validatedColumns(of: x.shape, argument: "x")
        var gradients = NormSecondGradients<Element>(
            outputGradient: Tensor(uninitializedLike: x.shape), input: Tensor(uninitializedLike: x.shape),
            weight: Tensor(uninitializedLike: [columns]), columns: columns)
        try doubleBackward(
            inputCotangent: inputCotangent, weightCotangent: weightCotangent, biasCotangent: biasCotangent,
            outputGradient: outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics,
            into: &gradients, accumulating: false, backend: backend)
        return gradients
    }

    fileprivate func doubleBackward<Element: KernelElement, Parameter: KernelElement>(
        inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>?, biasCotangent: Tensor<Float>?,
        outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        statistics: RowStatistics, into gradients: inout NormSecondGradients<Element>, accumulating: Bool,
        backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(of: x.shape, argument: "x")
        try validate(shape: inputCotangent.shape, is: x.shape, argument: "inputCotangent")
        try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
        try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
        try validate(parameter: weight, columns: columns, argument: "weight")
        try validate(parameter: weightCotangent, columns: columns, argument: "weightCotangent")
        try validate(parameter: biasCotangent, columns: columns, argument: "biasCotangent")
        try validate(count: statistics.mean.count, is: x.count / columns, argument: "statistics")
        try validate(finite: weightOffset, argument: "weightOffset")
        guard let run = try backend.kernelRun() else {
            let terms = NormTerms(self, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
            let result = NormReference.doubleBackward(
                self, inputCotangent.widenedArray, weightCotangent: weightCotangent?.array,
                biasCotangent: biasCotangent?.array, dy: outputGradient.widenedArray,
                passes: terms.passes(x, columns: columns, statistics: statistics))
            gradients.outputGradient.assign(rounding: result.dy)
            gradients.input.assign(rounding: result.dx)
            gradients.weight.put(result.dweight, accumulating: accumulating)
            return
        }
        gradients.outputGradient.makeUniqueForOverwriting()
        gradients.input.makeUniqueForOverwriting()
        gradients.weight.makeUnique()
        gradients.workspace.makeUniqueForOverwriting()
        let outputs = NormSecondOrderKernels.Gradients(
            outputGradient: gradients.outputGradient, input: gradients.input, weight: gradients.weight)
        try NormSecondOrderKernels.doubleBackward(
            self, inputCotangent: inputCotangent.contiguous(), weightCotangent: weightCotangent?.contiguous(),
            biasCotangent: biasCotangent?.contiguous(), outputGradient: outputGradient.contiguous(), x: x.contiguous(),
            weight: weight?.contiguous(), weightOffset: weightOffset, statistics: statistics, gradients: outputs,
            accumulating: accumulating, workspace: gradients.workspace, run: run)
    }
}
