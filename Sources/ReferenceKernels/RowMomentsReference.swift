package import Tensors

/// Moments of rows, and rows normalized by given moments, in plain Swift: for `Float` the bits of the C kernels.
package enum RowMomentsReference<Scalar: ReferenceScalar> {
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func moments(_ x: [Scalar], columns: Int) -> [Moments] {
        stride(from: 0, to: x.count, by: columns).map { first in
            ChannelPart(isRun: true, first: first, stride: 1, count: columns).moments(of: x)
        }
    }

    /// y = (x - mean) / sqrt(variance + epsilon) * weight + bias.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func normalize(
        _ x: [Scalar], columns: Int, with moments: [Moments], weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar
    ) -> [Scalar] {
        x.indices.map { index in
            let rule = SetRule<Scalar>(moments[index / columns], epsilon: epsilon)
            let column = index % columns
            let xhat = rule.deviation(x[index]) * rule.boundedFactor
            return (bias?[column] ?? 0).addingProduct(xhat, weight?[column] ?? 1)
        }
    }
}

/// How the elements of a set are normalized: xhat = (fma(x, scale, -centre) - low) * factor.
struct SetRule<Scalar: ReferenceScalar> {
    var scale: Scalar
    var centre: Scalar
    var low: Scalar
    /// 1 / (root * scale), and root = sqrt(variance + epsilon).
    var factor: Double
    var root: Double

    init(_ moments: Moments, epsilon: Scalar) {
        let q = moments.variance + Double(epsilon)
        root = q.squareRoot()
        let scale = Self.scale(mean: moments.mean, q: q, root: root)
        self.scale = Scalar(scale)
        centre = Scalar(moments.mean * scale)
        low = Scalar(moments.mean * scale - Double(centre))
        factor = q == 0 ? 0 : 1 / (root * scale)
    }

    func deviation(_ x: Scalar) -> Scalar { (-centre).addingProduct(x, scale) - low }

    var boundedFactor: Scalar { Self.bounded(factor) }

    /// As a `Scalar`, but not beyond its largest number.
    static func bounded(_ value: Double) -> Scalar {
        let largest = Double(Scalar.greatestFiniteMagnitude)
        return Scalar(value > largest ? largest : value < -largest ? -largest : value)
    }

    /// 1, or the power of two that brings a set near 1 whose squares left the range of `Scalar`.
    private static func scale(mean: Double, q: Double, root: Double) -> Double {
        let ordinary = Scalar.ordinaryVariances
        if q == 0 || !(q <= 0x1p1000) || (q >= Double(ordinary.lowerBound) && q <= Double(ordinary.upperBound)) {
            return 1
        }
        let larger = max(abs(mean), root)
        let limit = Scalar.scalingExponentLimit
        let exponent = larger.isFinite ? Int(larger.exponent) : limit
        return Double(sign: .plus, exponent: -min(max(exponent, -limit), limit), significand: 1)
    }
}
