public import Normalization

/// One metric of each group, and how far the groups are apart: what "fair" is about in the end.
///
/// ```swift
/// let before = try OutcomeGap("accuracy", [("text", 0.68), ("audio", 0.99)])
/// before.gap                            // 0.31
/// before.worst.group                    // "text"
/// ```
public struct OutcomeGap: Hashable, Sendable {
    public struct Outcome: Hashable, Sendable {
        public let group: String
        public let value: Double
    }

    /// What was measured; larger is better.
    public let metric: String
    public let outcomes: [Outcome]

    /// - Throws: `NormalizationError` if there is no group or a value is NaN.
    public init(_ metric: String, _ outcomes: [(group: String, value: Double)]) throws(NormalizationError) {
        try Requirement.that(
            !outcomes.isEmpty && outcomes.allSatisfy { !$0.value.isNaN }, argument: "outcomes",
            expected: "a number for each of at least one group", given: "\(outcomes)")
        self.metric = metric
        self.outcomes = outcomes.map { Outcome(group: $0.group, value: $0.value) }
    }

    /// The share of the variance that predictions explain in each group: `1 - |prediction - target|² / |target -
    /// mean|²`.
    ///
    /// - Throws: `NormalizationError` if there is no group, counts differ, or a group's targets do not vary.
    public static func explainedVariance(
        _ groups: [(group: String, prediction: [Double], target: [Double])]
    ) throws(NormalizationError) -> OutcomeGap {
        for (_, prediction, target) in groups {
            try Requirement.count(prediction.count, is: target.count, argument: "prediction")
            try Requirement.that(
                target.contains { $0 != target[0] }, argument: "target", expected: "numbers that vary",
                given: "\(target.count) equal ones")
        }
        return try OutcomeGap(
            "explained variance",
            groups.map { ($0.group, coefficientOfDetermination($0.prediction, of: $0.target)) })
    }

    public var worst: Outcome { outcomes.reduce(outcomes[0]) { $1.value < $0.value ? $1 : $0 } }
    public var best: Outcome { outcomes.reduce(outcomes[0]) { $1.value > $0.value ? $1 : $0 } }
    /// Between the best and the worst group.
    public var gap: Double { best.value - worst.value }
}
