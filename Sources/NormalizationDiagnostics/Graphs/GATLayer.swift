public import Normalization

/// Gradients of a ``GATLayer``.
public struct GATGradients: Sendable {
    /// [nodes, inputs].
    public let input: Tensor<Float>
    /// [heads · size, inputs].
    public let weight: Tensor<Float>
    /// [heads, size].
    public let sourceAttention: Tensor<Float>
    /// [heads, size].
    public let targetAttention: Tensor<Float>
    /// [heads], or nil without score norm.
    public let scoreRawWeight: Tensor<Float>?
}

/// Graph attention with several heads, the heads' outputs beside each other.
///
/// ```swift
/// let layer = try GATLayer(
///     weight: w, sourceAttention: a, targetAttention: b,       // [heads · size, inputs], [heads, size] twice
///     scoreNorm: NeighbourhoodScoreNorm(headCount: 2))
/// let (value, attention, pullback) = try layer.valueWithPullback(at: x, graph: graph)
/// ```
///
/// ```
/// h = x Wᵀ,    m = h, or LN(h) with edgeNorm                        features of one edge and head
/// score[e]     = LeakyReLU(a · m[source] + b · h[target])           e an edge from source to target
/// attention[e] = softmax(norm(score) / temperature)                 over the edges of the target
/// y[v]         = Σ attention[e] m[source of e]                      0 for a node without edges
/// ```
/// The ranking of neighbours is the same for all targets ("static attention"): LeakyReLU is monotone. Neither norm
/// changes that; ``GATv2Layer`` does. Self-loops are the graph's (``CSRGraph/addingSelfLoops()``).
///
/// Precision: float32; sums over the edges of a node are taken in their order, so that another order rounds
/// differently (the softmax itself does not). Source: Veličković et al., "Graph Attention Networks", 2018.
public struct GATLayer: Sendable {
    /// [heads · size, inputs].
    public var weight: Tensor<Float>
    /// a, [heads, size].
    public var sourceAttention: Tensor<Float>
    /// b, [heads, size].
    public var targetAttention: Tensor<Float>
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
        weight: Tensor<Float>, sourceAttention: Tensor<Float>, targetAttention: Tensor<Float>,
        edgeNorm: EdgeLayerNorm? = nil, scoreNorm: NeighbourhoodScoreNorm? = nil, temperature: Float = 1,
        negativeSlope: Float = 0.2, backend: Backend = .automatic
    ) throws(NormalizationError) {
        try validate(weight: weight, attention: sourceAttention, argument: "weight")
        try validate(weight: weight, attention: targetAttention, argument: "weight")
        guard sourceAttention.shape == targetAttention.shape else {
            throw NormalizationError(
                .shapeMismatch, argument: "targetAttention", expected: "shape \(sourceAttention.shape)",
                given: "\(targetAttention.shape)")
        }
        try validate(scoreNorm: scoreNorm, heads: sourceAttention.shape[0], temperature: temperature)
        self.weight = weight
        self.sourceAttention = sourceAttention
        self.targetAttention = targetAttention
        self.edgeNorm = edgeNorm
        self.scoreNorm = scoreNorm
        self.temperature = temperature
        self.negativeSlope = negativeSlope
        self.backend = backend
    }

    public var headCount: Int { sourceAttention.shape[0] }

    /// - Parameter x: [nodes, inputs].
    /// - Returns: [nodes, heads · size].
    /// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
    public func callAsFunction(_ x: Tensor<Float>, graph: CSRGraph) throws(NormalizationError) -> Tensor<Float> {
        try valueWithPullback(at: x, graph: graph).value
    }

    /// A function from the gradient of the output to those of input and parameters.
    public typealias Pullback = @Sendable (Tensor<Float>) throws(NormalizationError) -> GATGradients

    /// The output, the attention [edges, heads] for an ``AttentionSharpnessReport``, and the pullback.
    public func valueWithPullback(
        at x: Tensor<Float>, graph: CSRGraph
    ) throws(NormalizationError) -> (value: Tensor<Float>, attention: Tensor<Float>, pullback: Pullback) {
        try validate(nodes: x, graph: graph, inputs: weight.shape[1])
        let (heads, size, nodes) = (headCount, sourceAttention.shape[1], graph.nodeCount)
        let rows = EdgeRows(graph: graph, heads: heads, size: size)
        let rectifier = LeakyRectifier(slope: negativeSlope)
        let (a, b) = (sourceAttention.array, targetAttention.array)
        let hidden = try matmul(x, weight.transposed(0, 1), backend: backend).reshaped(to: [nodes, heads, size])
        // An edge's message is its source's row, so that normalizing rows normalizes messages.
        let normalized = try edgeNorm?.valueWithPullback(at: hidden, backend: backend)
        let (h, m) = (hidden.array, (normalized?.value ?? hidden).array)
        let (fromSource, fromTarget) = (rows.products(m, a), rows.products(h, b))
        var sums = [Float](repeating: 0, count: graph.edgeCount * heads)
        rows.forEach { score, source, target in sums[score] = fromSource[source / size] + fromTarget[target / size] }
        let scores = try Tensor(sums.map { rectifier($0) }, shape: [graph.edgeCount, heads])
        let attend = EdgeAttention(scoreNorm: scoreNorm, temperature: temperature, backend: backend)
        let (attention, attentionPullback) = try attend(scores, offsets: graph.offsets)
        let p = attention.array
        let value = try Tensor(rows.aggregated(m, attention: p), shape: [nodes, heads * size])
        let pullback: Pullback = { [weight, backend, sums] (gradient) throws(NormalizationError) in
            try validate(nodes: gradient, graph: graph, inputs: heads * size)
            var (dm, dp) = rows.aggregateBackward(gradient.array, messages: m, attention: p)
            let dScores = try attentionPullback(Tensor(dp, shape: [graph.edgeCount, heads]))
            dp = zip(dScores.scores.array, sums).map { $0 * rectifier.derivative($1) }
            var (dSource, dTarget) = (fromSource.map { _ in Float(0) }, fromTarget.map { _ in Float(0) })
            rows.forEach { score, source, target in
                dSource[source / size] += dp[score]
                dTarget[target / size] += dp[score]
            }
            var (dh, da, db) = (h.map { _ in Float(0) }, a.map { _ in Float(0) }, b.map { _ in Float(0) })
            rows.productsBackward(dSource, rows: m, vectors: a, dRows: &dm, dVectors: &da)
            rows.productsBackward(dTarget, rows: h, vectors: b, dRows: &dh, dVectors: &db)
            let messages = try Tensor(dm, shape: hidden.shape)
            let through = try normalized?.pullback(messages) ?? messages
            let dHidden = try Tensor(zip(dh, through.array).map(+), shape: [nodes, heads * size])
            return GATGradients(
                input: try matmul(dHidden, weight, backend: backend),
                weight: try matmul(dHidden.transposed(0, 1), x, backend: backend),
                sourceAttention: try Tensor(da, shape: [heads, size]),
                targetAttention: try Tensor(db, shape: [heads, size]), scoreRawWeight: dScores.rawWeight)
        }
        return (value, attention, pullback)
    }
}
