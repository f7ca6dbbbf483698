public import Normalization

/// Weights of a norm under which every modality has its part of the energy.
///
/// The energies e_i = E[xhat_i²] before the weight come from training data: `observe` each batch, then `freeze` for
/// test. With a budget T_m for each modality the constraint is
///
/// ```
/// sum over i in m of e_i weight_i² = T_m        T_m = d_m (perFeature) or d / M (perModality)
/// ```
///
/// ```swift
/// var balance = try EnergyBalancedAffine(segments: segments, target: .perFeature, statistics: .ema(decay: 0.99))
/// try balance.observe(normalized)                 // [..., segments.total], weight 1 and bias 0
/// let weight = try balance.balancedWeight()       // one factor for each modality
/// let after = try balance.project(gamma: stepped) // after each step of an optimizer
/// ```
///
/// Equal energy for each feature and for each modality are different wishes where modalities differ in width; the
/// caller has to say which is meant. The constraint speaks of weights alone: a bias carries energy too
/// (``EnergyReport``). Weight decay pulls weights off the constraint, so project after the decayed step. A modality
/// that is mostly noise has its noise amplified. Balance changes how fast and under which penalty a net learns, not
/// what a converged readout can do.
public struct EnergyBalancedAffine: Sendable {
    public enum Target: Hashable, Sendable {
        /// Every feature has energy 1 on average over its modality: T_m = d_m.
        case perFeature
        /// Every modality has the same sum of energies: T_m = d / M.
        case perModality
    }

    public enum Statistics: Hashable, Sendable {
        /// A moving average over batches, by which an old batch loses `decay` a step. The first batch counts in full.
        case ema(decay: Double)
    }

    public let segments: SegmentOffsets
    public let target: Target
    public let statistics: Statistics
    /// The mean square of each feature before the weight; nil before the first batch.
    public private(set) var energies: [Double]?
    public private(set) var isFrozen = false

    /// - Throws: `NormalizationError` if a segment has no columns, or `decay` is not within 0..<1.
    public init(
        segments: SegmentOffsets, target: Target, statistics: Statistics = .ema(decay: 0.99)
    ) throws(NormalizationError) {
        try Requirement.rows([1, segments.total], cutBy: segments, argument: "segments")
        if case .ema(let decay) = statistics {
            try Requirement.that(
                decay >= 0 && decay < 1, argument: "decay", expected: "a number within 0..<1", given: "\(decay)")
        }
        self.segments = segments
        self.target = target
        self.statistics = statistics
    }

    /// Takes in a batch of normalized rows, before weight and bias. Frozen statistics stay as they are.
    ///
    /// - Throws: `NormalizationError` for a tensor without rows or of another width.
    public mutating func observe<Element: KernelElement>(_ normalized: Tensor<Element>) throws(NormalizationError) {
        try Requirement.rows(normalized.shape, cutBy: segments, argument: "normalized")
        let rows = Double(normalized.count / segments.total)
        try observe(energies: columnSums(normalized.widened()) { $0 * $0 }.map { $0 / rows })
    }

    /// Takes in the mean squares of a batch's features.
    ///
    /// - Throws: `NormalizationError` if there is not one for each column, or one is negative or not finite.
    public mutating func observe(energies batch: [Double]) throws(NormalizationError) {
        try Requirement.count(batch.count, is: segments.total, argument: "energies")
        try Requirement.that(
            batch.allSatisfy { $0 >= 0 && $0.isFinite }, argument: "energies", expected: "finite numbers of at least 0",
            given: "\(batch)")
        if isFrozen { return }
        guard let old = energies, case .ema(let decay) = statistics else {
            energies = batch
            return
        }
        energies = zip(old, batch).map { decay * $0 + (1 - decay) * $1 }
    }

    /// Ends training: `observe` has no effect any more, so that no test row changes another's output.
    public mutating func freeze() { isFrozen = true }

    /// T_m of each modality.
    public var budgets: [Double] {
        switch target {
        case .perFeature: segments.widths.map { Double($0) }
        case .perModality:
            [Double](repeating: Double(segments.total) / Double(segments.count), count: segments.count)
        }
    }

