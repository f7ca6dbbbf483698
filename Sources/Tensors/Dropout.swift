/// Sets elements to 0 with a probability and divides the others by 1 − probability.
///
/// Which elements are dropped depends on the seed, the row and the column alone: the same on every backend and thread
/// count, and again in the backward pass, which stores no mask. (Philox 4×32-10: Salmon et al., "Parallel random numbers:
/// as easy as 1, 2, 3", 2011.) Use another seed for every layer and step.
public struct Dropout: Hashable, Sendable {
    /// At least 0 and less than 1.
    public let probability: Float
    public let seed: UInt64

    /// - Throws: `NormalizationError` for a probability outside 0 ..< 1.
    public init(probability: Float, seed: UInt64) throws(NormalizationError) {
        guard probability >= 0, probability < 1 else {
            throw NormalizationError(
                .invalidParameter, argument: "probability", expected: "at least 0 and less than 1", given: "\(probability)")
        }
        self.probability = probability
        self.seed = seed
    }
}
