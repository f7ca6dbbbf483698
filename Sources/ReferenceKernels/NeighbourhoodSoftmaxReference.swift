package import Tensors

/// Softmax over the neighbourhoods of a graph in plain Swift, with the bits of the C kernels. Scores are dense
/// [edges, heads].
extension SoftmaxReference {
    package static func forwardOverEdges(_ x: [Float], heads: Int, segments: SegmentOffsets) -> [Float] {
        var result = x
        overEachNode(heads: heads, segments: segments) { edges in
            let shift = Shift(most: edges.reduce(-.infinity) { x[$1] > $0 ? x[$1] : $0 })
            var terms = ExactSum()
            for edge in edges {
                result[edge] = shift.exp(x[edge])
                terms.add(result[edge])
            }
            let sum = Float(terms.total)
            let isQuotient = sum == shift.largest
            let factor = sum == 0 ? 0 : 1 / sum
            for edge in edges { result[edge] = isQuotient ? result[edge] / sum : result[edge] * factor }
        }
        return result
    }

    /// The gradient of x from the output y and its gradient.
    package static func backwardOverEdges(
        _ dy: [Float], y: [Float], heads: Int, segments: SegmentOffsets
    ) -> [Float] {
        var result = [Float](repeating: 0, count: y.count)
        overEachNode(heads: heads, segments: segments) { edges in
            let weighted = edges.filter { y[$0] != 0 }
            let most = weighted.reduce(-Float.infinity) { dy[$1] > $0 ? dy[$1] : $0 }
            let least = weighted.reduce(Float.infinity) { dy[$1] < $0 ? dy[$1] : $0 }
            let centre = (most / 2 + least / 2) + 0
            let power = powerBelow(max(most - centre, centre - least))
            var terms = ExactSum()
            for edge in weighted { terms.add(y[edge], times: (dy[edge] - centre) * (1 / power)) }
            let sum = Float(terms.total * Double(power))
            for edge in weighted { result[edge] = y[edge] * (dy[edge] - centre - sum) }
        }
        return result
    }

    /// The power of two at or below a magnitude, at least 2^-126; infinite with it or with a NaN.
    private static func powerBelow(_ magnitude: Float) -> Float {
        if !magnitude.isFinite { return .infinity }
        return Float(sign: .plus, exponent: Int(max(magnitude, .leastNormalMagnitude).exponent), significand: 1)
    }

    /// Calls `body` with the positions of each node's edges, for each head.
    private static func overEachNode(
        heads: Int, segments: SegmentOffsets, _ body: (_ edges: [Int]) -> Void
    ) {
        for node in 0..<segments.count {
            for head in 0..<heads { body(segments.range(node).map { $0 * heads + head }) }
        }
    }
}
