internal import KernelBridge
internal import ReferenceKernels
public import Tensors

// A residual stream meets the output of a branch: the sum and its normalization, in one pass over memory.

/// What ``residualLayerNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:epsilon:backend:)`` and its
/// kin give.
public struct ResidualNormOutput<Element: KernelElement>: Sendable {
    /// h, the new residual stream, rounded to the storage type.
    public let sum: Tensor<Element>
    /// norm(h), of h before it was rounded.
    public let output: Tensor<Element>
    /// What the backward pass needs.
    public let statistics: RowStatistics
}

/// Adds the output of a branch to a residual stream and normalizes the sum with LayerNorm.
///
/// ```
/// h = residualScale * x + branchScale * dropout(branch + branchBias)
/// y = (h - mean) / sqrt(variance + epsilon) * weight + bias
/// ```
///
/// - Parameters:
///   - x: The residual stream, of any rank of at least 1. A view that is not contiguous costs one copy, `branch` likewise.
///   - branch: The branch's output, of the shape of `x`.
///   - branchBias: One summand a column (the bias of the branch's last linear layer), or nil.
///   - branchScale: One factor a column, or nil: LayerScale (Touvron et al., 2021).
///   - residualScale: DeepNorm's α (Wang et al., 2022), finite.
///   - dropout: Of the branch, or nil.
///   - weight: One factor a column, of any storage type, or nil for ones.
///   - bias: One summand a column, or nil for zeros.
///   - epsilon: Added to the (biased) variance.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or NaN, a scale that is
///   not finite, or a backend that is not here.
///
/// Precision: float32, whatever the storage; h is normalized before it is rounded to 16 bits. Under an offset of 1e6 a small
/// branch is not lost more than one float32 rounding of h loses it.
public func residualLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil,
    branchScale: Tensor<Parameter>? = nil, residualScale: Float = 1, dropout: Dropout? = nil,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> ResidualNormOutput<Element> {
    let terms = NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    return try terms.residualNorm(x, residual, backend: backend)
}

/// As ``residualLayerNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:epsilon:backend:)`` with
/// RMSNorm: `y = h / sqrt(mean(h²) + epsilon) * (weight + weightOffset) + bias`.
public func residualRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil,
    branchScale: Tensor<Parameter>? = nil, residualScale: Float = 1, dropout: Dropout? = nil,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> ResidualNormOutput<Element> {
    let terms = NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    return try terms.residualNorm(x, residual, backend: backend)
}

/// As ``residualLayerNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:epsilon:backend:)``, into existing
/// tensors of the shape of `x`: `sum` becomes h, `y` norm(h). Allocates nothing if they are not shared and all are contiguous.
///
/// - Throws: `NormalizationError`, before `sum` or `y` is touched; also if one of them is not contiguous.
public func residualLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil,
    branchScale: Tensor<Parameter>? = nil, residualScale: Float = 1, dropout: Dropout? = nil,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5, sum: inout Tensor<Element>,
    into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let terms = NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    try terms.residualNorm(x, residual, sum: &sum, into: &y, backend: backend)
}

/// As ``residualLayerNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:epsilon:sum:into:backend:)``, with
/// RMSNorm.
public func residualRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil,
    branchScale: Tensor<Parameter>? = nil, residualScale: Float = 1, dropout: Dropout? = nil,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    sum: inout Tensor<Element>, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let terms = NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: dropout)
    try terms.residualNorm(x, residual, sum: &sum, into: &y, backend: backend)
}

/// As ``residualLayerNorm(_:adding:branchBias:branchScale:residualScale:dropout:weight:bias:epsilon:backend:)``, for the
/// loop of inference: `stream` becomes h, `y` norm(h). Allocates nothing if neither is shared and all are contiguous.
///
/// - Throws: `NormalizationError`, before `stream` or `y` is touched; also if one of them is not contiguous.
public func residualLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    updating stream: inout Tensor<Element>, adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil,
    branchScale: Tensor<Parameter>? = nil, residualScale: Float = 1,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5, into y: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) {
    let terms = NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: nil)
    try terms.residualNorm(updating: &stream, residual, into: &y, backend: backend)
}

/// As ``residualLayerNorm(updating:adding:branchBias:branchScale:residualScale:weight:bias:epsilon:into:backend:)``, with
/// RMSNorm.
public func residualRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    updating stream: inout Tensor<Element>, adding branch: Tensor<Element>, branchBias: Tensor<Parameter>? = nil,
    branchScale: Tensor<Parameter>? = nil, residualScale: Float = 1,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let terms = NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
    let residual = ResidualTerms(
        branch: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale, dropout: nil)
    try terms.residualNorm(updating: &stream, residual, into: &y, backend: backend)
}

