public import Normalization

/// Gradients of a ``GATv2Layer``.
public struct GATv2Gradients: Sendable {
    /// [nodes, inputs].
    public let input: Tensor<Float>
    /// [heads · size, inputs].
    public let sourceWeight: Tensor<Float>
    /// [heads · size, inputs].
    public let targetWeight: Tensor<Float>
    /// [heads, size].
    public let attention: Tensor<Float>
    /// [heads], or nil without score norm.
    public let scoreRawWeight: Tensor<Float>?
}

/// Graph attention whose ranking of neighbours depends on the target ("dynamic attention"), with several heads, the
/// heads' outputs beside each other.
///
/// ```
/// l = x Wₗᵀ,  r = x Wᵣᵀ,    m = l, or LN(l) with edgeNorm           features of one edge and head
/// score[e]     = a · LeakyReLU(m[source] + r[target])               e an edge from source to target
/// attention[e] = softmax(norm(score) / temperature)                 over the edges of the target
/// y[v]         = Σ attention[e] m[source of e]                      0 for a node without edges
/// ```
///
/// Precision: that of ``GATLayer``. Source: Brody, Alon, Yahav, "How Attentive are Graph Attention Networks?", 2022.
public struct GATv2Layer: Sendable {
    /// Wₗ, [heads · size, inputs].
    public var sourceWeight: Tensor<Float>
    /// Wᵣ, [heads · size, inputs].
    public var targetWeight: Tensor<Float>
    /// a, [heads, size].
    public var attention: Tensor<Float>
    public var edgeNorm: EdgeLayerNorm?
    public var scoreNorm: NeighbourhoodScoreNorm?
    public let temperature: Float
    public let negativeSlope: Float
    public var backend: Backend

    /// - Parameters:
    ///   - edgeNorm: Over the features of each message, or nil.
    ///   - scoreNorm: Over the scores of each neighbourhood, or nil.
    ///   - temperature: Divides the (normalized) scores; above 0.
    ///   - negativeSlope: Of LeakyReLU.
    /// - Throws: `NormalizationError` for shapes, heads or a temperature that do not fit.
    public init(
        sourceWeight: Tensor<Float>, targetWeight: Tensor<Float>, attention: Tensor<Float>,
        edgeNorm: EdgeLayerNorm? = nil, scoreNorm: NeighbourhoodScoreNorm? = nil, temperature: Float = 1,
        negativeSlope: Float = 0.2, backend: Backend = .automatic
    ) throws(NormalizationError) {
        try validate(weight: sourceWeight, attention: attention, argument: "sourceWeight")
        try validate(weight: targetWeight, attention: attention, argument: "targetWeight")
        guard sourceWeight.shape == targetWeight.shape else {
            throw NormalizationError(
                .shapeMismatch, argument: "targetWeight", expected: "shape \(sourceWeight.shape)",
                given: "\(targetWeight.shape)")
        }
        try validate(scoreNorm: scoreNorm, heads: attention.shape[0], temperature: temperature)
        self.sourceWeight = sourceWeight
        self.targetWeight = targetWeight
        self.attention = attention
        self.edgeNorm = edgeNorm
        self.scoreNorm = scoreNorm
        self.temperature = temperature
        self.negativeSlope = negativeSlope
        self.backend = backend
    }

    public var headCount: Int { attention.shape[0] }

    /// - Parameter x: [nodes, inputs].
    /// - Returns: [nodes, heads · size].
    /// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
    public func callAsFunction(_ x: Tensor<Float>, graph: CSRGraph) throws(NormalizationError) -> Tensor<Float> {
        try valueWithPullback(at: x, graph: graph).value
    }

    /// A function from the gradient of the output to those of input and parameters.
    public typealias Pullback = @Sendable (Tensor<Float>) throws(NormalizationError) -> GATv2Gradients

    /// The output, the attention [edges, heads] for an ``AttentionSharpnessReport``, and the pullback.
    public func valueWithPullback(
        at x: Tensor<Float>, graph: CSRGraph
    ) throws(NormalizationError) -> (value: Tensor<Float>, attention: Tensor<Float>, pullback: Pullback) {
        try validate(nodes: x, graph: graph, inputs: sourceWeight.shape[1])
        let (heads, size, nodes) = (headCount, attention.shape[1], graph.nodeCount)
        let rows = EdgeRows(graph: graph, heads: heads, size: size)
        let rectifier = LeakyRectifier(slope: negativeSlope)
        let a = attention.array
        let left = try matmul(x, sourceWeight.transposed(0, 1), backend: backend).reshaped(to: [nodes, heads, size])
        let r = try matmul(x, targetWeight.transposed(0, 1), backend: backend).array
        // An edge's message is its source's row, so that normalizing rows normalizes messages.
        let normalized = try edgeNorm?.valueWithPullback(at: left, backend: backend)
        let m = (normalized?.value ?? left).array
        var sums = [Float](repeating: 0, count: graph.edgeCount * heads)
        rows.forEach { score, source, target in
            let vector = score % heads * size
            var sum: Float = 0
            for f in 0..<size { sum += a[vector + f] * rectifier(m[source + f] + r[target + f]) }
            sums[score] = sum
        }
        let attend = EdgeAttention(scoreNorm: scoreNorm, temperature: temperature, backend: backend)
        let (attention, attentionPullback) = try attend(
            Tensor(sums, shape: [graph.edgeCount, heads]), offsets: graph.offsets)
        let p = attention.array
        let value = try Tensor(rows.aggregated(m, attention: p), shape: [nodes, heads * size])
        let pullback: Pullback = { [sourceWeight, targetWeight, backend] (gradient) throws(NormalizationError) in
            try validate(nodes: gradient, graph: graph, inputs: heads * size)
            var (dm, dp) = rows.aggregateBackward(gradient.array, messages: m, attention: p)
            let dScores = try attentionPullback(Tensor(dp, shape: [graph.edgeCount, heads]))
            dp = dScores.scores.array
            var (dr, da) = (r.map { _ in Float(0) }, a.map { _ in Float(0) })
            rows.forEach { score, source, target in
                let vector = score % heads * size
                for f in 0..<size {
                    let sum = m[source + f] + r[target + f]
                    let through = dp[score] * a[vector + f] * rectifier.derivative(sum)
                    da[vector + f] += dp[score] * rectifier(sum)
                    dm[source + f] += through
                    dr[target + f] += through
                }
            }
            let messages = try Tensor(dm, shape: left.shape)
            let dLeft = try (normalized?.pullback(messages) ?? messages).reshaped(to: [nodes, heads * size])
            let dRight = try Tensor(dr, shape: [nodes, heads * size])
            let fromRight = try matmul(dRight, targetWeight, backend: backend).array
            let input = zip(try matmul(dLeft, sourceWeight, backend: backend).array, fromRight).map(+)
            return GATv2Gradients(
                input: try Tensor(input, shape: x.shape),
                sourceWeight: try matmul(dLeft.transposed(0, 1), x, backend: backend),
                targetWeight: try matmul(dRight.transposed(0, 1), x, backend: backend),
                attention: try Tensor(da, shape: [heads, size]), scoreRawWeight: dScores.rawWeight)
        }
        return (value, attention, pullback)
    }
}
