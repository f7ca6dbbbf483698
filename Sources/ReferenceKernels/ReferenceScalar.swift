package import Tensors

/// A type that the reference arithmetic runs in: `Float` as the kernels do it, `Double` for checking
/// gradients by differences.
package protocol ReferenceScalar: BinaryFloatingPoint, TensorElement {
    /// Where variance plus epsilon tells that no square over- or underflowed.
    static var ordinaryVariances: ClosedRange<Self> { get }
    /// Largest exponent by which a row is scaled.
    static var scalingExponentLimit: Int { get }
    /// root = 1 / sqrt(variance + epsilon * scale^2), or 0 if that sum is 0, formed with range to spare:
    /// root itself, kept finite, for the scaled row, and root * scale for the row as it was. The variance is
    /// infinite only if the row holds an infinity: both are then NaN.
    static func wideReciprocalRoot(variance: Self, epsilon: Self, scale: Self) -> (scaled: Self, saved: Self)
    /// product / (squares + epsilon * scale^2), or 0 if that sum is 0, formed with range to spare.
    static func wideProjection(product: Self, squares: Self, epsilon: Self, scale: Self) -> Self
}

extension Float: ReferenceScalar {
    package static let ordinaryVariances: ClosedRange<Float> = 0x1p-100...0x1p120
    package static let scalingExponentLimit = 126

    package static func wideReciprocalRoot(
        variance: Float, epsilon: Float, scale: Float
    ) -> (scaled: Float, saved: Float) {
        let (root, saved) = Double.wideReciprocalRoot(
            variance: Double(variance), epsilon: Double(epsilon), scale: Double(scale))
        return (root.isNaN ? .nan : Float(min(root, Double(Float.greatestFiniteMagnitude))), Float(saved))
    }

    package static func wideProjection(product: Float, squares: Float, epsilon: Float, scale: Float) -> Float {
        Float(
            Double.wideProjection(
                product: Double(product), squares: Double(squares), epsilon: Double(epsilon), scale: Double(scale)))
    }
}

extension Double: ReferenceScalar {
    package static let ordinaryVariances: ClosedRange<Double> = 0x1p-900...0x1p1000
    package static let scalingExponentLimit = 1022

    package static func wideReciprocalRoot(
        variance: Double, epsilon: Double, scale: Double
    ) -> (scaled: Double, saved: Double) {
        let sum = variance + epsilon * scale * scale
        let root = variance.isInfinite ? .nan : sum == 0 ? 0 : 1 / sum.squareRoot()
        return (root, scale * root)
    }

    package static func wideProjection(product: Double, squares: Double, epsilon: Double, scale: Double) -> Double {
        let sum = squares + epsilon * scale * scale
        return sum == 0 ? 0 : product / sum
    }
}
