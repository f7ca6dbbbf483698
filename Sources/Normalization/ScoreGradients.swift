internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of ``scoreSoftmax(_:scale:mask:backend:)``.
public struct ScoreGradients<Element: KernelElement>: Sendable {
    /// For the scores, in their shape.
    public let scores: Tensor<Element>
    /// For the mask's bias, in its shape: a sum over the axes that it shares. In float32 whatever its storage; nil if
    /// there is none, or if it was not wanted.
    public let bias: Tensor<Float>?
    /// For the mask's slopes and sinks, one a head; nil as above.
    public let slopes, sinks: Tensor<Float>?
}

/// The pullback of ``scoreSoftmax(_:scale:mask:backend:)``, from its output y.
///
/// With q = exp(sink - logSumExp), over each row:
/// ```
/// D      = sum(y * outputGradient)
/// ds     = y * (outputGradient - D)
/// scores = ds * scale                      with a softcap times 1 - tanh(scale * scores / softcap)^2
/// bias   = ds,  slopes = ds * (j - p),  sinks = -q * D             each summed over what shares an element
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `output`.
///   - output: What the forward pass returned.
///   - scores: The scores of the forward pass, which a softcap needs.
///   - logSumExp: What ``scoreSoftmaxWithLogSumExp(_:scale:mask:backend:)`` returned, which sinks need.
///   - scale: As in the forward pass, and so the mask.
///   - parameters: Whether gradients for the mask's bias, slopes and sinks are wanted.
/// - Throws: `NormalizationError` for shapes that do not fit, for scores or log-sum-exps that are needed but not given,
///   or a backend that is not here.
///
/// Precision: float32; a common offset of outputGradient in a row costs nothing. An element whose probability is 0 has
/// gradient 0 and adds nothing, whatever its outputGradient and score are.
public func scoreSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, scores: Tensor<Element>? = nil,
    logSumExp: Tensor<Float>? = nil, scale: Float = 1, mask: AttentionMask = AttentionMask(), parameters: Bool = true,
    backend: Backend = .automatic
) throws(NormalizationError) -> ScoreGradients<Element> {
    let fitted = try ScoreMask(mask, for: output.scoreShape(argument: "output"))
    let shape = fitted.shape
    let rows = Shape(Array(output.shape.extents.dropLast()))
    try validate(finite: scale, argument: "scale")
    try validate(shape: outputGradient.shape, is: output.shape, argument: "outputGradient")
    try validate(scores, is: output.shape, argument: "scores", isNeeded: fitted.softcap != 0, for: "softcap")
    try validate(logSumExp, is: rows, argument: "logSumExp", isNeeded: fitted.sinks != nil, for: "sinks")
    func zeros(_ shape: Shape?) throws(NormalizationError) -> Tensor<Float>? {
        guard parameters, let shape else { return nil }
        return try Tensor(repeating: 0, shape: shape)
    }
    var gradients = ScoreGradients<Element>(
        scores: Tensor(uninitializedLike: output.shape), bias: try zeros(fitted.biasShape),
        slopes: try zeros(fitted.slopes?.shape), sinks: try zeros(fitted.sinks?.shape))

    let x = fitted.softcap == 0 ? nil : scores
    if let run = try backend.kernelRun() {
        try ScoreSoftmaxKernels.backward(
            outputGradient.asScores(shape), output: output.asScores(shape),
            scores: x.map { (x) throws(NormalizationError) in try x.asScores(shape) },
            logSumExp: logSumExp?.contiguous(), scale: scale, mask: fitted,
            into: ScoreSoftmaxKernels.Gradients(
                scores: gradients.scores.asScores(shape), bias: gradients.bias, slopes: gradients.slopes,
                sinks: gradients.sinks),
            run: run)
    } else {
        gradients.fill(
            from: ScoreSoftmaxReference.backward(
                outputGradient.array.map(\.widened), y: output.array.map(\.widened), x: x?.array.map(\.widened),
                logSumExp: logSumExp?.array, scale: scale, mask: fitted))
    }
    return gradients
}

private func validate<Element: KernelElement>(
    _ tensor: Tensor<Element>?, is shape: Shape, argument: String, isNeeded: Bool, for part: String
) throws(NormalizationError) {
    if let tensor { return try validate(shape: tensor.shape, is: shape, argument: argument) }
    guard isNeeded else { return }
    throw NormalizationError(
        .missingArgument, argument: argument, expected: "those of the forward pass, for the mask's \(part)",
        given: "nil")
}

extension ScoreGradients {
    fileprivate mutating func fill(from reference: ScoreSoftmaxReference.Gradients) {
        func filled(_ tensor: Tensor<Float>?, _ numbers: [Float]) -> Tensor<Float>? {
            var tensor = tensor
            tensor?.assign(numbers)
            return tensor
        }
        var scores = scores
        scores.assign(reference.scores.map(Element.init(rounding:)))
        self = ScoreGradients(
            scores: scores, bias: filled(bias, reference.bias), slopes: filled(slopes, reference.slopes),
            sinks: filled(sinks, reference.sinks))
    }
}
