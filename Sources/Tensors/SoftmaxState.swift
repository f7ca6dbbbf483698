/// What is known of a row of scores, or a part of one, before it is divided by its sum; can be merged with other parts.
///
/// ```
/// max = the largest score,   sum = sum(exp(x - max))
/// ```
///
/// States of parts give those of the whole: of a row that is sharded over processes, or that comes in pieces. By
/// default a state is that of nothing, or of nothing but -∞: max -∞ and sum 0. A part with a NaN or +∞ has a NaN for
/// its sum, and so has everything that it is merged into; max then says nothing.
public struct SoftmaxState: Hashable, Sendable {
    /// The largest score, not a NaN.
    public var max: Float
    /// At least 0 and finite, or a NaN. It is a `Double`, so that merges cost no accuracy.
    public var sum: Double

    /// A state that was computed elsewhere; by default that of nothing.
    public init(max: Float = -.infinity, sum: Double = 0) {
        self.max = max
        self.sum = sum
    }

    /// The natural logarithm of the sum of the exponentials of all scores: `max + log(sum)`, rounded once; -∞ for
    /// nothing.
    public var logSumExp: Float {
        sum == 0 ? -.infinity : Float(Double(max) + (sum.isNaN ? .nan : WideFunctions.log(sum)))
    }

    /// The state of these scores and the others', in `Double`, with `larger` the one with the larger max:
    ///
    /// ```
    /// larger.max,   larger.sum + smaller.sum * exp(smaller.max - larger.max)
    /// ```
    ///
    /// Exchanged, the result is the same. The sum is off by at most 2⁻⁵⁰ of itself, beside what the parts were off by.
    /// How many parts there are, and the order of more than two, show in the last bits. Source: Milakov, Gimelshein,
    /// "Online normalizer calculation for softmax", 2018.
    public func merged(with other: SoftmaxState) -> SoftmaxState {
        if max == other.max { return SoftmaxState(max: max, sum: sum + other.sum) }
        let (larger, smaller) = max < other.max ? (other, self) : (self, other)
        let distance = Double(smaller.max) - Double(larger.max)
        return SoftmaxState(max: larger.max, sum: larger.sum + smaller.sum * WideFunctions.exp(distance))
    }
}

// MARK: - For attention

extension SoftmaxState {
    /// The state whose log-sum-exp is `high + low`, with `high` for its max. -∞ is nothing, a NaN a broken part.
    package init(logSumExp high: Float, low: Float) {
        if high == -.infinity || high.isNaN {
            self.init(sum: high.isNaN ? .nan : 0)
        } else {
            self.init(max: high, sum: WideFunctions.exp(Double(low)))
        }
    }

    /// The log-sum-exp, rounded, and what the rounding lost.
    package var logSumExpPair: (high: Float, low: Float) {
        let high = logSumExp
        return (high, high.isFinite ? Float((Double(max) - Double(high)) + WideFunctions.log(sum)) : 0)
    }

    /// What part of `whole`, into which this state was merged, it is.
    package func share(of whole: SoftmaxState) -> Double {
        sum * WideFunctions.exp(Double(max) - Double(whole.max)) / whole.sum
    }
}

extension Sequence where Element == SoftmaxState {
    /// All of them, merged in their order.
    public func merged() -> SoftmaxState { reduce(SoftmaxState()) { $0.merged(with: $1) } }
}
