internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of a residual sum and its normalization.
public struct ResidualNormGradients<Element: KernelElement>: Sendable {
    /// For the residual stream `x`.
    public let input: Tensor<Element>
    /// For the output of the branch.
    public let branch: Tensor<Element>
    /// Sums over rows, in float32.
    public let weight, bias, branchBias, branchScale: Tensor<Float>
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
    return try terms.residualNormBackward(
        outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, backend: backend)
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
    return try terms.residualNormBackward(
        outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, backend: backend)
}

extension NormTerms {
    fileprivate func residualNormBackward<Element: KernelElement>(
        _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>?, x: Tensor<Element>,
        _ residual: ResidualTerms<Element, Parameter>, statistics: RowStatistics, backend: Backend
    ) throws(NormalizationError) -> ResidualNormGradients<Element> {
        let columns = try validatedColumns(x, residual)
        try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
        if let sumGradient { try validate(shape: sumGradient.shape, is: x.shape, argument: "sumGradient") }
        try validate(count: statistics.mean.count, is: x.count / columns, argument: "statistics")
        guard let run = try backend.kernelRun() else {
            return try reference(
                outputGradient, sumGradient: sumGradient, x: x, residual, statistics: statistics, columns: columns)
        }
        let gradients = ResidualNormGradients<Element>(
            input: Tensor(uninitializedLike: x.shape), branch: Tensor(uninitializedLike: x.shape),
            weight: Tensor(uninitializedLike: [columns]), bias: Tensor(uninitializedLike: [columns]),
            branchBias: Tensor(uninitializedLike: [columns]), branchScale: Tensor(uninitializedLike: [columns]))
        let outputs = NormKernels.Gradients(
            input: gradients.input, branch: gradients.branch, weight: gradients.weight, bias: gradients.bias,
            branchBias: gradients.branchBias, branchScale: gradients.branchScale)
        try NormKernels.backward(
            norm, outputGradient.contiguous(), sumGradient: sumGradient?.contiguous(), x: x.contiguous(),
            residual: residual.contiguous, weight: weight?.contiguous(), weightOffset: weightOffset,
            statistics: statistics, gradients: outputs, accumulating: false,
            workspace: Tensor(sumsOverRowsOf: x.shape, residual: true), run: run)
        return gradients
    }

    private func reference<Element: KernelElement>(
        _ outputGradient: Tensor<Element>, sumGradient: Tensor<Element>?, x: Tensor<Element>,
        _ residual: ResidualTerms<Element, Parameter>, statistics: RowStatistics, columns: Int
    ) throws(NormalizationError) -> ResidualNormGradients<Element> {
        let sum = residual.reference(columns: columns)
        let result = NormReference.backward(
            norm, outputGradient.widenedArray, x: sum.sum(x.widenedArray), columns: columns, weight: offsetWeight,
            mean: statistics.mean.array, meanLow: statistics.meanLow.array, rstd: statistics.reciprocalDeviation.array)
        let dh = sumGradient.map { zip(result.dx, $0.widenedArray).map { $0 + $1 } } ?? result.dx
        let gradients = sum.gradients(dh)
        return ResidualNormGradients(
            input: try Tensor(gradients.x.map { Element(rounding: $0) }, shape: x.shape),
            branch: try Tensor(gradients.branch.map { Element(rounding: $0) }, shape: x.shape),
            weight: Tensor(result.dweight), bias: Tensor(result.dbias), branchBias: Tensor(gradients.bias),
            branchScale: Tensor(gradients.scale))
    }
}
