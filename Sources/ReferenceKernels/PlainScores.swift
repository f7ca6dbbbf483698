/// The textbook: the softmax of one row of masked scores and its gradients, in the order of the formulas, with the
/// functions of the caller. In `Double` it is the judge of accuracy and is differentiated by differences.
package struct PlainScores<Scalar: BinaryFloatingPoint> {
    private let exp, tanh: (Scalar) -> Scalar

    package init(exp: @escaping (Scalar) -> Scalar, tanh: @escaping (Scalar) -> Scalar) {
        self.exp = exp
        self.tanh = tanh
    }

    /// A row; what is nil is not there.
    package struct Row {
        package var x: [Scalar]
        package var scale: Scalar
        package var softcap: Scalar?
        package var bias: [Scalar]?
        package var slope: Scalar = 0
        /// j - p of every key.
        package var distances: [Scalar]
        package var takesPart: [Bool]
        package var sink: Scalar?

        package init(
            x: [Scalar], scale: Scalar, softcap: Scalar?, bias: [Scalar]?, slope: Scalar, distances: [Scalar],
            takesPart: [Bool], sink: Scalar?
        ) {
            self.x = x
            self.scale = scale
            self.softcap = softcap
            self.bias = bias
            self.slope = slope
            self.distances = distances
            self.takesPart = takesPart
            self.sink = sink
        }
    }

    private func score(_ row: Row, _ j: Int) -> Scalar {
        var s = row.scale * row.x[j]
        if let cap = row.softcap { s = cap * tanh(s / cap) }
        return s + (row.bias?[j] ?? 0) + row.slope * row.distances[j]
    }

    package func forward(_ row: Row) -> [Scalar] {
        let keys = row.x.indices.filter { row.takesPart[$0] }
        let scores = keys.map { score(row, $0) }
        let most = max(scores.max() ?? -.infinity, row.sink ?? -.infinity)
        let sum = scores.reduce(row.sink.map { exp($0 - most) } ?? 0) { $0 + exp($1 - most) }
        var y = [Scalar](repeating: 0, count: row.x.count)
        for (key, score) in zip(keys, scores) { y[key] = exp(score - most) / sum }
        return y
    }

    package struct Gradients {
        package let scores, bias: [Scalar]
        package let slope, sink: Scalar
    }

    /// The gradients of the sum of dy · forward.
    package func backward(_ dy: [Scalar], _ row: Row) -> Gradients {
        let y = forward(row)
        let mean = zip(dy, y).reduce(0) { $0 + $1.0 * $1.1 }
        let ds = zip(dy, y).map { $1 * ($0 - mean) }
        let dx = row.x.indices.map { j in
            if !row.takesPart[j] { return Scalar(0) }
            let t = row.softcap.map { tanh(row.scale * row.x[j] / $0) } ?? 0
            return ds[j] * row.scale * (1 - t * t)
        }
        let slope = zip(ds, row.distances).reduce(0) { $0 + $1.0 * $1.1 }
        return Gradients(
            scores: dx, bias: ds, slope: slope, sink: row.sink == nil ? 0 : -(1 - y.reduce(0, +)) * mean)
    }
}
