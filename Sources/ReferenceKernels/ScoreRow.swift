internal import Tensors

/// One row of masked scores, as the contract has it.
struct ScoreRow {
    let keys: Int
    /// The keys that structured masks leave.
    let range: Range<Int>
    let position: Int
    let cap, slope, sink: Float
    let bias: [Float]?
    let boolean: [Bool]?

    /// The scaled score of key j after the steps of the mask; -∞ if it takes no part.
    func score(_ scaled: Float, _ j: Int) -> Float {
        guard takesPart(j) else { return -.infinity }
        var s = scaled
        if cap != 0 { s = cap * ElementaryReference.tanh(s * (1 / cap)) }
        if let bias { s += bias[j] }
        if slope != 0 { s = s.addingProduct(slope, distance(j)) }
        return s
    }

    private func takesPart(_ j: Int) -> Bool { range.contains(j) && boolean?[j] ?? true }

    /// j - position: exact up to 2^24.
    func distance(_ j: Int) -> Float { Float(j / 16 * 16 - position) + Float(j % 16) }

    /// The derivative of the softcap where it was applied to the scaled score.
    func softcapDerivative(_ scaled: Float) -> Float {
        if cap == 0 { return 1 }
        let t = ElementaryReference.tanh(scaled * (1 / cap))
        return Float(1).addingProduct(-t, t)
    }
}

extension ScoreMask {
    /// Rows, queries innermost, then heads.
    func rows() -> [ScoreRow] {
        let biases = bias.map { Self.widened($0) }
        let booleans = boolean?.array
        let lengths = lengths?.array
        let offsets = offsets?.array
        let (slopes, sinks) = (slopes?.array, sinks?.array)
        return (0..<shape.rowCount).map { row in
            let head = row / shape.queries % shape.heads
            let batch = row / shape.queries / shape.heads
            let position = (offsets.map { Int($0[batch]) } ?? offset) + row % shape.queries
            let elements = row * shape.keys..<(row + 1) * shape.keys
            return ScoreRow(
                keys: shape.keys, range: range(position: position, length: lengths.map { Int($0[row]) }),
                position: position, cap: softcap, slope: slopes?[head] ?? 0, sink: sinks?[head] ?? -.infinity,
                bias: biases.map { Array($0[elements]) }, boolean: booleans.map { Array($0[elements]) })
        }
    }

    private func range(position p: Int, length: Int?) -> Range<Int> {
        var from = 0
        var to = length ?? shape.keys
        if isCausal { to = min(to, p + 1) }
        if let left = window?.left { from = max(from, p - left) }
        if let right = window?.right { to = min(to, p + right + 1) }
        return from < to ? from..<to : 0..<0
    }

    private static func widened(_ bias: any ScoreTensor) -> [Float] {
        func widened<Bias: ScoreTensor>(_ bias: Bias) -> [Float] { bias.tensor.array.map(\.widened) }
        return widened(bias)
    }
}
