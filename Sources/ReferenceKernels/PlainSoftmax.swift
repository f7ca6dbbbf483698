/// The textbook: softmax and its gradient in the order of the formulas, each sum from left to right, with the
/// exponential of the caller. In `Double` it is the judge of accuracy, in `Float` the naive evaluation.
package struct PlainSoftmax<Scalar: BinaryFloatingPoint> {
    private let exp: (Scalar) -> Scalar

    package init(exp: @escaping (Scalar) -> Scalar) { self.exp = exp }

    package func forward(_ x: [Scalar]) -> [Scalar] {
        let most = x.max() ?? 0
        let exponentials = x.map { exp($0 - most) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { $0 / sum }
    }

    /// The gradient of `forward`.
    package func backward(_ dy: [Scalar], x: [Scalar]) -> [Scalar] {
        let y = forward(x)
        let mean = zip(dy, y).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(dy, y).map { $1 * ($0 - mean) }
    }
}
