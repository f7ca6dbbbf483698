private import Foundation
public import Normalization

/// What still tells experts apart: their rows' mean and scale, or their directions. Made before and after a norm, it
/// shows what the norm has erased.
///
/// ```
/// distinctness (eta²) = variance between experts / whole variance, of a row's mean and of the log of its deviation
/// statisticAccuracy   = how often a linear discriminant names the expert from (mean, log deviation)
/// readoutAccuracy     = how often one does from the whole row
/// cosines[a][b]       = between the mean rows of experts a and b
/// ```
///
/// ```swift
/// let before = try ExpertDistinctnessReport(of: outputs, experts: routing)
/// let after = try ExpertDistinctnessReport(of: norm(outputs), experts: routing)
/// after.statisticAccuracy      // chance: mean and scale are gone
/// after.readoutAccuracy        // 1: the directions are not
/// ```
///
/// Accuracies are measured on every second row of each expert; the others fit the discriminant (Fisher, 1936, with
/// one pooled covariance). All arithmetic is in double precision.
///
/// Statistics are rounded to `resolution`. Without it (0) a norm with epsilon = 1e-5 looks as if it had erased
/// nothing: the variance that is missing, epsilon / variance, is some 1e-5, and yet names the expert.
public struct ExpertDistinctnessReport: Hashable, Sendable {
    /// eta² of the row's mean: 0 if experts cannot be told apart by it, or it does not vary.
    public let meanDistinctness: Double
    /// eta² of the log of the row's deviation.
    public let scaleDistinctness: Double
    /// The variance of the row's mean between experts.
    public let meanVariance: Double
    /// The variance of the log of the row's deviation between experts.
    public let scaleVariance: Double
    public let statisticAccuracy: Double
    public let readoutAccuracy: Double
    /// The accuracy of always naming the most frequent expert.
    public let chance: Double
    public let cosines: [[Double]]

    /// - Parameters:
    ///   - rows: [rows, features], one expert's output a row.
    ///   - experts: For each row its expert, from 0.
    ///   - resolution: To which the row's mean and log deviation are rounded; 0 for no rounding.
    /// - Throws: `NormalizationError` for a tensor without rows, another count of experts than rows, an expert with
    ///   fewer than four rows, or a resolution that is negative or not finite.
    public init<Element: KernelElement>(
        of rows: Tensor<Element>, experts: [Int], resolution: Double = 1e-6
    ) throws(NormalizationError) {
        let features = rows.shape.extents.last ?? 0
        try Requirement.columns(rows.shape, features, argument: "rows")
        try self.init(
            of: rows.widened().array.map { Double($0) }, features: features, experts: experts, resolution: resolution)
    }

    /// The same of an array in double precision, row after row.
    package init(
        of rows: [Double], features: Int, experts: [Int], resolution: Double = 1e-6
    ) throws(NormalizationError) {
        try Requirement.count(experts.count, is: rows.count / features, argument: "experts")
        try Requirement.that(
            resolution >= 0 && resolution.isFinite, argument: "resolution", expected: "a finite number of at least 0",
            given: "\(resolution)")
        let count = (experts.max() ?? -1) + 1
        let members = (0..<count).map { expert in experts.indices.filter { experts[$0] == expert } }
        try Requirement.that(
            (experts.min() ?? -1) >= 0 && members.allSatisfy { $0.count >= 4 }, argument: "experts",
            expected: "at least four rows of each expert, counted from 0", given: "\(members.map(\.count))")

        let statistics = Self.statistics(of: rows, features: features, resolution: resolution)
        let spreads = (0..<2).map { statistic in
            Self.spread(experts.indices.map { statistics[2 * $0 + statistic] }, members: members)
        }
        (meanVariance, scaleVariance) = (spreads[0].between, spreads[1].between)
        (meanDistinctness, scaleDistinctness) = (spreads[0].distinctness, spreads[1].distinctness)
        statisticAccuracy = LinearDiscriminant.accuracy(statistics, features: 2, members: members)
        readoutAccuracy = LinearDiscriminant.accuracy(rows, features: features, members: members)
        chance = Double(members.map(\.count).max() ?? 0) / Double(experts.count)
        cosines = Self.cosines(rows, features: features, members: members)
    }

    /// Mean and log deviation of each row, one pair after the other.
    package static func statistics(of rows: [Double], features: Int, resolution: Double) -> [Double] {
        func rounded(_ value: Double) -> Double {
            resolution > 0 ? (value / resolution).rounded() * resolution : value
        }
        var result: [Double] = []
        for first in stride(from: 0, to: rows.count, by: features) {
            let row = rows[first..<first + features]
            let mean = row.reduce(0, +) / Double(features)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(features)
            result.append(rounded(mean))
            result.append(rounded(log(max(variance.squareRoot(), resolution, .leastNormalMagnitude))))
        }
        return result
    }

    private static func spread(
        _ values: [Double], members: [[Int]]
    ) -> (between: Double, distinctness: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        let whole = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        let between = members.reduce(0) { sum, rows in
            let own = rows.reduce(0) { $0 + values[$1] } / Double(rows.count)
            return sum + Double(rows.count) / Double(values.count) * (own - mean) * (own - mean)
        }
        return (between, whole > 0 ? between / whole : 0)
    }

    private static func cosines(_ rows: [Double], features: Int, members: [[Int]]) -> [[Double]] {
        let means = members.map { own in
            (0..<features).map { column in
                own.reduce(0) { $0 + rows[$1 * features + column] } / Double(own.count)
            }
        }
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        return means.map { a in means.map { b in dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot() } }
    }
}
