// AttentionCall: how a call whose arguments fit is computed, by the kernels or in plain Swift.

internal import KernelBridge
internal import ReferenceKernels
internal import Tensors

extension AttentionCall {
    func output(backend: Backend) throws(NormalizationError) -> Tensor<Element> {
        var output = Tensor<Element>(uninitializedLike: outputShape)
        var none: AttentionStatistics?
        try forward(into: &output, statistics: &none, backend: backend)
        return output
    }

    func outputWithStatistics(
        backend: Backend
    ) throws(NormalizationError) -> (output: Tensor<Element>, statistics: AttentionStatistics) {
        var output = Tensor<Element>(uninitializedLike: outputShape)
        var statistics: AttentionStatistics? = AttentionStatistics(uninitializedFor: rowShape)
        try forward(into: &output, statistics: &statistics, backend: backend)
        return (output, statistics!)
    }

    /// Into a tensor that may not fit.
    func write(into output: inout Tensor<Element>, backend: Backend) throws(NormalizationError) {
        try validate(shape: output.shape, is: outputShape, argument: "output")
        guard output.hasContiguousRows else { throw .rowsNotContiguous(argument: "output", strides: output.strides) }
        var none: AttentionStatistics?
        try forward(into: &output, statistics: &none, backend: backend)
    }

    /// `output` has the output's shape and contiguous rows, `statistics` are not shared.
    private func forward(
        into output: inout Tensor<Element>, statistics: inout AttentionStatistics?, backend: Backend
    ) throws(NormalizationError) {
        if let run = try backend.kernelRun() {
            output.makeUniqueForOverwriting()
            try kernels.forward(
                output: output.withFourAxes(argument: "output"), logSumExp: statistics?.logSumExp,
                logSumExpLow: statistics?.logSumExpLow, run: run)
        } else {
            let result = AttentionReference.forward(try reference())
            output.assign(try unpadded(queries: result.output, columns: value.shape[3]))
            statistics?.logSumExp.assign(try unpadded(queries: result.logSumExp, columns: 1))
            statistics?.logSumExpLow.assign(try unpadded(queries: result.logSumExpLow, columns: 1))
        }
    }

    /// Gradients to be filled; with `parameters` also for those parts of the mask that there are.
    func gradients(
        like query: Tensor<Element>, _ key: Tensor<KeyElement>, _ value: Tensor<KeyElement>, parameters: Bool
    ) throws(NormalizationError) -> AttentionGradients<Element, KeyElement> {
        func zeros(_ shape: Shape?) throws(NormalizationError) -> Tensor<Float>? {
            guard parameters, let shape else { return nil }
            return try Tensor(repeating: 0, shape: shape)
        }
        return AttentionGradients(
            query: Tensor(uninitializedLike: query.shape), key: Tensor(uninitializedLike: key.shape),
            value: Tensor(uninitializedLike: value.shape), bias: try zeros(mask.biasShape),
            slopes: try zeros(mask.slopes?.shape), sinks: try zeros(mask.sinks?.shape))
    }

    /// `gradients` are dense and not shared.
    func backward(
        _ outputGradient: Tensor<Element>, output: Tensor<Element>, statistics: AttentionStatistics,
        into gradients: inout AttentionGradients<Element, KeyElement>, backend: Backend
    ) throws(NormalizationError) {
        try validate(shape: output.shape, is: outputShape, argument: "output")
        try validate(shape: outputGradient.shape, is: outputShape, argument: "outputGradient")
        try validate(shape: statistics.logSumExp.shape, is: rowShape, argument: "statistics")
        let outputGradient = try outputGradient.withFourAxes(argument: "outputGradient")
        let output = try output.withFourAxes(argument: "output")
        if let run = try backend.kernelRun() {
            try kernels.backward(
                outputGradient, output: output, logSumExp: statistics.logSumExp,
                logSumExpLow: statistics.logSumExpLow,
                into: AttentionKernels.Gradients(
                    query: gradients.query.withFourAxes(argument: "query"),
                    key: gradients.key.withFourAxes(argument: "key"),
                    value: gradients.value.withFourAxes(argument: "value"), bias: gradients.bias,
                    slopes: gradients.slopes, sinks: gradients.sinks),
                run: run)
        } else {
            let saved = AttentionReference.Output(
                output: try padded(queries: output),
                logSumExp: try padded(statistics: statistics.logSumExp, with: -.infinity),
                logSumExpLow: try padded(statistics: statistics.logSumExpLow, with: 0))
            let result = AttentionReference.backward(
                try padded(queries: outputGradient), output: saved, try reference())
            gradients.query.assign(try unpadded(queries: result.query, columns: query.shape[3]))
            gradients.key.assign(try unpadded(keys: result.key, columns: key.shape[3]))
            gradients.value.assign(try unpadded(keys: result.value, columns: value.shape[3]))
            gradients.bias?.assign(result.bias)
            gradients.slopes?.assign(result.slopes)
            gradients.sinks?.assign(result.sinks)
        }
    }

    private var kernels: AttentionKernels<Element, KeyElement> {
        AttentionKernels(
            query: query, key: key, value: value, queryLayout: queryLayout, keyLayout: keyLayout, scale: scale,
            mask: mask, dropout: dropout, firstQuery: firstQuery)
    }
}

// MARK: - What the reference reads and writes: elements of [batch, heads, rows, columns], rows padded

extension AttentionCall {
    private func reference() throws(NormalizationError) -> AttentionReference.Input {
        AttentionReference.Input(
            query: try padded(queries: query), key: try padded(keys: key), value: try padded(keys: value),
            keyHeads: key.shape[1], headSize: query.shape[3], valueSize: value.shape[3], scale: scale, mask: mask,
            roundsWeights: Element.storageType == .bfloat16 && KeyElement.storageType == .bfloat16, dropout: dropout,
            firstQuery: firstQuery)
    }

    private func padded(queries x: Tensor<Element>) throws(NormalizationError) -> [Float] {
        try queryLayout.padded(x, rows: mask.shape.queries).widened().array
    }

    private func padded(statistics numbers: Tensor<Float>, with padding: Float) throws(NormalizationError) -> [Float] {
        let column = try numbers.reshaped(to: Shape(rowShape.extents + [1])).withFourAxes(argument: "statistics")
        return try queryLayout.padded(column, rows: mask.shape.queries, with: padding).array
    }

    private func padded(keys x: Tensor<KeyElement>) throws(NormalizationError) -> [Float] {
        try keyLayout.padded(x, rows: mask.shape.keys).widened().array
    }

    /// Elements of queries, as they lie in their layout.
    private func unpadded<Other: KernelElement>(
        queries elements: [Float], columns: Int
    ) throws(NormalizationError) -> [Other] {
        let shape: Shape = [mask.shape.batch, mask.shape.heads, mask.shape.queries, columns]
        return try queryLayout.unpadded(Tensor(elements, shape: shape)).array.map(Other.init(rounding:))
    }

    private func unpadded(keys elements: [Float], columns: Int) throws(NormalizationError) -> [KeyElement] {
        let shape: Shape = [mask.shape.batch, key.shape[1], mask.shape.keys, columns]
        return try keyLayout.unpadded(Tensor(elements, shape: shape)).array.map(KeyElement.init(rounding:))
    }
}

extension AttentionStatistics {
    /// To be filled, in the shape of the queries' rows.
    init(uninitializedFor rows: Shape) {
        self.init(logSumExp: Tensor(uninitializedLike: rows), logSumExpLow: Tensor(uninitializedLike: rows))
    }
}
