/// Count, mean and spread of some elements, which can be merged with those of others.
///
/// ```
/// mean = sum(x) / count,   sumOfSquaredDeviations = sum((x - mean)^2)
/// ```
///
/// Moments of parts give those of the whole: of a row that is sharded over processes, or of a batch that
/// comes in pieces. They are `Double`: one `Double` holds the mean of floats under any offset, and squares of the largest
/// and smallest floats neither overflow nor vanish.
public struct Moments: Hashable, Sendable {
    /// The number of elements.
    public var count: Int
    public var mean: Double
    public var sumOfSquaredDeviations: Double

    /// Moments that were computed elsewhere; by default those of nothing.
    public init(count: Int = 0, mean: Double = 0, sumOfSquaredDeviations: Double = 0) {
        self.count = count
        self.mean = mean
        self.sumOfSquaredDeviations = sumOfSquaredDeviations
    }

    /// The biased variance, by which one normalizes; NaN for no elements.
    public var variance: Double { sumOfSquaredDeviations / Double(count) }

    /// The unbiased variance, with `count - 1` elements; NaN for one element.
    public var unbiasedVariance: Double { sumOfSquaredDeviations / Double(count - 1) }

    /// The moments of these elements and then the others', in `Double`:
    ///
    /// ```
    /// n = count + other.count,   delta = other.mean - mean,   share = other.count / n
    /// mean + delta * share
    /// (sumOfSquaredDeviations + other.sumOfSquaredDeviations) + delta * delta * (count * share)
    /// ```
    ///
    /// Exchanged, the result may differ in its last bits. Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise
    /// algorithm for computing sample variances", 1979.
    public func merged(with other: Moments) -> Moments {
        if other.count == 0 { return self }
        if count == 0 { return other }
        let n = Double(count) + Double(other.count)
        let delta = other.mean - mean
        let share = Double(other.count) / n
        return Moments(
            count: count + other.count, mean: mean + delta * share,
            sumOfSquaredDeviations: (sumOfSquaredDeviations + other.sumOfSquaredDeviations)
                + delta * delta * (Double(count) * share))
    }
}

extension Sequence where Element == Moments {
    /// All of them, merged in their order.
    public func merged() -> Moments { reduce(Moments()) { $0.merged(with: $1) } }
}
