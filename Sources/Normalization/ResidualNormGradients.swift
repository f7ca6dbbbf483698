internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of a residual sum and its normalization.
public struct ResidualNormGradients<Element: KernelElement>: Sendable {
    /// For the residual stream `x`.
    public fileprivate(set) var input: Tensor<Element>
    /// For the output of the branch.
    public fileprivate(set) var branch: Tensor<Element>
    /// Sums over rows, in float32 whatever the storage.
    public fileprivate(set) var weight, bias, branchBias, branchScale: Tensor<Float>

    /// Partial sums over rows; kept so that the next pass allocates nothing.
    fileprivate var workspace: Tensor<Float>

    /// Zero gradients for an input of `shape`, to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for a shape without a last axis, or too large.
    public init(shape: Shape) throws(NormalizationError) {
        let columns = try validatedColumns(of: shape, argument: "shape")
        input = try Tensor(repeating: .zero, shape: shape)
        branch = try Tensor(repeating: .zero, shape: shape)
        weight = try Tensor(repeating: 0, shape: [columns])
        bias = weight
        branchBias = weight
        branchScale = weight
        workspace = Tensor(sumsOverRowsOf: shape, residual: true)
    }
}

/// The pullback of
/// ``residualLayerNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:epsilon:backend:)``.
///
/// With `dh = layerNormBackward(outputGradient) + sumGradient`:
/// ```
/// input       = residualScale * dh
/// branch      = dropout(branchScale * dh)
/// branchBias  = sum over rows of branch
/// branchScale = sum over rows of dh * dropout(branch + branchBias)
/// ```
/// and weight and bias as in ``layerNormBackward(_:x:weight:statistics:backend:)``. h is computed anew from `x` and
/// `branch`; dropout drops the same elements again.
///
/// - Parameters:
///   - outputGradient: For `output`, the shape of `x`.
///   - sumGradient: For `sum`, from whatever else reads the residual stream; nil for none.
///   - statistics: What the forward pass saved. The other arguments are those of the forward pass.
/// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
public func residualLayerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>? = nil, x: Tensor<Element>,
    adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil, branchScale: Tensor<Parameter>? = nil,
    residualScale: Float = 1, dropout: Dropout? = nil, weight: Tensor<Parameter>?, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> ResidualNormGradients<Element> {
    let terms = NormTerms(.layerNorm, weight: weight, bias: nil, weightOffset: 0, epsilon: 0)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    var gradients = try ResidualNormGradients<Element>(shape: x.shape)
    try terms.residualNormBackward(
        outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, into: &gradients,
        accumulating: false, backend: backend)
    return gradients
}

