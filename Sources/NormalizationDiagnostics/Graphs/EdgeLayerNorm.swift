public import Normalization

/// LayerNorm of messages: over the features of one edge (and one head), no other edge taking part.
///
/// ```
/// y[e, h, f] = (m[e, h, f] - mean[e, h]) / sqrt(variance[e, h] + epsilon)
/// ```
/// The axis is the features of an edge. After it every message has ‖y‖² = d, so that independent messages with
/// attention alpha add up to energy Σ alpha², and scores aᵀy are within ‖a - mean(a)‖ √d. It does not fix how sharp
/// attention is: that follows the length of a (``NeighbourhoodScoreNorm`` fixes it). There are no weights: what follows
/// has them.
///
/// Not what PyTorch Geometric's `LayerNorm` does by default (`mode="graph"`: over all nodes and channels of a graph).
public struct EdgeLayerNorm: Sendable {
    public let epsilon: Float

    /// - Throws: `NormalizationError` if `epsilon` is not a finite number of at least 0.
    public init(epsilon: Float = 1e-5) throws(NormalizationError) {
        self.epsilon = try LayerNorm(featureCount: 1, epsilon: epsilon).epsilon
    }

    /// A function from the gradient of the output to that of the input.
    public typealias Pullback = @Sendable (Tensor<Float>) throws(NormalizationError) -> Tensor<Float>

    /// - Parameter messages: [edges, features] or [edges, heads, features], or any shape whose last axis is normalized.
    /// - Throws: `NormalizationError` for no last axis, or a backend that is not here.
    public func callAsFunction(
        _ messages: Tensor<Float>, backend: Backend = .automatic
    ) throws(NormalizationError) -> Tensor<Float> {
        try layerNorm(messages, epsilon: epsilon, backend: backend)
    }

    /// The output and its pullback.
    public func valueWithPullback(
        at messages: Tensor<Float>, backend: Backend = .automatic
    ) throws(NormalizationError) -> (value: Tensor<Float>, pullback: Pullback) {
        let (value, statistics) = try layerNormWithStatistics(messages, epsilon: epsilon, backend: backend)
        return (
            value,
            { (gradient) throws(NormalizationError) in
                try layerNormBackward(gradient, x: messages, statistics: statistics, backend: backend).input
            }
        )
    }
}