    /// The weight that is one number for each modality: sqrt(T_m / sum of its energies), repeated over its columns.
    ///
    /// - Throws: `NormalizationError` before the first batch, or if a modality has no energy.
    public func balancedWeight() throws(NormalizationError) -> [Double] {
        try scaled([Double](repeating: 1, count: segments.total))
    }

    /// The weight nearest to `gamma` (Euclidean) that meets every budget: gamma_i / (1 + lambda e_i), with lambda of
    /// each modality by bisection.
    ///
    /// Dividing by the root of the energy instead also meets the budget, but moves farther.
    /// - Throws: `NormalizationError` before the first batch, for a wrong count, or if a modality has no energy,
    ///   which no weight can change.
    public func project(gamma: [Double]) throws(NormalizationError) -> [Double] {
        let energies = try observed(gamma, argument: "gamma")
        var result = gamma
        for (segment, budget) in budgets.enumerated() {
            let range = segments.range(segment)
            let constraint = EnergyBudget(energies: Array(energies[range]), total: budget)
            result.replaceSubrange(range, with: constraint.nearest(to: Array(gamma[range])))
        }
        return result
    }
}

// MARK: - Weight norm

extension EnergyBalancedAffine {
    /// The weight of a free direction v: `sqrt(T_m) v / rho_m` with `rho_m² = sum e_i v_i²`, which meets every budget
    /// at every step without a projection. Source: Salimans and Kingma, "Weight Normalization", 2016, with the
    /// energies as metric.
    ///
    /// - Throws: `NormalizationError` before the first batch, for a wrong count, or if a modality has no energy
    ///   along v.
    public func weight(direction v: [Double]) throws(NormalizationError) -> [Double] { try scaled(v) }

    /// The gradient for v from that for the weight g: `sqrt(T_m) / rho_m (g_j - <g, v> e_j v_j / rho_m²)`.
    ///
    /// - Throws: As ``weight(direction:)``.
    public func directionGradient(
        of weightGradient: [Double], at v: [Double]
    ) throws(NormalizationError) -> [Double] {
        let energies = try observed(v, argument: "v")
        try Requirement.count(weightGradient.count, is: v.count, argument: "weightGradient")
        let roots = try roots(of: v, energies: energies)
        var result = v
        for (segment, budget) in budgets.enumerated() {
            let range = segments.range(segment)
            let projection = range.reduce(0) { $0 + weightGradient[$1] * v[$1] } / (roots[segment] * roots[segment])
            for index in range {
                result[index] =
                    budget.squareRoot() / roots[segment]
                    * (weightGradient[index] - projection * energies[index] * v[index])
            }
        }
        return result
    }

    private func scaled(_ v: [Double]) throws(NormalizationError) -> [Double] {
        let roots = try roots(of: v, energies: observed(v, argument: "v"))
        var result = v
        for (segment, budget) in budgets.enumerated() {
            for index in segments.range(segment) { result[index] *= budget.squareRoot() / roots[segment] }
        }
        return result
    }

    private func observed(_ values: [Double], argument: String) throws(NormalizationError) -> [Double] {
        try Requirement.count(values.count, is: segments.total, argument: argument)
        guard let energies else {
            throw NormalizationError(
                .missingArgument, argument: "energies", expected: "a batch to have been observed", given: "none")
        }
        for segment in 0..<segments.count {
            try Requirement.that(
                energies[segments.range(segment)].contains { $0 > 0 }, argument: "energies",
                expected: "some energy in each modality", given: "none in \(segment)")
        }
        return energies
    }

    /// rho of each modality.
    private func roots(of v: [Double], energies: [Double]) throws(NormalizationError) -> [Double] {
        let squares = (0..<segments.count).map { segment in
            segments.range(segment).reduce(0) { $0 + energies[$1] * v[$1] * v[$1] }
        }
        try Requirement.that(
            squares.allSatisfy { $0 > 0 }, argument: "v", expected: "some energy in each modality", given: "\(squares)")
        return squares.map { $0.squareRoot() }
    }
}
