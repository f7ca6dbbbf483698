package import Tensors

/// Attention in plain Swift, with the bits of the C kernels. Tensors are dense: [batch, heads, rows, columns].
package enum AttentionReference {
    package struct Input {
        package let query, key, value: [Float]
        package let keyHeads, headSize, valueSize: Int
        package let scale: Float
        package let mask: ScoreMask
        /// Weights are rounded to bfloat16 before they meet the values: where all tensors are of that type.
        package let roundsWeights: Bool
        package let dropout: Dropout?
        package let firstQuery: Int

        package init(
            query: [Float], key: [Float], value: [Float], keyHeads: Int, headSize: Int, valueSize: Int, scale: Float,
            mask: ScoreMask, roundsWeights: Bool, dropout: Dropout?, firstQuery: Int
        ) {
            self.query = query
            self.key = key
            self.value = value
            self.keyHeads = keyHeads
            self.headSize = headSize
            self.valueSize = valueSize
            self.scale = scale
            self.mask = mask
            self.roundsWeights = roundsWeights
            self.dropout = dropout
            self.firstQuery = firstQuery
        }

        /// The number of a key's row, for the query in row `row` of all.
        func keyRow(_ key: Int, ofRow row: Int) -> Int {
            let plane = row / mask.shape.queries
            let (batch, head) = (plane / mask.shape.heads, plane % mask.shape.heads)
            return (batch * keyHeads + head * keyHeads / mask.shape.heads) * mask.shape.keys + key
        }

        /// Whether dropout keeps the key for the query in row `row` of all: rows count 2^32 for each head.
        func keeps(row: Int, key: Int) -> Bool {
            let (plane, query) = row.quotientAndRemainder(dividingBy: mask.shape.queries)
            return dropout?.keeps(row: plane << 32 + firstQuery + query, column: key) ?? true
        }

        /// Of what is kept.
        var keptScale: Float { 1 / (1 - (dropout?.probability ?? 0)) }

        /// The product of query and key, scaled.
        func scaledScore(row: Int, key keyRow: Int) -> Float { scale * dot(query, row, key, keyRow, headSize) }

        func dot(_ a: [Float], _ aRow: Int, _ b: [Float], _ bRow: Int, _ width: Int) -> Float {
            var sum: Float = 0
            for d in 0..<width { sum.addProduct(a[aRow * width + d], b[bRow * width + d]) }
            return sum
        }
    }

    package struct Output {
        package var output, logSumExp, logSumExpLow: [Float]

        package init(output: [Float], logSumExp: [Float], logSumExpLow: [Float]) {
            self.output = output
            self.logSumExp = logSumExp
            self.logSumExpLow = logSumExpLow
        }
    }

    package static func forward(_ input: Input) -> Output {
        var result = Output(output: [], logSumExp: [], logSumExpLow: [])
        for (row, scores) in input.mask.rows().enumerated() {
            var state = states(of: row, scores, input).reduce(AttentionSums(for: input)) {
                $0.merged(with: $1)
            }
            let (output, high, low) = state.finish(sink: scores.sink, keptScale: input.keptScale)
            result.output += output
            result.logSumExp.append(high)
            result.logSumExpLow.append(low)
        }
        return result
    }

    /// The sums over each chunk of keys that the row meets.
    private static func states(of row: Int, _ scores: ScoreRow, _ input: Input) -> [AttentionSums] {
        let range = scores.range
        if range.isEmpty { return [] }
        return (range.lowerBound / AttentionSums.chunk...(range.upperBound - 1) / AttentionSums.chunk).map { chunk in
            var sums = AttentionSums(for: input)
            let keys = range.clamped(to: chunk * AttentionSums.chunk..<(chunk + 1) * AttentionSums.chunk)
            for first in stride(from: keys.lowerBound / 64 * 64, to: keys.upperBound, by: 64) {
                let block = (first..<first + 64).map { key -> Float in
                    guard keys.contains(key) else { return -.infinity }
                    return scores.score(input.scaledScore(row: row, key: input.keyRow(key, ofRow: row)), key)
                }
                sums.add(block, count: min(64, scores.keys - first)) {
                    input.keeps(row: row, key: first + $0)
                } values: { key, column in
                    input.value[input.keyRow(first + key, ofRow: row) * input.valueSize + column]
                }
            }
            return sums
        }
    }
}

/// What attention knows of one query after some of the keys.
struct AttentionSums {
    /// Keys whose sums join those before them.
    static let chunk = 512

    private var most = -Float.infinity
    private var anchor: Float = 0
    private var power: Float = 0
    private var sum = [Float](repeating: 0, count: 16)
    private var weighted: [Float]
    /// With rounding: the sum of unrounded weights.
    private var unrounded: [Float]?

