// ScoreCells: what is measured of the softmax of attention scores. Rows are heads of 512 queries.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var scores: [Cell] {
        let shape = (rows: 12 * 512, columns: 512)
        let masks: [(name: String, mask: ScoreMaskKind)] = [
            ("scoreSoftmax", .none), ("scoreSoftmax causal", .causal), ("scoreSoftmax with bias", .bias),
            ("scoreSoftmax causal with bias", .causalWithBias), ("scoreSoftmax boolean", .boolean),
        ]
        return masks.map { name, mask in
            Cell(
                operation: name, storage: .float32, direction: .forward, rows: shape.rows, columns: shape.columns,
                isCold: false, tensorsRead: 1, tensorsWritten: 1
            ) { try ScoreForward<Float>(mask, shape: $0, sets: $1, backend: $2) }
        }
            + [masks[1]].map { name, mask in
                Cell(
                    operation: name, storage: .bfloat16, direction: .forward, rows: shape.rows, columns: shape.columns,
                    isCold: false, tensorsRead: 1, tensorsWritten: 1
                ) { try ScoreForward<BFloat16>(mask, shape: $0, sets: $1, backend: $2) }
            }
            + masks[..<3].map { name, mask in
                Cell(
                    operation: name, storage: .float32, direction: .backward, rows: shape.rows, columns: shape.columns,
                    isCold: false, tensorsRead: 2, tensorsWritten: 1
                ) { try ScoreBackward(mask, shape: $0, sets: $1, backend: $2) }
            }
    }
}

private enum ScoreMaskKind {
    case none, causal, bias, causalWithBias, boolean

    /// The bias and the boolean mask are shared by the heads.
    func mask(queries: Int, keys: Int) throws -> AttentionMask {
        let bias: Tensor<Float> = try filled([queries, keys], seed: 1000)
        switch self {
        case .none: return AttentionMask()
        case .causal: return .causal()
        case .bias: return .bias(bias)
        case .causalWithBias: return .causal().bias(bias)
        case .boolean: return .boolean(try Tensor(repeating: true, shape: [queries, keys]))
        }
    }
}

/// Heads of as many queries as there are keys; the reference may have fewer.
private func scoreShape(_ shape: Shape) -> Shape {
    let queries = min(shape[0], shape[1])
    return [1, shape[0] / queries, queries, shape[1]]
}

private struct ScoreForward<Element: KernelElement>: Workload {
    let backend: Backend
    let mask: AttentionMask
    let inputs: [Tensor<Element>]
    var outputs: [Tensor<Element>]

    init(_ kind: ScoreMaskKind, shape: Shape, sets: Int, backend: Backend) throws {
        let shape = scoreShape(shape)
        self.backend = backend
        mask = try kind.mask(queries: shape[2], keys: shape[3])
        inputs = try (0..<sets).map { try filled(shape, seed: $0) }
        outputs = try inputs.map { _ in try filled(shape, seed: 0) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        try scoreSoftmax(inputs[set], scale: 0.125, mask: mask, into: &outputs[set], backend: backend)
    }
}

private struct ScoreBackward: Workload {
    let backend: Backend
    let mask: AttentionMask
    let outputs, outputGradients: [Tensor<Float>]

    init(_ kind: ScoreMaskKind, shape: Shape, sets: Int, backend: Backend) throws {
        let shape = scoreShape(shape)
        let mask = try kind.mask(queries: shape[2], keys: shape[3])
        self.backend = backend
        self.mask = mask
        outputs = try (0..<sets).map { try scoreSoftmax(filled(shape, seed: $0) as Tensor<Float>, mask: mask) }
        outputGradients = try (0..<sets).map { try filled(shape, seed: 1000 + $0) }
    }

    /// Gradients are new tensors: what it costs to ask for their memory is part of the call.
    mutating func run(set: Int) throws(NormalizationError) {
        _ = try scoreSoftmaxBackward(
            outputGradients[set], output: outputs[set], scale: 0.125, mask: mask, backend: backend)
    }
}
