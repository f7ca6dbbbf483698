private import Foundation
public import Normalization

/// LayerNorm of attention scores: over the edges of one node (and one head), which fixes how sharp their softmax can
/// be.
///
/// ```
/// z[e, h] = (score[e, h] - mean[v, h]) / sqrt(variance[v, h] + epsilon)       e an edge of node v
/// y[e, h] = weight[h] z[e, h],    weight = softplus(rawWeight) > 0
/// ```
/// The axis is the neighbourhood of a node. There is no bias: softmax does not see it. The weight is positive, since a
/// negative one would turn the ranking of the neighbours over, and it must be learned (or chosen a head): at weight 1
/// no node of 7 edges can give one of them more than 0.744 (``ScoreNormLaws/sharpnessCap(neighbours:weight:)``). A node
/// of one edge gives it attention 1, one of two edges the same pair {σ(2 weight), σ(-2 weight)} whatever the scores.
/// All neighbours are coupled: one far outlier makes the others alike, and self-loops count as neighbours.
///
/// Precision: that of ``neighbourhoodLayerNorm(_:offsets:weight:bias:epsilon:backend:)``, which it is.
public struct NeighbourhoodScoreNorm: Sendable {
    /// One number a head, of any sign.
    public var rawWeight: Tensor<Float>
    public let epsilon: Float

    /// - Parameters:
    ///   - headCount: How many heads have a weight of their own.
    ///   - weight: What each begins as, above 0.
    /// - Throws: `NormalizationError` if `headCount` is less than 1, or `weight` or `epsilon` are not as said.
    public init(headCount: Int = 1, weight: Float = 1, epsilon: Float = 1e-5) throws(NormalizationError) {
        self.epsilon = try LayerNorm(featureCount: max(headCount, 0), epsilon: epsilon).epsilon
        guard weight > 0, weight.isFinite else {
            throw NormalizationError(
                .invalidParameter, argument: "weight", expected: "a finite number above 0", given: "\(weight)")
        }
        // The inverse of softplus, log(exp(w) - 1), without overflow.
        let raw = Double(weight) + log(-expm1(-Double(weight)))
        rawWeight = try Tensor(repeating: Float(raw), shape: [headCount])
    }

    /// The factor of each head: softplus(rawWeight) = log(1 + exp(rawWeight)).
    public var weight: Tensor<Float> {
        Tensor(rawWeight.array.map { Float(max(Double($0), 0) + log1p(exp(-abs(Double($0))))) })
    }

    /// A function from the gradient of the output to those of the scores and of `rawWeight`.
    public typealias Pullback =
        @Sendable (Tensor<Float>) throws(NormalizationError) -> (scores: Tensor<Float>, rawWeight: Tensor<Float>)

    /// - Parameters:
    ///   - scores: [edges] or [edges, heads], the edges sorted by node.
    ///   - offsets: Where each node's edges begin.
    /// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
    public func callAsFunction(
        _ scores: Tensor<Float>, offsets: SegmentOffsets, backend: Backend = .automatic
    ) throws(NormalizationError) -> Tensor<Float> {
        try neighbourhoodLayerNorm(scores, offsets: offsets, weight: weight, epsilon: epsilon, backend: backend)
    }

    /// The output and its pullback.
    public func valueWithPullback(
        at scores: Tensor<Float>, offsets: SegmentOffsets, backend: Backend = .automatic
    ) throws(NormalizationError) -> (value: Tensor<Float>, pullback: Pullback) {
        let weight = weight
        let (value, statistics) = try neighbourhoodLayerNormWithStatistics(
            scores, offsets: offsets, weight: weight, epsilon: epsilon, backend: backend)
        let slopes = rawWeight.array.map { 1 / (1 + exp(-Double($0))) }
        return (
            value,
            { (gradient) throws(NormalizationError) in
                let gradients = try neighbourhoodLayerNormBackward(
                    gradient, x: scores, offsets: offsets, weight: weight, statistics: statistics, backend: backend)
                let raw = zip(gradients.weight.array, slopes).map { Float(Double($0) * $1) }
                return (gradients.input, Tensor(raw))
            }
        )
    }
}
