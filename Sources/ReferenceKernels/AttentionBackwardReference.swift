internal import Tensors

extension AttentionReference {
    package struct Gradients {
        package var query, key, value: [Float]
        /// In the shape of the bias; empty without one.
        package var bias: [Float] = []
        /// One a head.
        package var slopes: [Float] = []
        package var sinks: [Float] = []
    }

    /// What rows give to the gradients of the mask's parameters.
    private struct RowGradients {
        var scores, slopes, sinks: [Float]
    }

    /// Gradients of `forward`, from what it returned and the gradient of its output.
    package static func backward(_ outputGradient: [Float], output: Output, _ input: Input) -> Gradients {
        var gradients = Gradients(
            query: input.query.map { _ in 0 }, key: input.key.map { _ in 0 }, value: input.value.map { _ in 0 })
        let shape = input.mask.shape
        let rows = input.mask.rows()
        var given = RowGradients(
            scores: [Float](repeating: 0, count: rows.count * shape.keys), slopes: rows.map { _ in 0 },
            sinks: rows.map { _ in 0 })
        let group = shape.heads / max(input.keyHeads, 1)
        for plane in 0..<shape.batch * input.keyHeads {
            for query in 0..<shape.queries {
                for head in 0..<group {
                    let row = (plane * group + head) * shape.queries + query
                    add(row, rows[row], outputGradient, output, input, to: &gradients, &given)
                }
            }
        }
        gradients.query = gradients.query.map { $0 * input.scale + 0 }
        gradients.key = gradients.key.map { $0 * input.scale + 0 }
        gradients.value = gradients.value.map { $0 * input.keptScale + 0 }
        if let bias = input.mask.biasShape {
            gradients.bias = ScoreSoftmaxReference.biasGradient(given.scores, biasShape: bias, shape: shape)
        }
        gradients.slopes = ScoreSoftmaxReference.overHeads(given.slopes, shape)
        gradients.sinks = ScoreSoftmaxReference.overHeads(given.sinks, shape)
        return gradients
    }

    private static func add(
        _ row: Int, _ scores: ScoreRow, _ outputGradient: [Float], _ output: Output, _ input: Input,
        to gradients: inout Gradients, _ given: inout RowGradients
    ) {
        let (head, value) = (input.headSize, input.valueSize)
        let delta = dotByLanes(outputGradient, output.output, row, value)
        func probability(_ s: Float) -> Float {
            if s == -.infinity || output.logSumExp[row] == -.infinity { return 0 }
            let u = (s - output.logSumExp[row]) - output.logSumExpLow[row]
            let most = AttentionSums.nothing  // for sums that no forward pass wrote
            return AttentionSums.weight(u > most ? most : u, anchor: 0, low: -most, power: 0)
        }
        let share = probability(scores.sink)
        given.sinks[row] = share == 0 ? 0 : -share * delta
        for key in scores.range {
            let keyRow = input.keyRow(key, ofRow: row)
            let scaled = input.scaledScore(row: row, key: keyRow)
            let p = probability(scores.score(scaled, key))
            if p == 0 { continue }
            let isKept = input.keeps(row: row, key: key)
            let product = isKept ? input.dot(outputGradient, row, input.value, keyRow, value) * input.keptScale : 0
            var ds = p * (product - delta)
            given.scores[row * scores.keys + key] = ds
            if scores.cap != 0 { ds *= scores.softcapDerivative(scaled) }
            for d in 0..<value where isKept {
                gradients.value[keyRow * value + d].addProduct(p, outputGradient[row * value + d])
            }
            for d in 0..<head where ds != 0 {
                gradients.key[keyRow * head + d].addProduct(ds, input.query[row * head + d])
                gradients.query[row * head + d].addProduct(ds, input.key[keyRow * head + d])
            }
        }
        given.slopes[row] = slope(scores, given.scores[row * scores.keys..<(row + 1) * scores.keys])
    }

    /// The sum of ds · distance: in 16 lanes for each chunk of keys, which are added in order and folded by halves.
    private static func slope(_ scores: ScoreRow, _ ds: ArraySlice<Float>) -> Float {
        let products = ds.enumerated().map { $1 * scores.distance($0) }
        var totals = [Float](repeating: 0, count: 16)
        for chunk in stride(from: 0, to: products.count, by: AttentionSums.chunk) {
            var lanes = [Float](repeating: 0, count: 16)
            for first in stride(from: chunk, to: min(chunk + AttentionSums.chunk, products.count), by: 64) {
                func term(_ key: Int) -> Float { first + key < products.count ? products[first + key] : 0 }
                for lane in 0..<16 {
                    lanes[lane] += (term(lane) + term(lane + 32)) + (term(lane + 16) + term(lane + 48))
                }
            }
            for lane in 0..<16 { totals[lane] += lanes[lane] }
        }
        return folded(totals)
    }

    /// The sum of a · b over a row, in 16 lanes that are folded by halves.
    private static func dotByLanes(_ a: [Float], _ b: [Float], _ row: Int, _ width: Int) -> Float {
        var lanes = [Float](repeating: 0, count: 16)
        for d in 0..<width { lanes[d % 16].addProduct(a[row * width + d], b[row * width + d]) }
        return folded(lanes)
    }

    private static func folded(_ lanes: [Float]) -> Float {
        var lanes = lanes
        var half = 8
        while half > 0 {
            for lane in 0..<half { lanes[lane] += lanes[lane + half] }
            half /= 2
        }
        return lanes[0]
    }
}
