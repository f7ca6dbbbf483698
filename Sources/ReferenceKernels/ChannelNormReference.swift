package import Tensors

/// Normalization over regions and groups in plain Swift: for `Float` the bits of the C kernels.
///
/// Elements are dense, in the shape's layout. The arithmetic is described in the article "One answer".
package struct ChannelNormReference<Scalar: ReferenceScalar> {
    let shape: ChannelShape
    let epsilon: Scalar
    let weight: [Scalar]?
    let bias: [Scalar]?

    package init(_ shape: ChannelShape, weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar) {
        self.shape = shape
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// The sets in the order of their moments: regions, then groups.
    var sets: [(region: Int, group: Int)] {
        shape.regions.indices.flatMap { region in (0..<shape.groups).map { (region, $0) } }
    }

    func channels(of group: Int) -> Range<Int> {
        group * shape.channelsPerGroup..<(group + 1) * shape.channelsPerGroup
    }

    /// What an element of a set is multiplied by and added to.
    struct Coefficients {
        var scale: Scalar = 1
        var centre: Scalar
        var low: Scalar
        /// 1 / (root * scale), and 1 / root.
        var factor: Double
        var reciprocal: Double

        func deviation(_ x: Scalar) -> Scalar { (-centre).addingProduct(x, scale) - low }
    }

    func coefficients(_ moments: Moments) -> Coefficients {
        let q = moments.variance + Double(epsilon)
        let root = q.squareRoot()
        let scale = Self.scale(mean: moments.mean, q: q, root: root)
        let centre = Scalar(moments.mean * scale)
        let factor = q == 0 ? 0 : 1 / (root * scale)
        return Coefficients(
            scale: Scalar(scale), centre: centre, low: Scalar(moments.mean * scale - Double(centre)), factor: factor,
            reciprocal: factor * scale)
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

    static func bounded(_ value: Double) -> Scalar {
        let largest = Double(Scalar.greatestFiniteMagnitude)
        return Scalar(value > largest ? largest : value < -largest ? -largest : value)
    }

    /// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, by the moments of x or by given ones.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func forward(_ x: [Scalar], given: [Moments]? = nil) -> (y: [Scalar], moments: [Moments]) {
        let moments = given ?? self.moments(of: x)
        var y = [Scalar](repeating: 0, count: x.count)
        for (set, (region, group)) in sets.enumerated() {
            let a = coefficients(moments[set])
            for channel in channels(of: group) {
                let factor = Self.bounded(a.factor * Double(weight?[channel] ?? 1))
                for part in parts(region: region, channel: channel) {
                    for element in part.elements {
                        y[element] = (bias?[channel] ?? 0).addingProduct(a.deviation(x[element]), factor)
                    }
                }
            }
        }
        return (y, moments)
    }

    /// y = (x - bias) * (sqrt(variance + epsilon) / weight) + mean, the inverse of `forward`.
    package func inverse(_ x: [Scalar], given moments: [Moments]) -> [Scalar] {
        var y = [Scalar](repeating: 0, count: x.count)
        for (set, (region, group)) in sets.enumerated() {
            let root = (moments[set].variance + Double(epsilon)).squareRoot()
            for channel in channels(of: group) {
                let factor = Scalar(root / Double(weight?[channel] ?? 1))
                for part in parts(region: region, channel: channel) {
                    for element in part.elements {
                        let difference = (-(bias?[channel] ?? 0)).addingProduct(x[element], 1)
                        y[element] = Scalar(moments[set].mean).addingProduct(difference, factor)
                    }
                }
            }
        }
        return y
    }
}
