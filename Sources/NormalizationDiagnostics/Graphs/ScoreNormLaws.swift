private import Foundation

/// What normalized scores can do: laws of p = softmax(weight · z), z standardised over the n edges of a node.
public enum ScoreNormLaws {
    /// The largest attention that an edge can get: 1 / (1 + (n - 1) exp(-weight n / sqrt(n - 1))).
    ///
    /// Reached by scores of which all but one are equal. 1 for one neighbour; at weight 1 it is 0.881 for 2, least for
    /// 7 (0.744), then grows again.
    ///
    /// - Parameters:
    ///   - neighbours: n, at least 1.
    ///   - weight: Above 0.
    public static func sharpnessCap(neighbours: Int, weight: Double) -> Double {
        if neighbours <= 1 { return 1 }
        let others = Double(neighbours - 1)
        return 1 / (1 + others * exp(-weight * (others + 1) / others.squareRoot()))
    }

    /// The entropy at that point, in nats: no scores have been found that give less, which is not proved.
    public static func leastEntropy(neighbours: Int, weight: Double) -> Double {
        if neighbours <= 1 { return 0 }
        let most = sharpnessCap(neighbours: neighbours, weight: weight)
        let rest = (1 - most) / Double(neighbours - 1)
        return -most * log(most) - Double(neighbours - 1) * rest * (rest > 0 ? log(rest) : 0)
    }

    /// Entropy in nats for small weights, ln n - w²/2 - w³ skewness / 3 - w⁴ excessKurtosis / 8 + O(w⁵); too low where
    /// the weight comes near sqrt(2 ln n) / 2.
    ///
    /// - Parameters:
    ///   - skewness: The mean of z³.
    ///   - excessKurtosis: The mean of z⁴, less 3.
    public static func entropy(
        neighbours: Int, weight: Double, skewness: Double = 0, excessKurtosis: Double = 0
    ) -> Double {
        let square = weight * weight
        let third = square * weight * skewness / 3
        return log(Double(neighbours)) - square / 2 - third - square * square * excessKurtosis / 8
    }

    /// 1 / Σ p² for many neighbours with normal scores: about n exp(-weight²).
    public static func effectiveNeighbours(neighbours: Int, weight: Double) -> Double {
        Double(neighbours) * exp(-weight * weight)
    }
}
