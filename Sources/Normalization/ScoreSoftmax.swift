internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// The softmax of attention scores under a mask, in one pass.
///
/// ```
/// s = scale * scores, changed by the mask in the order that AttentionMask states
/// y = exp(s) / (exp(sink) + sum(exp(s)))              sums over the keys that take part; without sinks exp(sink) is 0
/// ```
///
/// - Parameters:
///   - scores: [batch, heads, queries, keys], or without the leading ones, which are 1 then. Leading axes may have any
///     strides; a last axis that is not contiguous costs one copy.
///   - scale: What scores are multiplied by, first of all.
///   - mask: Which keys a query sees, and what is added to their scores.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `scores`.
/// - Throws: `NormalizationError` for scores of another rank or without keys, a scale that is not finite, a part of the
///   mask that does not fit, or a backend that is not here.
///
/// Precision: float32, rounded once for the smaller types. Keys that take no part are exactly 0, and nothing of them
/// shows. A query that sees none is 0 everywhere. A row with ∞ or a NaN among the keys that take part, or in its sink, is
/// NaN there, and 0 where s is -∞. Without a mask it is ``softmax(_:backend:)`` of `scale * scores`; the bits are the
/// same whether a key is left out by a boolean or by a structured mask, which skips it instead of computing it.
public func scoreSoftmax<Element: KernelElement>(
    _ scores: Tensor<Element>, scale: Float = 1, mask: AttentionMask = AttentionMask(), backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: scores.shape)
    var none: Tensor<Float>?
    try forward(scores, scale: scale, mask: mask, into: &y, logSumExp: &none, backend: backend)
    return y
}

/// As ``scoreSoftmax(_:scale:mask:backend:)``, and ln(exp(sink) + sum(exp(s))) of every row: what ``scoreSoftmaxBackward``
/// needs with sinks. Of a query that sees no key it is -∞, or its sink.
public func scoreSoftmaxWithLogSumExp<Element: KernelElement>(
    _ scores: Tensor<Element>, scale: Float = 1, mask: AttentionMask = AttentionMask(), backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, logSumExp: Tensor<Float>) {
    var y = Tensor<Element>(uninitializedLike: scores.shape)
    var sums: Tensor<Float>? = Tensor(uninitializedLike: Shape(Array(scores.shape.extents.dropLast())))
    try forward(scores, scale: scale, mask: mask, into: &y, logSumExp: &sums, backend: backend)
    return (y, sums!)
}

/// As ``scoreSoftmax(_:scale:mask:backend:)``, into an existing tensor of the shape of `scores`.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the last axis of `y` is not contiguous.
public func scoreSoftmax<Element: KernelElement>(
    _ scores: Tensor<Element>, scale: Float = 1, mask: AttentionMask = AttentionMask(), into y: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) {
    var none: Tensor<Float>?
    try forward(scores, scale: scale, mask: mask, into: &y, logSumExp: &none, backend: backend)
}

/// As ``scoreSoftmax(_:scale:mask:backend:)``, replacing `scores` by the result.
///
/// - Throws: `NormalizationError`, before `scores` is touched; also if their last axis is not contiguous.
public func scoreSoftmax<Element: KernelElement>(
    inPlace scores: inout Tensor<Element>, scale: Float = 1, mask: AttentionMask = AttentionMask(),
    backend: Backend = .automatic
) throws(NormalizationError) {
    let fitted = try ScoreMask(mask, for: scores.scoreShape(argument: "scores"))
    try validate(finite: scale, argument: "scale")
    guard scores.hasContiguousRows else { throw .rowsNotContiguous(argument: "scores", strides: scores.strides) }
    if let run = try backend.kernelRun() {
        scores.makeUnique()
        let view = try scores.asScores(fitted.shape)
        try ScoreSoftmaxKernels.forward(view, scale: scale, mask: fitted, output: view, logSumExp: nil, run: run)
    } else {
        let output = ScoreSoftmaxReference.forward(scores.array.map(\.widened), scale: scale, mask: fitted)
        scores.assign(output.y.map(Element.init(rounding:)))
    }
}

private func forward<Element: KernelElement>(
    _ scores: Tensor<Element>, scale: Float, mask: AttentionMask, into y: inout Tensor<Element>,
    logSumExp: inout Tensor<Float>?, backend: Backend
) throws(NormalizationError) {
    let fitted = try ScoreMask(mask, for: scores.scoreShape(argument: "scores"))
    try validate(finite: scale, argument: "scale")
    try validate(shape: y.shape, is: scores.shape, argument: "y")
    guard y.hasContiguousRows else { throw .rowsNotContiguous(argument: "y", strides: y.strides) }
    if let run = try backend.kernelRun() {
        y.makeUniqueForOverwriting()
        try ScoreSoftmaxKernels.forward(
            scores.asScores(fitted.shape), scale: scale, mask: fitted, output: y.asScores(fitted.shape),
            logSumExp: logSumExp, run: run)
    } else {
        let output = ScoreSoftmaxReference.forward(scores.array.map(\.widened), scale: scale, mask: fitted)
        y.assign(output.y.map(Element.init(rounding:)))
        logSumExp?.assign(output.logSumExp)
    }
}

extension Tensor where Element: KernelElement {
    /// Extents as those of [batch, heads, queries, keys].
    ///
    /// - Throws: `NormalizationError` for fewer than two axes, more than four, or no keys.
    func scoreShape(argument: String) throws(NormalizationError) -> ScoreShape {
        guard (2...4).contains(shape.rank) else {
            throw NormalizationError(
                .invalidShape, argument: argument, expected: "[batch, heads, queries, keys], or without leading axes",
                given: "shape \(shape)")
        }
        _ = try validatedColumns(of: shape, argument: argument)
        let extents = [Int](repeating: 1, count: 4 - shape.rank) + shape.extents
        return ScoreShape(batch: extents[0], heads: extents[1], queries: extents[2], keys: extents[3])
    }

    /// This tensor with four axes. One copy if the last one is not contiguous.
    func asScores(_ shape: ScoreShape) throws(NormalizationError) -> Tensor {
        try broadcast(to: shape.scores, wholeRows: true, argument: "scores")
    }
}
