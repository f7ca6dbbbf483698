package import Normalization

/// BatchNorm of [samples, channels] in training: by the moments of the batch itself, without weight and bias.
package struct BatchNormalization: Layer {
    private let epsilon: Float
    private let backend: Backend

    package init(epsilon: Float = 1e-5, backend: Backend) {
        self.epsilon = epsilon
        self.backend = backend
    }

    package var parameters: [Parameter] { [] }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let (y, statistics) = try channelNormWithStatistics(x, over: .batch(), epsilon: epsilon, backend: backend)
        return Traced(y) { [backend] gradient in
            try channelNormBackward(gradient, x: x, statistics: statistics, backend: backend).input
        }
    }
}