    init(for input: AttentionReference.Input) {
        weighted = [Float](repeating: 0, count: input.valueSize)
        unrounded = input.roundsWeights ? sum : nil
    }

    /// So far below the largest score a key weighs nothing.
    static let nothing: Float = 86

    /// e^s below a power of e; 0 where s - anchor is less than `low`.
    static func weight(_ s: Float, anchor: Float, low: Float, power: Float) -> Float {
        let u = s - anchor
        if u < low { return 0 }
        let parts = ExpParts(u)
        return u.isNaN || !parts.power.isFinite ? .nan : (1 + parts.expm1).scaled(byPower: parts.power - power)
    }

    private func weight(_ s: Float) -> Float {
        Self.weight(s, anchor: anchor, low: (most == -.infinity ? 0 : most) - anchor - Self.nothing, power: power)
    }

    private mutating func raise(to score: Float) {
        if score == most { return }
        let (isFirst, oldAnchor, oldPower) = (most == -.infinity, anchor, power)
        most = score
        anchor = abs(score) > 0x1p16 ? score : 0
        power = ExpParts.nearestPower(score - anchor)
        if isFirst || (anchor == oldAnchor && power == oldPower) { return }
        let ratio: Float
        if anchor == oldAnchor {
            ratio = Float(sign: .plus, exponent: Int(oldPower - power), significand: 1)
        } else {
            ratio = ElementaryReference.exp((oldAnchor - anchor) + (oldPower - power) * 0x1.62e43p-1)
        }
        for lane in sum.indices {
            sum[lane] *= ratio
            unrounded?[lane] *= ratio
        }
        for column in weighted.indices { weighted[column] *= ratio }
    }

    /// A block of 64 keys, of which `count` are there. All are summed; the values of those that are kept are weighted.
    mutating func add(
        _ scores: [Float], count: Int, keeps: (_ key: Int) -> Bool, values: (_ key: Int, _ column: Int) -> Float
    ) {
        let largest = scores.reduce(most) { $1 > $0 ? $1 : $0 }
        if largest > most { raise(to: largest) }
        let e = scores.map(weight)
        func sum(_ e: [Float], lane: Int) -> Float { (e[lane] + e[lane + 32]) + (e[lane + 16] + e[lane + 48]) }
        func addProducts(of e: [Float], to sums: inout [Float]) {
            for (key, e) in e[..<count].enumerated() where e != 0 && keeps(key) {
                for column in sums.indices { sums[column].addProduct(e, values(key, column)) }
            }
        }
        guard unrounded != nil else {
            for lane in 0..<16 { self.sum[lane] += sum(e, lane: lane) }
            addProducts(of: e, to: &weighted)
            return
        }
        let rounded = e.map { $0 < 0x1p-40 ? 0 : Float(BFloat16($0)) }
        var products = [Float](repeating: 0, count: weighted.count)
        addProducts(of: rounded, to: &products)
        for lane in 0..<16 {
            unrounded![lane] += sum(e, lane: lane)
            self.sum[lane] += sum(rounded, lane: lane)
        }
        for column in weighted.indices { weighted[column] += products[column] }
    }

    /// These sums and those of later keys.
    func merged(with later: AttentionSums) -> AttentionSums {
        var (sums, later) = (self, later)
        if later.most > sums.most { sums.raise(to: later.most) } else { later.raise(to: sums.most) }
        for lane in sum.indices {
            sums.sum[lane] += later.sum[lane]
            sums.unrounded?[lane] += later.unrounded![lane]
        }
        for column in weighted.indices { sums.weighted[column] += later.weighted[column] }
        return sums
    }

    private static func folded(_ lanes: [Float]) -> Float {
        var lanes = lanes
        for width in [8, 4, 2, 1] {
            for lane in 0..<width { lanes[lane] += lanes[lane + width] }
        }
        return lanes[0]
    }

    /// The output, and the logarithm of the sum in two parts.
    mutating func finish(sink: Float, keptScale: Float) -> (output: [Float], logSumExp: Float, low: Float) {
        if sink > most { raise(to: sink) }
        let sinkWeight = sink == -.infinity ? 0 : weight(sink)
        let total = Self.folded(sum) + sinkWeight, unrounded = Self.folded(unrounded ?? sum) + sinkWeight
        if total == 0 { return (weighted.map { _ in 0 }, -.infinity, 0) }
        let output = weighted.map { $0 / total * keptScale + 0 }
        if total.isNaN { return (output, .nan, 0) }
        let log = Double(anchor) + Double(power) * 0x1.62e42fefa39efp-1 + WideFunctions.log(Double(unrounded))
        let high = Float(log)
        return (output, high, high.isFinite ? Float(log - Double(high)) : 0)
    }
}
