// What both attention layers share: from scores to attention, and from attention to the sum of messages.

internal import Normalization

/// Options of an attention layer that decide how scores become attention.
struct EdgeAttention {
    let scoreNorm: NeighbourhoodScoreNorm?
    let temperature: Float
    let backend: Backend

    typealias Pullback =
        @Sendable (Tensor<Float>) throws(NormalizationError) -> (scores: Tensor<Float>, rawWeight: Tensor<Float>?)

    /// softmax(norm(scores) / temperature) over each neighbourhood, [edges, heads].
    func callAsFunction(
        _ scores: Tensor<Float>, offsets: SegmentOffsets
    ) throws(NormalizationError) -> (attention: Tensor<Float>, pullback: Pullback) {
        let normalized = try scoreNorm?.valueWithPullback(at: scores, offsets: offsets, backend: backend)
        let attention = try neighbourhoodSoftmax(
            divided(normalized?.value ?? scores).contiguous(), offsets: offsets, backend: backend)
        return (
            attention,
            { (gradient) throws(NormalizationError) in
                let inner = divided(
                    try neighbourhoodSoftmaxBackward(gradient, output: attention, offsets: offsets, backend: backend))
                guard let normalized else { return (inner, nil) }
                let gradients = try normalized.pullback(inner)
                return (gradients.scores, gradients.rawWeight)
            }
        )
    }

    private func divided(_ x: Tensor<Float>) -> Tensor<Float> {
        if temperature == 1 { return x }
        var y = x
        y.withMutableSpan { y in
            for index in y.indices { y[index] /= temperature }
        }
        return y
    }
}

/// Rows of nodes [nodes, heads · size] in loops over edges and heads, in the order of the edges.
struct EdgeRows: Sendable {
    let graph: CSRGraph
    let heads: Int
    let size: Int

    /// Calls `body` with the index of a score [edges, heads] and the first elements of its source's and target's row.
    @inline(__always) func forEach(_ body: (_ score: Int, _ source: Int, _ target: Int) -> Void) {
        for edge in 0..<graph.edgeCount {
            for head in 0..<heads {
                body(
                    edge * heads + head, (graph.sources[edge] * heads + head) * size,
                    (graph.targets[edge] * heads + head) * size)
            }
        }
    }

    /// The sum of each node's messages, weighted with their attention.
    func aggregated(_ messages: [Float], attention: [Float]) -> [Float] {
        var sums = [Float](repeating: 0, count: graph.nodeCount * heads * size)
        forEach { score, source, target in
            for f in 0..<size { sums[target + f] += attention[score] * messages[source + f] }
        }
        return sums
    }

    /// The gradients of messages and attention from that of their sums.
    func aggregateBackward(
        _ gradient: [Float], messages: [Float], attention: [Float]
    ) -> (messages: [Float], attention: [Float]) {
        var (dMessages, dAttention) = (messages.map { _ in Float(0) }, attention.map { _ in Float(0) })
        forEach { score, source, target in
            var sum: Float = 0
            for f in 0..<size {
                dMessages[source + f] += attention[score] * gradient[target + f]
                sum += gradient[target + f] * messages[source + f]
            }
            dAttention[score] = sum
        }
        return (dMessages, dAttention)
    }

    /// The scalar product of each node's row, head by head, with the vector of that head: [nodes, heads].
    func products(_ rows: [Float], _ vectors: [Float]) -> [Float] {
        (0..<graph.nodeCount * heads).map { place in
            let head = place % heads
            var sum: Float = 0
            for f in 0..<size { sum += rows[place * size + f] * vectors[head * size + f] }
            return sum
        }
    }

    /// Adds the gradients of `products` to those of rows and vectors.
    func productsBackward(
        _ gradient: [Float], rows: [Float], vectors: [Float], dRows: inout [Float], dVectors: inout [Float]
    ) {
        for place in 0..<graph.nodeCount * heads {
            let head = place % heads
            for f in 0..<size {
                dRows[place * size + f] += gradient[place] * vectors[head * size + f]
                dVectors[head * size + f] += gradient[place] * rows[place * size + f]
            }
        }
    }
}

/// max(x, slope x) for a slope below 1.
struct LeakyRectifier {
    let slope: Float
    func callAsFunction(_ x: Float) -> Float { x > 0 ? x : slope * x }
    func derivative(_ x: Float) -> Float { x > 0 ? 1 : slope }
}

// MARK: - Checks

/// A matrix [heads · size, inputs] under vectors [heads, size].
func validate(weight: Tensor<Float>, attention: Tensor<Float>, argument: String) throws(NormalizationError) {
    guard attention.shape.rank == 2, attention.shape[0] > 0, attention.shape[1] > 0 else {
        throw NormalizationError(
            .invalidShape, argument: "attention", expected: "[heads, size]", given: "shape \(attention.shape)")
    }
    guard weight.shape.rank == 2, weight.shape[0] == attention.count, weight.shape[1] > 0 else {
        throw NormalizationError(
            .shapeMismatch, argument: argument, expected: "[\(attention.count), inputs]",
            given: "shape \(weight.shape)")
    }
}

func validate(
    scoreNorm: NeighbourhoodScoreNorm?, heads: Int, temperature: Float
) throws(NormalizationError) {
    guard scoreNorm.map({ $0.rawWeight.count == heads }) ?? true else {
        throw NormalizationError(
            .shapeMismatch, argument: "scoreNorm", expected: "\(heads) heads",
            given: "\(scoreNorm?.rawWeight.count ?? 0)")
    }
    guard temperature > 0, temperature.isFinite else {
        throw NormalizationError(
            .invalidParameter, argument: "temperature", expected: "a finite number above 0", given: "\(temperature)")
    }
}

/// Features of nodes [nodes, inputs].
func validate(nodes x: Tensor<Float>, graph: CSRGraph, inputs: Int) throws(NormalizationError) {
    guard x.shape == [graph.nodeCount, inputs] else {
        throw NormalizationError(
            .shapeMismatch, argument: "x", expected: "shape [\(graph.nodeCount), \(inputs)]", given: "\(x.shape)")
    }
}
