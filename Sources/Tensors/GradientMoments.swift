/// What the gradient of a normalized row needs of its elements, or of some of them, which can be merged with that of
/// others. With `g = outputGradient * weight` and `xhat = (x - mean) / sqrt(variance + epsilon)` of the whole row:
///
/// ```
/// gradient = mean(g),   normalized = mean(xhat),   comoment = sum((g - gradient) * (xhat - normalized))
/// ```
///
/// Those of parts give those of the whole, as ``Moments`` do: of a row that is sharded over processes. Deviations from the
/// means are what is multiplied, so that an offset that all gradients of a row share costs nothing.
public struct GradientMoments: Hashable, Sendable {
    /// The number of elements.
    public var count: Int
    public var gradient: Double
    /// Over a whole row it is 0 but for rounding.
    public var normalized: Double
    public var comoment: Double

    /// Those that were computed elsewhere; by default those of nothing.
    public init(count: Int = 0, gradient: Double = 0, normalized: Double = 0, comoment: Double = 0) {
        self.count = count
        self.gradient = gradient
        self.normalized = normalized
        self.comoment = comoment
    }

    /// Those of these elements and then the others', in `Double`:
    ///
    /// ```
    /// share = other.count / (count + other.count)
    /// d = other.gradient - gradient,   e = other.normalized - normalized
    /// gradient + d * share,   normalized + e * share
    /// (comoment + other.comoment) + (d * e) * (count * share)
    /// ```
    ///
    /// Exchanged, the result may differ in its last bits. Source: Pébay, "Formulas for robust, one-pass parallel computation
    /// of covariances and arbitrary-order statistical moments", 2008.
    public func merged(with other: GradientMoments) -> GradientMoments {
        if other.count == 0 { return self }
        if count == 0 { return other }
        let share = Double(other.count) / (Double(count) + Double(other.count))
        let (d, e) = (other.gradient - gradient, other.normalized - normalized)
        return GradientMoments(
            count: count + other.count, gradient: gradient + d * share, normalized: normalized + e * share,
            comoment: (comoment + other.comoment) + (d * e) * (Double(count) * share))
    }
}

extension Sequence where Element == GradientMoments {
    /// All of them, merged in their order.
    public func merged() -> GradientMoments { reduce(GradientMoments()) { $0.merged(with: $1) } }
}
