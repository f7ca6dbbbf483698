internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Scores as they enter the softmax: scaled, and changed by the mask in the order that AttentionMask states; -∞ where a
/// key takes no part, whatever stands there.
///
/// - Parameters:
///   - scores: [batch, heads, queries, keys], as ``scoreSoftmax(_:scale:mask:backend:)`` has them.
///   - scale: What scores are multiplied by, first of all.
///   - mask: Its sinks, which have no key, are not used.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `scores`.
/// - Throws: `NormalizationError` as ``scoreSoftmax(_:scale:mask:backend:)`` does.
///
/// Precision: float32, rounded once for the smaller types. `scoreSoftmax(maskedScores(x, mask: mask))` has the bits of
/// `scoreSoftmax(x, mask: mask)` for float32 without sinks.
public func maskedScores<Element: KernelElement>(
    _ scores: Tensor<Element>, scale: Float = 1, mask: AttentionMask = AttentionMask(), backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    let fitted = try ScoreMask(mask, for: scores.scoreShape(argument: "scores"))
    try validate(finite: scale, argument: "scale")
    guard let run = try backend.kernelRun() else {
        let y = ScoreSoftmaxReference.maskedScores(scores.array.map(\.widened), scale: scale, mask: fitted)
        return try Tensor(y.map(Element.init(rounding:)), shape: scores.shape)
    }
    let y = Tensor<Element>(uninitializedLike: scores.shape)
    try ScoreSoftmaxKernels.maskedScores(
        scores.asScores(fitted.shape), scale: scale, mask: fitted, output: y.asScores(fitted.shape), run: run)
    return y
}

/// As ``maskedScores(_:scale:mask:backend:)``, replacing `scores` by the result.
///
/// - Throws: `NormalizationError`, before `scores` is touched; also if their last axis is not contiguous.
public func maskedScores<Element: KernelElement>(
    inPlace scores: inout Tensor<Element>, scale: Float = 1, mask: AttentionMask = AttentionMask(),
    backend: Backend = .automatic
) throws(NormalizationError) {
    let fitted = try ScoreMask(mask, for: scores.scoreShape(argument: "scores"))
    try validate(finite: scale, argument: "scale")
    guard scores.hasContiguousRows else { throw .rowsNotContiguous(argument: "scores", strides: scores.strides) }
    if let run = try backend.kernelRun() {
        scores.makeUnique()
        let view = try scores.asScores(fitted.shape)
        try ScoreSoftmaxKernels.maskedScores(view, scale: scale, mask: fitted, output: view, run: run)
    } else {
        let y = ScoreSoftmaxReference.maskedScores(scores.array.map(\.widened), scale: scale, mask: fitted)
        scores.assign(y.map(Element.init(rounding:)))
    }
}