extension NormTerms {
    /// The extent of the last axis, if everything fits.
    func validatedColumns<Element: KernelElement>(
        _ x: Tensor<Element>, _ residual: ResidualTerms<Element, Parameter>?
    ) throws(NormalizationError) -> Int {
        let columns = try Normalization.validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
        try validate(finite: weightOffset, argument: "weightOffset")
        guard let residual else { return columns }
        try validate(shape: residual.branch.shape, is: x.shape, argument: "branch")
        try validate(parameter: residual.branchBias, columns: columns, argument: "branchBias")
        try validate(parameter: residual.branchScale, columns: columns, argument: "branchScale")
        try validate(finite: residual.residualScale, argument: "residualScale")
        return columns
    }

    /// With contiguous parameters.
    var contiguous: NormTerms {
        NormTerms(
            norm, weight: weight?.contiguous(), bias: bias?.contiguous(), weightOffset: weightOffset, epsilon: epsilon)
    }

    fileprivate func residualNorm<Element: KernelElement>(
        _ x: Tensor<Element>, _ residual: ResidualTerms<Element, Parameter>, backend: Backend
    ) throws(NormalizationError) -> ResidualNormOutput<Element> {
        let columns = try validatedColumns(x, residual)
        var sum = Tensor<Element>(uninitializedLike: x.shape)
        var y = Tensor<Element>(uninitializedLike: x.shape)
        var statistics = RowStatistics(uninitializedFor: x.shape)
        if let run = try backend.kernelRun() {
            try NormKernels.forward(
                contiguous, x.contiguous(), residual: residual.contiguous,
                outputs: .init(output: y, sum: sum, statistics: statistics), run: run)
        } else {
            let h = residual.reference(columns: columns).sum(x.widenedArray)
            let result = reference(h, columns: columns)
            sum.assign(rounding: h)
            y.assign(rounding: result.y)
            statistics.assign(result)
        }
        return ResidualNormOutput(sum: sum, output: y, statistics: statistics)
    }

    fileprivate func residualNorm<Element: KernelElement>(
        _ x: Tensor<Element>, _ residual: ResidualTerms<Element, Parameter>, sum: inout Tensor<Element>,
        into y: inout Tensor<Element>, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(x, residual)
        try validate(output: sum, like: x, argument: "sum")
        try validate(output: y, like: x, argument: "y")
        if let run = try backend.kernelRun() {
            sum.makeUniqueForOverwriting()
            y.makeUniqueForOverwriting()
            try NormKernels.forward(
                contiguous, x.contiguous(), residual: residual.contiguous, outputs: .init(output: y, sum: sum), run: run)
        } else {
            let h = residual.reference(columns: columns).sum(x.widenedArray)
            sum.assign(rounding: h)
            y.assign(rounding: reference(h, columns: columns).y)
        }
    }

    fileprivate func residualNorm<Element: KernelElement>(
        updating stream: inout Tensor<Element>, _ residual: ResidualTerms<Element, Parameter>,
        into y: inout Tensor<Element>, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(stream, residual)
        try validate(output: y, like: stream, argument: "y")
        try validate(output: stream, like: stream, argument: "stream")
        if let run = try backend.kernelRun() {
            stream.makeUnique()
            y.makeUniqueForOverwriting()
            try NormKernels.forward(
                contiguous, stream, residual: residual.contiguous, outputs: .init(output: y, sum: stream), run: run)
        } else {
            let h = residual.reference(columns: columns).sum(stream.widenedArray)
            stream.assign(rounding: h)
            y.assign(rounding: reference(h, columns: columns).y)
        }
    }
}

extension ResidualTerms {
    /// With contiguous tensors.
    var contiguous: ResidualTerms {
        ResidualTerms(
            branch: branch.contiguous(), branchBias: branchBias?.contiguous(), branchScale: branchScale?.contiguous(),
            residualScale: residualScale, dropout: dropout)
    }

    /// The same in plain Swift.
    func reference(columns: Int) -> ResidualReference<Float> {
        ResidualReference(
            columns: columns, branch: branch.widenedArray, bias: branchBias?.widenedArray,
            scale: branchScale?.widenedArray, residualScale: residualScale, dropout: dropout)
    }
}
