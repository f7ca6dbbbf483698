public import Normalization

/// A layer: LayerNorm of routed rows, with a weight and a bias for each expert.
///
/// ```
/// y_row = weight_k (x_row - mean) / sqrt(variance + epsilon) + bias_k,   k = the row's expert
/// ```
///
/// Statistics are those of the row alone, as in any LayerNorm: the expert's own weight and bias give back the scale
/// and the offset that its statistics take away.
///
/// ```swift
/// let norm = try PerExpertLayerNorm(experts: 4, featureCount: 512)
/// let (value, pullback) = try norm.valueWithPullback(at: outputs, experts: routing)   // [rows, 512], one expert a row
/// ```
/// Precision and special rows: those of `layerNorm`. The rows of an expert are copied together for one call of the
/// kernel.
public struct PerExpertLayerNorm: Sendable {
    /// [experts, features].
    public var weight: Tensor<Float>
    /// [experts, features].
    public var bias: Tensor<Float>
    public var epsilon: Float
    public var backend: Backend

    /// A layer that has learned nothing: weight 1, bias 0.
    ///
    /// - Throws: `NormalizationError` if there is no expert or feature, or `epsilon` is not a finite number of at
    ///   least 0.
    public init(
        experts: Int, featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic
    ) throws(NormalizationError) {
        try Requirement.that(experts > 0, argument: "experts", expected: "at least 1", given: "\(experts)")
        let one = try LayerNorm(featureCount: featureCount, epsilon: epsilon)
        weight = try Tensor(repeating: 1, shape: [experts, featureCount])
        bias = try Tensor(repeating: 0, shape: [experts, featureCount])
        self.epsilon = one.epsilon
        self.backend = backend
    }

    /// - Parameters:
    ///   - x: [rows, features].
    ///   - experts: For each row the expert that made it.
    /// - Throws: `NormalizationError` for another shape, another count, or an expert that is not there.
    public func callAsFunction(_ x: Tensor<Float>, experts: [Int]) throws(NormalizationError) -> Tensor<Float> {
        try valueWithPullback(at: x, experts: experts).value
    }

    /// Gradients of input, weight and bias, of their shapes.
    public struct Gradients: Sendable {
        public let input: Tensor<Float>
        public let weight: Tensor<Float>
        public let bias: Tensor<Float>
    }

    /// The normalized rows and their pullback.
    ///
    /// - Throws: As the call.
    public func valueWithPullback(
        at x: Tensor<Float>, experts: [Int]
    ) throws(NormalizationError) -> (
        value: Tensor<Float>, pullback: @Sendable (Tensor<Float>) throws(NormalizationError) -> Gradients
    ) {
        let (count, features) = (weight.shape[0], weight.shape[1])
        try Requirement.columns(x.shape, features, argument: "x")
        try Requirement.count(experts.count, is: x.count / features, argument: "experts")
        try Requirement.that(
            experts.allSatisfy { 0..<count ~= $0 }, argument: "experts", expected: "experts within 0..<\(count)",
            given: "\(experts.first { !(0..<count ~= $0) } ?? 0)")
        var groups: [Group] = []
        var value = x.contiguous()
        for expert in 0..<count {
            let rows = experts.indices.filter { experts[$0] == expert }
            if rows.isEmpty { continue }
            let part = try x.gatheringRows(rows)
            let factor = try weight.sliced(expert..<expert + 1).reshaped(to: [features])
            let (y, statistics) = try layerNormWithStatistics(
                part, weight: factor, bias: bias.sliced(expert..<expert + 1).reshaped(to: [features]),
                epsilon: epsilon, backend: backend)
            value.scatterRows(y, to: rows)
            groups.append(Group(expert: expert, rows: rows, x: part, weight: factor, statistics: statistics))
        }
        return (value, { [groups, weight, backend] (gradient) throws(NormalizationError) in
            try Requirement.columns(gradient.shape, features, argument: "gradient")
            try Requirement.count(gradient.count, is: experts.count * features, argument: "gradient")
            var input = gradient.contiguous()
            var weightGradient = try Tensor<Float>(repeating: 0, shape: weight.shape)
            var biasGradient = weightGradient
            for group in groups {
                let gradients = try layerNormBackward(
                    gradient.gatheringRows(group.rows), x: group.x, weight: group.weight, statistics: group.statistics,
                    backend: backend)
                input.scatterRows(gradients.input, to: group.rows)
                if let term = gradients.weight { weightGradient.scatterRows(term, to: [group.expert]) }
                if let term = gradients.bias { biasGradient.scatterRows(term, to: [group.expert]) }
            }
            return Gradients(input: input, weight: weightGradient, bias: biasGradient)
        })
    }

    /// The rows of one expert.
    private struct Group: Sendable {
        let expert: Int
        let rows: [Int]
        let x: Tensor<Float>
        let weight: Tensor<Float>
        let statistics: RowStatistics
    }
}

extension Tensor<Float> {
    /// These rows along the last axis, as [rows.count, columns].
    fileprivate func gatheringRows(_ rows: [Int]) throws(NormalizationError) -> Tensor {
        let columns = shape[shape.rank - 1]
        let elements = withSpan { x in
            rows.flatMap { row in (0..<columns).map { x[row * columns + $0] } }
        }
        return try Tensor(elements, shape: [rows.count, columns])
    }

    /// Overwrites these rows with those of `part`.
    fileprivate mutating func scatterRows(_ part: Tensor, to rows: [Int]) {
        let columns = shape[shape.rank - 1]
        part.withSpan { source in
            withMutableSpan { y in
                for (place, row) in rows.enumerated() {
                    for column in 0..<columns { y[row * columns + column] = source[place * columns + column] }
                }
            }
        }
    }
}
