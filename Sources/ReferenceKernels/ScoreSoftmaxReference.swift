package import Tensors

/// Softmax of masked scores in plain Swift, with the bits of the C kernels. Rows are dense: [batch, heads, queries,
/// keys].
package enum ScoreSoftmaxReference {
    package struct Output {
        package var y: [Float] = []
        package var logSumExp: [Float] = []
    }

    package static func forward(_ x: [Float], scale: Float, mask: ScoreMask) -> Output {
        var output = Output()
        let scores = maskedScores(x, scale: scale, mask: mask)
        for (number, row) in mask.rows().enumerated() {
            let (y, logSumExp) = softmax(Array(scores[number * row.keys..<(number + 1) * row.keys]), sink: row.sink)
            output.y += y
            output.logSumExp.append(logSumExp)
        }
        return output
    }

    package static func maskedScores(_ x: [Float], scale: Float, mask: ScoreMask) -> [Float] {
        mask.rows().enumerated().flatMap { number, row in
            (0..<row.keys).map { row.score(scale * x[number * row.keys + $0], $0) }
        }
    }

    /// e^s / (e^sink + sum(e^s)) and ln of what is below the fraction.
    private static func softmax(_ scores: [Float], sink: Float) -> ([Float], Float) {
        let greatest = scores.reduce(sink.isNaN ? -.infinity : sink) { $1 > $0 ? $1 : $0 }
        let most = greatest == -.infinity ? 0 : greatest + 0
        let shift = SoftmaxReference.Shift(most: most)
        let exponentials = scores.map(shift.exp)
        var sums = LaneSum<Float>()
        for e in exponentials { sums.add(e) }
        let sum = sums.total + shift.exp(sink)
        if sum.isNaN { return (scores.map { $0 == -.infinity ? 0 : .nan }, .nan) }
        if sum == 0 { return (scores.map { _ in 0 }, -.infinity) }
        let largest = shift.exp(most)
        let logSumExp = Float(Double(most) + WideFunctions.log(Double(sum) / Double(largest)))
        if sum == largest { return (exponentials.map { $0 / sum }, logSumExp) }
        let factor = 1 / sum
        return (exponentials.map { $0 * factor }, logSumExp)
    }

    package struct Gradients {
        /// Of the scores.
        package var scores: [Float] = []
        /// In the shape of the bias; empty without one.
        package var bias: [Float] = []
        /// One a head.
        package var slopes: [Float] = []
        package var sinks: [Float] = []
    }

    /// `x` is needed with a softcap, `logSumExp` with sinks.
    package static func backward(
        _ dy: [Float], y: [Float], x: [Float]?, logSumExp: [Float]?, scale: Float, mask: ScoreMask
    ) -> Gradients {
        var gradients = Gradients()
        var masked: [Float] = []  // gradients of the masked scores
        var slopes: [Float] = []
        var sinks: [Float] = []
        for (number, row) in mask.rows().enumerated() {
            let columns = number * row.keys..<(number + 1) * row.keys
            let (dy, y) = (dy[columns], y[columns])
            let share = row.sink == -.infinity ? 0 : ElementaryReference.exp(row.sink - (logSumExp?[number] ?? 0))
            let centre = mean(dy, y, centre: 0)
            let rest = mean(dy, y, centre: centre).addingProduct(-centre, share)
            let ds = zip(dy, y).map { $1 == 0 ? 0 : $1 * ($0 - centre - rest) }
            var slope = LaneSum<Float>()
            for (j, ds) in ds.enumerated() { slope.add(ds, times: row.distance(j)) }
            gradients.scores += zip(columns, ds).map { index, ds in
                if y[index] == 0 { return 0 }
                return ds * scale * (x.map { row.softcapDerivative(scale * $0[index]) } ?? 1)
            }
            masked += ds
            slopes.append(slope.total)
            sinks.append(-share * (centre + rest))
        }
        if let shape = mask.biasShape { gradients.bias = biasGradient(masked, biasShape: shape, shape: mask.shape) }
        gradients.slopes = overHeads(slopes, mask.shape)
        gradients.sinks = overHeads(sinks, mask.shape)
        return gradients
    }

    /// The sum of y · (dy - centre) where y is not 0.
    private static func mean(_ dy: ArraySlice<Float>, _ y: ArraySlice<Float>, centre: Float) -> Float {
        var sums = LaneSum<Float>()
        for (dy, y) in zip(dy, y) { sums.add(y == 0 ? 0 : dy - centre, times: y) }
        return sums.total
    }

    static func overHeads(_ rows: [Float], _ shape: ScoreShape) -> [Float] {
        (0..<shape.heads).map { head in
            var sum = LaneSum<Float>()
            for batch in 0..<shape.batch {
                for query in 0..<shape.queries { sum.add(rows[(batch * shape.heads + head) * shape.queries + query]) }
            }
            return sum.total
        }
    }

    /// Sums over the axes that the bias shares, in blocks of rows that are merged in order.
    static func biasGradient(_ ds: [Float], biasShape: Shape, shape: ScoreShape) -> [Float] {
        let extents = [shape.batch, shape.heads, shape.queries]
        let given = [Int](repeating: 1, count: 4 - biasShape.rank) + biasShape.extents
        let apart = (0..<3).map { given[$0] == extents[$0] ? extents[$0] : 1 }
        let shared = (0..<3).map { extents[$0] / max(apart[$0], 1) }
        func place(_ number: Int, _ extents: [Int]) -> [Int] {
            [number / extents[2] / extents[1], number / extents[2] % extents[1], number % extents[2]]
        }
        let count = shared.reduce(1, *)
        let share = (count + 63) / 64
        let rowsPerBlock = share <= 16 ? 16 : (share + 3) / 4 * 4
        return (0..<apart.reduce(1, *)).flatMap { row in
            var total: [Float]?
            for first in stride(from: 0, to: count, by: rowsPerBlock) {
                var sum = [Float](repeating: 0, count: shape.keys)
                for number in first..<min(first + rowsPerBlock, count) {
                    let index = zip(place(row, apart), place(number, shared)).map { $0 + $1 }
                    let start = ((index[0] * shape.heads + index[1]) * shape.queries + index[2]) * shape.keys
                    for j in 0..<shape.keys { sum[j] += ds[start + j] }
                }
                total = total.map { zip($0, sum).map { $0 + $1 } } ?? sum
            }
            return total ?? [Float](repeating: 0, count: shape.keys)
        }
    }
}
