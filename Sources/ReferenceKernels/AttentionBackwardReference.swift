internal import Tensors

extension AttentionReference {
    package struct Gradients {
        package var query, key, value: [Float]
    }

    /// Gradients of `forward`, from what it returned and the gradient of its output.
    package static func backward(_ outputGradient: [Float], output: Output, _ input: Input) -> Gradients {
        var gradients = Gradients(
            query: input.query.map { _ in 0 }, key: input.key.map { _ in 0 }, value: input.value.map { _ in 0 })
        let shape = input.mask.shape
        let rows = input.mask.rows()
        let group = shape.heads / max(input.keyHeads, 1)
        for plane in 0..<shape.batch * input.keyHeads {
            for query in 0..<shape.queries {
                for head in 0..<group {
                    let row = (plane * group + head) * shape.queries + query
                    add(row, rows[row], outputGradient, output, input, to: &gradients)
                }
            }
        }
        gradients.query = gradients.query.map { $0 * input.scale + 0 }
        gradients.key = gradients.key.map { $0 * input.scale + 0 }
        gradients.value = gradients.value.map { $0 + 0 }
        return gradients
    }

    private static func add(
        _ row: Int, _ scores: ScoreRow, _ outputGradient: [Float], _ output: Output, _ input: Input,
        to gradients: inout Gradients
    ) {
        let (head, value) = (input.headSize, input.valueSize)
        let delta = dotByLanes(outputGradient, output.output, row, value)
        if output.logSumExp[row] == -.infinity { return }
        for key in scores.range {
            let keyRow = input.keyRow(key, ofRow: row)
            let scaled = input.scaledScore(row: row, key: keyRow)
            let s = (scores.score(scaled, key) - output.logSumExp[row]) - output.logSumExpLow[row]
            let p = AttentionSums.weight(s, anchor: 0, low: -AttentionSums.nothing, power: 0)
            if p == 0 { continue }
            var ds = p * (input.dot(outputGradient, row, input.value, keyRow, value) - delta)
            if scores.cap != 0 { ds *= scores.softcapDerivative(scaled) }
            for d in 0..<value { gradients.value[keyRow * value + d].addProduct(p, outputGradient[row * value + d]) }
            for d in 0..<head {
                gradients.key[keyRow * head + d].addProduct(ds, input.query[row * head + d])
                gradients.query[row * head + d].addProduct(ds, input.key[keyRow * head + d])
            }
        }
    }

    /// The sum of a · b over a row, in 16 lanes that are folded by halves.
    private static func dotByLanes(_ a: [Float], _ b: [Float], _ row: Int, _ width: Int) -> Float {
        var lanes = [Float](repeating: 0, count: 16)
        for d in 0..<width { lanes[d % 16].addProduct(a[row * width + d], b[row * width + d]) }
        var half = 8
        while half > 0 {
            for lane in 0..<half { lanes[lane] += lanes[lane + half] }
            half /= 2
        }
        return lanes[0]
    }
}
