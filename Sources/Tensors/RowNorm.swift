// RowNorm: what the layers of the package tell each other about a normalization over the last axis.

/// Which of the two: they share kernels, the reference and all their options.
@frozen @usableFromInline package enum RowNorm: String, CaseIterable, Sendable {
    case layerNorm, rmsNorm
}

/// The sum that is normalized in place of x: residualScale · x + branchScale ⊙ dropout(branch + branchBias).
package struct ResidualTerms<Element: KernelElement, Parameter: KernelElement>: Sendable {
    package var branch: Tensor<Element>
    package var branchBias: Tensor<Parameter>?
    package var branchScale: Tensor<Parameter>?
    package var residualScale: Float
    package var dropout: Dropout?

    package init(
        branch: Tensor<Element>, branchBias: Tensor<Parameter>?, branchScale: Tensor<Parameter>?, residualScale: Float,
        dropout: Dropout?
    ) {
        self.branch = branch
        self.branchBias = branchBias
        self.branchScale = branchScale
        self.residualScale = residualScale
        self.dropout = dropout
    }
}

/// Weight and bias of a normalization, and what else its formula has.
package struct NormTerms<Parameter: KernelElement>: Sendable {
    package var norm: RowNorm
    package var weight: Tensor<Parameter>?
    package var bias: Tensor<Parameter>?
    package var weightOffset: Float
    package var epsilon: Float

    package init(
        _ norm: RowNorm, weight: Tensor<Parameter>?, bias: Tensor<Parameter>?, weightOffset: Float, epsilon: Float
    ) {
        self.norm = norm
        self.weight = weight
        self.bias = bias
        self.weightOffset = weightOffset
        self.epsilon = epsilon
    }
}
