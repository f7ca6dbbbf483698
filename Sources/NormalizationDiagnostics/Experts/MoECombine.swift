public import Normalization

/// How the outputs of experts are added up, and where a norm stands.
///
/// ```
/// none:          y = sum_k gate_k h_k
/// perExpert:     y = sum_k gate_k LN(h_k; weight_k, bias_k)
/// shared:        y = sum_k gate_k LN(h_k; weight, bias)
/// afterCombine:  y = LN(sum_k gate_k h_k; weight, bias)
/// ```
///
/// A norm before the sum takes away each expert's own scale and offset. With orthogonal experts |y|² is then
/// d sum_k gate_k², whatever the experts' magnitudes (weight 1, bias 0, epsilon 0), and an expert that is silent
/// speaks as loud as the others: what it says may be noise. Weight and bias of each expert can give its scale back.
/// After the sum relative magnitudes are kept.
///
/// ```swift
/// let combine = try MoECombine(norm: .afterCombine, experts: 4, featureCount: 512)
/// let (value, pullback) = try combine.valueWithPullback(outputs: h, gates: g)   // [rows, 4, 512] and [rows, 4]
/// ```
/// Norms are the package's kernels; sums over experts are in float32, from the first expert to the last.
public struct MoECombine: Sendable {
    public enum Norm: String, Hashable, Sendable, CaseIterable {
        case none, perExpert, shared, afterCombine
    }

    public let norm: Norm
    public let experts: Int
    public let featureCount: Int
    /// [experts · features] for `perExpert`, else [features]; not used for `none`.
    public var weight: Tensor<Float>
    /// As the weight.
    public var bias: Tensor<Float>
    public var epsilon: Float
    public var backend: Backend
    private let segments: SegmentOffsets

    /// Weight 1 and bias 0.
    ///
    /// - Throws: `NormalizationError` if there is no expert or feature, or `epsilon` is not a finite number of at
    ///   least 0.
    public init(
        norm: Norm, experts: Int, featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic
    ) throws(NormalizationError) {
        try Requirement.that(experts > 0, argument: "experts", expected: "at least 1", given: "\(experts)")
        segments = try SegmentOffsets(widths: [Int](repeating: featureCount, count: experts))
        let layer = try SegmentedLayerNorm(
            segments: segments, parameters: norm == .perExpert ? .perColumn : .shared, epsilon: epsilon)
        (weight, bias) = (layer.weight, layer.bias)
        self.norm = norm
        self.experts = experts
        self.featureCount = featureCount
        self.epsilon = epsilon
        self.backend = backend
    }

    /// - Parameters:
    ///   - outputs: [rows, experts, features].
    ///   - gates: [rows, experts].
    /// - Returns: [rows, features].
    /// - Throws: `NormalizationError` for other shapes.
    public func callAsFunction(
        outputs: Tensor<Float>, gates: Tensor<Float>
    ) throws(NormalizationError) -> Tensor<Float> {
        try valueWithPullback(outputs: outputs, gates: gates).value
    }

    /// Gradients of what went in; those of weight and bias are nil for `none`.
    public struct Gradients: Sendable {
        public let outputs: Tensor<Float>
        public let gates: Tensor<Float>
        public let weight: Tensor<Float>?
        public let bias: Tensor<Float>?
    }

