internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of ``scoreSoftmax(_:scale:mask:backend:)``.
public struct ScoreGradients<Element: KernelElement>: Sendable {
    /// For the scores, in their shape.
    public fileprivate(set) var scores: Tensor<Element>
    /// For the mask's bias, in its shape: a sum over the axes that it shares. In float32 whatever its storage; nil if
    /// there is none, or if it was not wanted.
    public fileprivate(set) var bias: Tensor<Float>?
    /// For the mask's slopes and sinks, one a head; nil as above.
    public fileprivate(set) var slopes, sinks: Tensor<Float>?

    /// Zero gradients for scores of `shape` under a mask, to be filled.
    ///
    /// - Parameter parameters: Whether gradients for the mask's bias, slopes and sinks are wanted.
    /// - Throws: `NormalizationError` for a shape that is none of scores, or a mask that does not fit it.
    public init(shape: Shape, mask: AttentionMask = AttentionMask(), parameters: Bool = true) throws(NormalizationError) {
        let scores = try Tensor<Element>(repeating: .zero, shape: shape)
        let fitted = try ScoreMask(mask, for: scores.scoreShape(argument: "shape"))
        try self.init(scores: scores, mask: fitted, parameters: parameters)
    }

    fileprivate init(scores: Tensor<Element>, mask: ScoreMask, parameters: Bool) throws(NormalizationError) {
        func zeros(_ shape: Shape?) throws(NormalizationError) -> Tensor<Float>? {
            guard parameters, let shape else { return nil }
            return try Tensor(repeating: 0, shape: shape)
        }
        self.scores = scores
        bias = try zeros(mask.biasShape)
        slopes = try zeros(mask.slopes?.shape)
        sinks = try zeros(mask.sinks?.shape)
    }
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
    var gradients = try ScoreGradients<Element>(
        scores: Tensor(uninitializedLike: output.shape), mask: fitted, parameters: parameters)
    try scoreSoftmaxBackward(
        outputGradient, output: output, scores: scores, logSumExp: logSumExp, scale: scale, mask: mask,
        into: &gradients, backend: backend)
    return gradients
}

/// As ``scoreSoftmaxBackward(_:output:scores:logSumExp:scale:mask:parameters:backend:)``, into existing gradients, which say
/// by their nils which of the mask's are wanted.
///
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func scoreSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, scores: Tensor<Element>? = nil,
    logSumExp: Tensor<Float>? = nil, scale: Float = 1, mask: AttentionMask = AttentionMask(),
    into gradients: inout ScoreGradients<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let fitted = try ScoreMask(mask, for: output.scoreShape(argument: "output"))
    let shape = fitted.shape
    let rows = Shape(Array(output.shape.extents.dropLast()))
    try validate(finite: scale, argument: "scale")
    try validate(shape: outputGradient.shape, is: output.shape, argument: "outputGradient")
    try validate(scores, is: output.shape, argument: "scores", isNeeded: fitted.softcap != 0, for: "softcap")
    try validate(logSumExp, is: rows, argument: "logSumExp", isNeeded: fitted.sinks != nil, for: "sinks")
    try gradients.validate(for: output.shape, mask: fitted)

    let x = fitted.softcap == 0 ? nil : scores
    if let run = try backend.kernelRun() {
        gradients.makeUnique()
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
    /// Whether these are shaped for such scores, and want nothing that the mask does not have.
    fileprivate func validate(for shape: Shape, mask: ScoreMask) throws(NormalizationError) {
        try Normalization.validate(shape: scores.shape, is: shape, argument: "gradients")
        for (given, expected) in [(bias, mask.biasShape), (slopes, mask.slopes?.shape), (sinks, mask.sinks?.shape)] {
            guard let given, given.shape != expected else { continue }
            throw NormalizationError(
                .shapeMismatch, argument: "gradients", expected: expected.map { "shape \($0)" } ?? "nil",
                given: "\(given.shape)")
        }
    }

    fileprivate mutating func makeUnique() {
        scores.makeUniqueForOverwriting()
        bias?.makeUniqueForOverwriting()
        slopes?.makeUniqueForOverwriting()
        sinks?.makeUniqueForOverwriting()
    }

    fileprivate mutating func fill(from reference: ScoreSoftmaxReference.Gradients) {
        scores.assign(reference.scores.map(Element.init(rounding:)))
        bias?.assign(reference.bias)
        slopes?.assign(reference.slopes)
        sinks?.assign(reference.sinks)
    }
}
