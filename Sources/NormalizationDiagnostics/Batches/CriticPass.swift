/// A layer of a critic after its forward pass: its backward pass, and the pullback of that.
struct CriticPass {
    private let layer: Critic.Layer
    private let x: Tensor<Float>
    let output: Tensor<Float>
    private let rowStatistics: RowStatistics?
    private let channelStatistics: ChannelStatistics?

    init(_ layer: Critic.Layer, _ x: Tensor<Float>, backend: Backend) throws(NormalizationError) {
        self.layer = layer
        self.x = x
        var rows: RowStatistics?
        var channels: ChannelStatistics?
        switch layer {
        case .linear(let weight, let bias):
            guard weight.shape.rank == 2, bias.map({ $0.shape == [weight.shape[0]] }) ?? true else {
                throw NormalizationError(
                    .shapeMismatch, argument: "bias", expected: "[outputs] beside a weight [outputs, inputs]",
                    given: "\(bias?.shape ?? []) beside \(weight.shape)")
            }
            let y = try matmul(x, weight.transposed(0, 1), backend: backend)
            output = bias.map { combine(y, rows: $0) { $0 + $1 } } ?? y
        case .leakyReLU(let slope): output = combine(x, x) { $1 > 0 ? $0 : slope * $0 }
        case .layerNorm(let weight, let bias, let epsilon):
            let result = try layerNormWithStatistics(x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            (output, rows) = (result.output, result.statistics)
        case .batchNorm(let weight, let bias, let epsilon, let scope):
            let result = try channelNormWithStatistics(
                x, over: .batch(scope), weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            (output, channels) = (result.output, result.statistics)
        }
        rowStatistics = rows
        channelStatistics = channels
    }

    typealias Step = (input: Tensor<Float>, parameters: Critic.Gradients)

    func backward(_ dy: Tensor<Float>, backend: Backend) throws(NormalizationError) -> Step {
        switch layer {
        case .linear(let weight, let bias):
            let gradients = Critic.Gradients(
                weight: try matmul(dy.transposed(0, 1), x, backend: backend),
                bias: bias.map { _ in columnSums(dy) })
            return (try matmul(dy, weight, backend: backend), gradients)
        case .leakyReLU(let slope): return (masked(dy, slope), Critic.Gradients())
        case .layerNorm(let weight, let bias, _):
            let gradients = try layerNormBackward(
                dy, x: x, weight: weight, statistics: rowStatistics!, backend: backend)
            return (
                gradients.input,
                Critic.Gradients(
                    weight: weight.flatMap { _ in gradients.weight }, bias: bias.flatMap { _ in gradients.bias })
            )
        case .batchNorm(let weight, let bias, _, _):
            let gradients = try channelNormBackward(
                dy, x: x, weight: weight, statistics: channelStatistics!, backend: backend)
            return (
                gradients.input,
                Critic.Gradients(
                    weight: weight.flatMap { _ in gradients.weight }, bias: bias.flatMap { _ in gradients.bias })
            )
        }
    }

    /// For a cotangent `v` of what `backward(dy)` gave: the cotangents of `dy` and of the layer's input (nil: 0), and
    /// what the parameters get. A BatchNorm must have fixed moments.
    func doubleBackward(
        _ v: Tensor<Float>, dy: Tensor<Float>, backend: Backend
    ) throws(NormalizationError) -> (outputGradient: Tensor<Float>, input: Tensor<Float>?, weight: Tensor<Float>?) {
        switch layer {
        case .linear(let weight, _):
            return (
                try matmul(v, weight.transposed(0, 1), backend: backend), nil,
                try matmul(dy.transposed(0, 1), v, backend: backend)
            )
        case .leakyReLU(let slope): return (masked(v, slope), nil, nil)
        case .layerNorm(let weight, _, _):
            let second = try layerNormDoubleBackward(
                inputCotangent: v, outputGradient: dy, x: x, weight: weight, statistics: rowStatistics!,
                backend: backend)
            return (second.outputGradient, second.input, weight.map { _ in second.weight })
        case .batchNorm(let weight, _, _, _):
            let plain = try channelNormBackward(v, x: x, statistics: channelStatistics!, backend: backend).input
            return (
                weight.map { combine(plain, rows: $0) { $0 * $1 } } ?? plain, nil,
                weight.map { _ in columnSums(combine(plain, dy) { $0 * $1 }) }
            )
        }
    }

    private func masked(_ gradient: Tensor<Float>, _ slope: Float) -> Tensor<Float> {
        combine(gradient, x) { $1 > 0 ? $0 : slope * $0 }
    }
}

func combine(_ a: Tensor<Float>, _ b: Tensor<Float>, _ operation: (Float, Float) -> Float) -> Tensor<Float> {
    var result = a.contiguous()
    b.withSpan { b in
        result.withMutableSpan { y in
            for index in b.indices { y[index] = operation(y[index], b[index]) }
        }
    }
    return result
}

/// `operation` on each row of `a` and the vector `row`.
private func combine(_ a: Tensor<Float>, rows row: Tensor<Float>, _ operation: (Float, Float) -> Float) -> Tensor<Float>
{
    var result = a.contiguous()
    let columns = row.count
    row.withSpan { row in
        result.withMutableSpan { y in
            for index in y.indices { y[index] = operation(y[index], row[index % columns]) }
        }
    }
    return result
}

/// Sums over rows in float64, from the first row to the last.
private func columnSums(_ x: Tensor<Float>) -> Tensor<Float> {
    let columns = x.shape[1]
    var sums = [Double](repeating: 0, count: columns)
    x.withSpan { x in
        for index in x.indices { sums[index % columns] += Double(x[index]) }
    }
    return Tensor(sums.map { Float($0) })
}
