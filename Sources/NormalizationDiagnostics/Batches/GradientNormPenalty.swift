/// A gradient penalty, and what a critic learns from it.
public struct GradientNormPenalty: Sendable {
    /// The mean over samples of (‖∂critic(x_i) / ∂x_i‖ - target)².
    public let value: Double
    /// ‖∂critic(x_i) / ∂x_i‖.
    public let norms: [Double]
    /// The penalty's gradient by every layer's parameters; nil where it does not depend on them.
    public let gradients: [Critic.Gradients]
}

/// The penalty of WGAN-GP: critics whose gradient has a norm other than `target` pay for it.
///
/// ```
/// value = mean over samples of (‖∂critic(x_i) / ∂x_i‖ - target)²
/// ```
/// The gradient of each sample is read off the gradient of the sum of all results, which is right only if no result
/// depends on another sample. With BatchNorm before a linear head that sum is constant and its gradient 0, whatever the
/// samples' own gradients are. A critic with moments of the batch is therefore refused.
///
/// - Parameters:
///   - critic: Ends in one value a sample. Its LayerNorms are differentiated twice by
///     `layerNormDoubleBackward(inputCotangent:outputGradient:x:weight:statistics:backend:)`.
///   - x: [samples, features]: points between real and generated ones.
///   - target: The norm that costs nothing.
/// - Throws: `NormalizationError` with reason `coupledSamples` for a critic that couples samples; for shapes that do
///   not fit, a target that is not finite, or a backend that is not here.
///
/// Precision: float32; norms are summed in float64. Source: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved
/// Training of Wasserstein GANs", 2017.
public func gradientNormPenalty(
    of critic: Critic, at x: Tensor<Float>, target: Double = 1, backend: Backend = .automatic
) throws(NormalizationError) -> GradientNormPenalty {
    guard !critic.couplesSamples else {
        throw NormalizationError(
            .coupledSamples, argument: "critic", expected: "a result that depends on its own sample alone",
            given: "BatchNorm by moments of the batch")
    }
    guard target.isFinite else {
        throw NormalizationError(.invalidParameter, argument: "target", expected: "a finite number", given: "\(target)")
    }
    let passes = try critic.forward(x, backend: backend)
    let samples = x.shape[0]
    guard let value = passes.last?.output, value.shape == [samples, 1] else {
        throw NormalizationError(
            .shapeMismatch, argument: "critic", expected: "one value a sample, [\(samples), 1]",
            given: "\(passes.last?.output.shape ?? x.shape)")
    }

    // Down: the gradient by x, and on the way that by each layer's output.
    var gradient = try Tensor<Float>(repeating: 1, shape: value.shape)
    var outputGradients = [gradient]
    for pass in passes.reversed() {
        gradient = try pass.backward(gradient, backend: backend).input
        outputGradients.append(gradient)
    }
    outputGradients.removeLast()
    outputGradients.reverse()

    // Up: the pullback of that, from x to the head.
    let norms = sampleNorms(gradient)
    let scales = norms.map { $0 > 0 ? Float(2 * ($0 - target) / ($0 * Double(samples))) : 0 }
    var cotangent = gradient
    let features = x.shape[1]
    cotangent.withMutableSpan { v in
        for index in v.indices { v[index] *= scales[index / features] }
    }
    var gradients = passes.map { _ in Critic.Gradients() }
    var inputCotangents: [Tensor<Float>?] = []
    for (index, pass) in passes.enumerated() {
        let second = try pass.doubleBackward(cotangent, dy: outputGradients[index], backend: backend)
        cotangent = second.outputGradient
        inputCotangents.append(second.input)
        gradients[index].weight = second.weight
    }

    // Down again: a LayerNorm's gradient depends on its input too, and so on the layers below.
    var below: Tensor<Float>?
    for (index, pass) in passes.enumerated().reversed() {
        if let above = below {
            let step = try pass.backward(above, backend: backend)
            gradients[index].weight = sum(gradients[index].weight, step.parameters.weight)
            gradients[index].bias = sum(gradients[index].bias, step.parameters.bias)
            below = step.input
        }
        below = sum(below, inputCotangents[index])
    }
    let penalty = norms.reduce(0) { $0 + ($1 - target) * ($1 - target) } / Double(max(samples, 1))
    return GradientNormPenalty(value: penalty, norms: norms, gradients: gradients)
}

private func sum(_ a: Tensor<Float>?, _ b: Tensor<Float>?) -> Tensor<Float>? {
    guard let a, let b else { return a ?? b }
    return combine(a, b) { $0 + $1 }
}
