/// A critic of a generative adversarial net: layers that can be differentiated twice.
///
/// ```swift
/// let critic = Critic([
///     .linear(weight: w1, bias: b1), .layerNorm(weight: gain, bias: shift), .leakyReLU(slope: 0.2),
///     .linear(weight: w2, bias: b2),
/// ])
/// let penalty = try gradientNormPenalty(of: critic, at: interpolates)
/// ```
public struct Critic: Sendable {
    public enum Layer: Sendable {
        /// x Wᵀ + b, W [outputs, inputs].
        case linear(weight: Tensor<Float>, bias: Tensor<Float>?)
        /// x, or slope · x where x is negative. Its second derivative is taken as 0 everywhere.
        case leakyReLU(slope: Float)
        case layerNorm(weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float = 1e-5)
        /// With moments of the batch, samples depend on each other.
        case batchNorm(weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float = 1e-5, scope: BatchScope = .joint)
    }

    public var layers: [Layer]

    public init(_ layers: [Layer]) { self.layers = layers }

    /// Whether the result for one sample depends on others: whether a layer takes moments of the batch.
    public var couplesSamples: Bool {
        layers.contains { layer in
            switch layer {
            case .batchNorm(_, _, _, .joint), .batchNorm(_, _, _, .perSource): true
            default: false
            }
        }
    }

    /// Gradients of a layer's parameters; nil for those that it has not.
    public struct Gradients: Sendable {
        public var weight: Tensor<Float>?
        public var bias: Tensor<Float>?
    }

    /// The values for `x` [samples, features], and the pullback to gradients of `x` and of every layer's parameters.
    ///
    /// - Throws: `NormalizationError` for shapes that do not fit.
    public func callAsFunction(
        _ x: Tensor<Float>, backend: Backend = .automatic
    ) throws(NormalizationError) -> (
        value: Tensor<Float>,
        pullback: (Tensor<Float>) throws(NormalizationError) -> (input: Tensor<Float>, layers: [Gradients])
    ) {
        let passes = try forward(x, backend: backend)
        return (
            passes.last?.output ?? x,
            { gradient throws(NormalizationError) in
                var gradient = gradient
                var gradients: [Gradients] = []
                for pass in passes.reversed() {
                    let step = try pass.backward(gradient, backend: backend)
                    gradient = step.input
                    gradients.append(step.parameters)
                }
                return (gradient, gradients.reversed())
            }
        )
    }

    func forward(_ x: Tensor<Float>, backend: Backend) throws(NormalizationError) -> [CriticPass] {
        guard x.shape.rank == 2 else {
            throw NormalizationError(.invalidShape, argument: "x", expected: "[samples, features]", given: "\(x.shape)")
        }
        var x = x
        var passes: [CriticPass] = []
        for layer in layers {
            let pass = try CriticPass(layer, x, backend: backend)
            passes.append(pass)
            x = pass.output
        }
        return passes
    }
}
