package import Normalization

/// The package's LayerNorm or RMSNorm over the last axis, with learned weight (and bias).
package struct Norm: Layer {
    private let norm: RowNorm
    private let weight: Parameter?
    private let bias: Parameter?
    private let epsilon: Float
    private let backend: Backend

    /// - Parameter isLearned: Whether there are weight and bias; else weight is 1 and bias 0.
    package init(
        _ norm: RowNorm = .layerNorm, features: Int, epsilon: Float = 1e-5, isLearned: Bool = true,
        name: String = "norm", backend: Backend
    ) throws {
        self.norm = norm
        self.epsilon = epsilon
        self.backend = backend
        weight = isLearned ? Parameter(try Tensor(repeating: 1, shape: [features]), name: name + ".weight") : nil
        bias =
            isLearned && norm == .layerNorm
            ? Parameter(try Tensor(repeating: 0, shape: [features]), name: name + ".bias") : nil
    }

    package var parameters: [Parameter] { [weight, bias].compactMap { $0 } }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let w = weight?.value
        let (y, statistics) =
            switch norm {
            case .layerNorm:
                try layerNormWithStatistics(x, weight: w, bias: bias?.value, epsilon: epsilon, backend: backend)
            case .rmsNorm:
                try rmsNormWithStatistics(x, weight: w, bias: bias?.value, epsilon: epsilon, backend: backend)
            }
        return Traced(y) { [norm, weight, bias, backend] gradient in
            let gradients =
                switch norm {
                case .layerNorm:
                    try layerNormBackward(gradient, x: x, weight: w, statistics: statistics, backend: backend)
                case .rmsNorm:
                    try rmsNormBackward(gradient, x: x, weight: w, statistics: statistics, backend: backend)
                }
            if let weight, let term = gradients.weight { weight.accumulate(term) }
            if let bias, let term = gradients.bias { bias.accumulate(term) }
            return gradients.input
        }
    }
}
