public import Normalization

/// How far each of a family of drifts moves the output of a model.
///
/// ```swift
/// let norm = try TimeStepLayerNorm(featureCount: 16)
/// let report = try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in try norm(x) }
/// print(report)                                         // a line a drift
/// ```
/// The model is any function of [batch, time, feature]: a normaliser alone, or a whole net. An invariant one shows
/// rounding errors and the effect of epsilon, which grows where a drift makes a step quiet
/// (``TimeStepLayerNorm/outputRatio(scale:variance:epsilon:)``).
public struct DriftInvarianceReport: Sendable, CustomStringConvertible {
    public struct Entry: Sendable, Hashable {
        /// The drift's name.
        public let drift: String
        /// The largest difference of an output element.
        public let largestDeviation: Double
        /// The root of the mean square of the differences, divided by that of the output without drift.
        public let relativeDeviation: Double
    }

    /// One entry a drift, in their order.
    public let entries: [Entry]

    /// - Parameters:
    ///   - x: Series without drift, [batch, time, feature].
    ///   - drifts: What is tried.
    ///   - model: Must give outputs of one shape; it is called once more than there are drifts.
    /// - Throws: `NormalizationError` if `x` has another shape, or outputs differ in shape; and what the model throws.
    public init(
        at x: Tensor<Float>, drifts: [Drift] = Drift.standard,
        model: (Tensor<Float>) throws(NormalizationError) -> Tensor<Float>
    ) throws(NormalizationError) {
        let clean = try model(x)
        var entries: [Entry] = []
        for drift in drifts {
            let moved = try model(drift(x))
            guard moved.shape == clean.shape else {
                throw NormalizationError(
                    .shapeMismatch, argument: "model", expected: "an output of shape \(clean.shape)",
                    given: "\(moved.shape)")
            }
            var (largest, squares, reference) = (0.0, 0.0, 0.0)
            clean.withSpan { a in
                moved.withSpan { b in
                    for index in a.indices {
                        let difference = Double(b[index]) - Double(a[index])
                        largest = max(largest, abs(difference))
                        squares += difference * difference
                        reference += Double(a[index]) * Double(a[index])
                    }
                }
            }
            if squares.isNaN { largest = .nan }
            let relative = squares == 0 ? 0 : (squares / reference).squareRoot()
            entries.append(Entry(drift: drift.name, largestDeviation: largest, relativeDeviation: relative))
        }
        self.entries = entries
    }

    /// The drifts whose relative deviation is more than `tolerance`, or NaN.
    public func drifts(beyond tolerance: Double) -> [String] {
        entries.filter { !($0.relativeDeviation <= tolerance) }.map(\.drift)
    }

    public var description: String {
        entries.map { "\($0.drift): relative \($0.relativeDeviation), largest \($0.largestDeviation)" }
            .joined(separator: "\n")
    }
}
