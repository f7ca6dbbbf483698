private import Foundation
package import Normalization

/// A function of one number at a time.
package struct Activation: Layer {
    package let function: @Sendable (Float) -> Float
    package let derivative: @Sendable (Float) -> Float

    package var parameters: [Parameter] { [] }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        Traced(x.map(function)) { [derivative] gradient in gradient.zip(x) { $0 * derivative($1) } }
    }

    /// max(x, 0).
    package static let relu = leakyReLU(slope: 0)

    /// x, or slope · x where x is negative.
    package static func leakyReLU(slope: Float) -> Activation {
        Activation(function: { $0 > 0 ? $0 : slope * $0 }, derivative: { $0 > 0 ? 1 : slope })
    }

    package static let tanh = Activation(
        function: { Float(Foundation.tanh(Double($0))) },
        derivative: { x in
            let t = Foundation.tanh(Double(x))
            return Float(1 - t * t)
        })

    /// x Φ(x), with the error function (Hendrycks and Gimpel, 2016).
    package static let gelu = Activation(
        function: { Float(Double($0) * normalCumulative(Double($0))) },
        derivative: { x in
            let x = Double(x)
            return Float(normalCumulative(x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot())
        })

    private static func normalCumulative(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
}
