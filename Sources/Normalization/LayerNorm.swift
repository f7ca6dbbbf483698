public import Tensors

/// A layer: learned weight and bias of a normalization over the last axis.
///
/// ```swift
/// let norm = try LayerNorm(featureCount: 768)
/// let y = try norm(x)                                   // x: Tensor<Float> of shape [..., 768]
/// let (value, pullback) = try norm.valueWithPullback(at: x)
/// let gradients = try pullback(upstream)                // gradients.input, .weight, .bias
/// ```
public struct LayerNorm: Sendable {
    /// One factor a feature.
    public var weight: Tensor<Float>
    /// One summand a feature.
    public var bias: Tensor<Float>
    public var epsilon: Float
    public var backend: Backend

    /// A layer that has learned nothing: weight 1, bias 0.
    ///
    /// - Throws: `NormalizationError` if `featureCount` is less than 1 or `epsilon` is not a finite
    ///   number of at least 0.
    public init(featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) {
        try validate(featureCount: featureCount, argument: "featureCount")
        try validate(epsilon: epsilon)
        weight = try Tensor(repeating: 1, shape: [featureCount])
        bias = try Tensor(repeating: 0, shape: [featureCount])
        self.epsilon = epsilon
        self.backend = backend
    }

    /// The normalized input, of the same shape.
    public func callAsFunction(_ x: Tensor<Float>) throws(NormalizationError) -> Tensor<Float> {
        try layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
    }

    /// A function from the gradient of the output to the gradients of input, weight and bias.
    public typealias Pullback = @Sendable (Tensor<Float>) throws(NormalizationError) -> LayerNormGradients

    /// The normalized input and its pullback, which holds on to `x` and the statistics of its rows.
    public func valueWithPullback(
        at x: Tensor<Float>
    ) throws(NormalizationError) -> (value: Tensor<Float>, pullback: Pullback) {
        let (output, statistics) = try layerNormWithStatistics(
            x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
        let pullback: Pullback = { [weight, backend] (gradient) throws(NormalizationError) in
            try layerNormBackward(gradient, x: x, weight: weight, statistics: statistics, backend: backend)
        }
        return (output, pullback)
    }
}