/// The pullback of
/// ``residualRMSNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:weightOffset:epsilon:backend:)``;
/// see ``residualLayerNormBackward(_:sumGradient:x:adding:branchBias:branchScale:residualScale:dropout:weight:statistics:backend:)``.
public func residualRMSNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>? = nil, x: Tensor<Element>,
    adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil, branchScale: Tensor<Parameter>? = nil,
    residualScale: Float = 1, dropout: Dropout? = nil, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> ResidualNormGradients<Element> {
    let terms = NormTerms(.rmsNorm, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    var gradients = try ResidualNormGradients<Element>(shape: x.shape)
    try terms.residualNormBackward(
        outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, into: &gradients,
        accumulating: false, backend: backend)
    return gradients
}

/// As ``residualLayerNormBackward(_:sumGradient:x:adding:branchBias:branchScale:residualScale:dropout:weight:statistics:backend:)``, into
/// existing gradients. Allocates nothing if they are not shared and the inputs are contiguous.
///
/// - Parameter accumulating: Whether to add to the sums over rows (the gradients of input and branch are always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func residualLayerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>? = nil, x: Tensor<Element>,
    adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil, branchScale: Tensor<Parameter>? = nil,
    residualScale: Float = 1, dropout: Dropout? = nil, weight: Tensor<Parameter>?, statistics: RowStatistics,
    into gradients: inout ResidualNormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    let terms = NormTerms(.layerNorm, weight: weight, bias: nil, weightOffset: 0, epsilon: 0)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    try terms.residualNormBackward(
        outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

/// As ``residualRMSNormBackward(_:sumGradient:x:adding:branchBias:branchScale:residualScale:dropout:weight:weightOffset:statistics:backend:)``, into
/// existing gradients. Allocates nothing if they are not shared and the inputs are contiguous.
///
/// - Parameter accumulating: Whether to add to the sums over rows (the gradients of input and branch are always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func residualRMSNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>? = nil, x: Tensor<Element>,
    adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil, branchScale: Tensor<Parameter>? = nil,
    residualScale: Float = 1, dropout: Dropout? = nil, weight: Tensor<Parameter>?, weightOffset: Float = 0, statistics: RowStatistics,
    into gradients: inout ResidualNormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    let terms = NormTerms(.rmsNorm, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    try terms.residualNormBackward(
        outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, into: &gradients,
        accumulating: accumulating, backend: backend)
}

extension NormTerms {
    fileprivate func residualNormBackward<Element: KernelElement>(
        _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>?, x: Tensor<Element>,
        _ residual: ResidualTerms<Element, Parameter>, statistics: RowStatistics,
        into gradients: inout ResidualNormGradients<Element>, accumulating: Bool, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(x, residual)
        try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
        if let sumGradient { try validate(shape: sumGradient.shape, is: x.shape, argument: "sumGradient") }
        try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
        try validate(count: statistics.mean.count, is: x.count / columns, argument: "statistics")
        guard let run = try backend.kernelRun() else {
            gradients.put(
                reference(outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics),
                accumulating: accumulating)
            return
        }
        gradients.makeUnique()
        let outputs = NormKernels.Gradients(
            input: gradients.input, branch: gradients.branch, weight: gradients.weight, bias: gradients.bias,
            branchBias: gradients.branchBias, branchScale: gradients.branchScale)
        try NormKernels.backward(
            norm, outputGradient.contiguous(), sumGradient: sumGradient?.contiguous(), x: x.contiguous(),
            residual: residual.contiguous, weight: weight?.contiguous(), weightOffset: weightOffset,
            statistics: statistics, gradients: outputs, accumulating: accumulating, workspace: gradients.workspace,
            run: run)
    }

    private func reference<Element: KernelElement>(
        _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>?, x: Tensor<Element>,
        _ residual: ResidualTerms<Element, Parameter>, statistics: RowStatistics
    ) -> (norm: NormReference<Float>.Gradients, sum: ResidualReference<Float>.Gradients) {
        let columns = x.shape[x.shape.rank - 1]
        let sum = residual.reference(columns: columns)
        let result = NormReference.backward(
            norm, outputGradient.widenedArray, x: sum.sum(x.widenedArray), columns: columns, weight: offsetWeight,
            mean: statistics.mean.array, meanLow: statistics.meanLow.array, rstd: statistics.reciprocalDeviation.array)
        let dh = sumGradient.map { zip(result.dx, $0.widenedArray).map { $0 + $1 } } ?? result.dx
        return (result, sum.gradients(dh))
    }
}

extension ResidualNormGradients {
    fileprivate mutating func makeUnique() {
        input.makeUniqueForOverwriting()
        branch.makeUniqueForOverwriting()
        weight.makeUnique()
        bias.makeUnique()
        branchBias.makeUnique()
        branchScale.makeUnique()
        workspace.makeUniqueForOverwriting()
    }

    fileprivate mutating func put(
        _ result: (norm: NormReference<Float>.Gradients, sum: ResidualReference<Float>.Gradients), accumulating: Bool
    ) {
        input.assign(rounding: result.sum.x)
        branch.assign(rounding: result.sum.branch)
        weight.put(result.norm.dweight, accumulating: accumulating)
        bias.put(result.norm.dbias, accumulating: accumulating)
        branchBias.put(result.sum.bias, accumulating: accumulating)
        branchScale.put(result.sum.scale, accumulating: accumulating)
    }
}