    /// The combined rows and their pullback.
    ///
    /// - Throws: As the call.
    public func valueWithPullback(
        outputs: Tensor<Float>, gates: Tensor<Float>
    ) throws(NormalizationError) -> (
        value: Tensor<Float>, pullback: @Sendable (Tensor<Float>) throws(NormalizationError) -> Gradients
    ) {
        let rows = gates.shape.extents.first ?? 0
        try Requirement.columns(gates.shape, experts, argument: "gates")
        try Requirement.that(
            gates.shape.rank == 2 && outputs.shape == [rows, experts, featureCount], argument: "outputs",
            expected: "shape [rows, \(experts), \(featureCount)] beside gates of [rows, \(experts)]",
            given: "\(outputs.shape) beside \(gates.shape)")
        let flat = try outputs.reshaped(to: [rows, experts * featureCount])
        switch norm {
        case .none:
            return (try combined(flat, gates), { [self] (gradient) throws(NormalizationError) in
                let back = try spread(gradient, flat, gates)
                return Gradients(
                    outputs: try back.outputs.reshaped(to: outputs.shape), gates: back.gates, weight: nil, bias: nil)
            })
        case .perExpert, .shared:
            let parameters: SegmentParameters = norm == .perExpert ? .perColumn : .shared
            let (y, statistics) = try segmentedLayerNormWithStatistics(
                flat, segments: segments, parameters: parameters, weight: weight, bias: bias, epsilon: epsilon,
                backend: backend)
            return (try combined(y, gates), { [self] (gradient) throws(NormalizationError) in
                let back = try spread(gradient, y, gates)
                let gradients = try segmentedLayerNormBackward(
                    back.outputs, x: flat, segments: segments, parameters: parameters, weight: weight,
                    statistics: statistics, backend: backend)
                return Gradients(
                    outputs: try gradients.input.reshaped(to: outputs.shape), gates: back.gates,
                    weight: gradients.weight, bias: gradients.bias)
            })
        case .afterCombine:
            let sum = try combined(flat, gates)
            let (y, statistics) = try layerNormWithStatistics(
                sum, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            return (y, { [self] (gradient) throws(NormalizationError) in
                let gradients = try layerNormBackward(
                    gradient, x: sum, weight: weight, statistics: statistics, backend: backend)
                let back = try spread(gradients.input, flat, gates)
                return Gradients(
                    outputs: try back.outputs.reshaped(to: outputs.shape), gates: back.gates, weight: gradients.weight,
                    bias: gradients.bias)
            })
        }
    }

    /// sum_k gate_k h_k of rows [experts · features].
    private func combined(_ h: Tensor<Float>, _ gates: Tensor<Float>) throws(NormalizationError) -> Tensor<Float> {
        let rows = gates.shape[0]
        var result = try Tensor<Float>(repeating: 0, shape: [rows, featureCount])
        h.withSpan { h in
            gates.withSpan { gates in
                result.withMutableSpan { y in
                    for pair in 0..<rows * experts {
                        let (first, gate) = (pair / experts * featureCount, gates[pair])
                        for column in 0..<featureCount { y[first + column] += gate * h[pair * featureCount + column] }
                    }
                }
            }
        }
        return result
    }

    /// The pullback of `combined`.
    private func spread(
        _ gradient: Tensor<Float>, _ h: Tensor<Float>, _ gates: Tensor<Float>
    ) throws(NormalizationError) -> (outputs: Tensor<Float>, gates: Tensor<Float>) {
        let rows = gates.shape[0]
        try Requirement.that(
            gradient.shape == [rows, featureCount], argument: "gradient", expected: "shape [\(rows), \(featureCount)]",
            given: "\(gradient.shape)")
        var outputs = try Tensor<Float>(repeating: 0, shape: h.shape)
        var gateGradients = try Tensor<Float>(repeating: 0, shape: gates.shape)
        gradient.withSpan { g in
            h.withSpan { h in
                gates.withSpan { gates in
                    outputs.withMutableSpan { dh in
                        gateGradients.withMutableSpan { dgates in
                            for pair in 0..<rows * experts {
                                let (first, gate) = (pair / experts * featureCount, gates[pair])
                                var sum: Float = 0
                                for column in 0..<featureCount {
                                    dh[pair * featureCount + column] = gate * g[first + column]
                                    sum += h[pair * featureCount + column] * g[first + column]
                                }
                                dgates[pair] = sum
                            }
                        }
                    }
                }
            }
        }
        return (outputs, gateGradients)
    }
}
