// The tools of fairness: their formulas, the projection, and what they refuse.

import NormalizationDiagnostics
import Testing

@Suite struct FairnessTests {
    private let segments: SegmentOffsets
    private let energies: [Double] = [0.5, 2, 1, 0.1, 0.4]

    init() throws { segments = try SegmentOffsets(widths: [3, 2]) }

    private func balance(_ target: EnergyBalancedAffine.Target) throws -> EnergyBalancedAffine {
        var balance = try EnergyBalancedAffine(segments: segments, target: target)
        try balance.observe(energies: energies)
        return balance
    }

    private func totals(_ weight: [Double]) -> [Double] {
        (0..<2).map { segment in segments.range(segment).reduce(0) { $0 + energies[$1] * weight[$1] * weight[$1] } }
    }

    @Test func reportByHand() throws {
        let y = try Tensor<Float>([1, 1, 1, 2, 4, -1, 3, 1, 0, 2], shape: [2, 5])
        let gradient = Tensor<Float>([1, 0, 1, 1, 1])
        let report = try EnergyReport(of: y, segments: segments, gradient: gradient)
        #expect(report.energies == [14.0 / 6, 6] && report.totals == [7, 12])
        #expect(report.disparity == 6 / (14.0 / 6))
        #expect(report.gradientShares == [0.5, 0.5])
        let sum = 14.0 / 6 + 6
        #expect(abs(report.jainIndex - sum * sum / (2 * (196.0 / 36 + 36))) < 1e-15)
        #expect(throws: NormalizationError.self) { try EnergyReport(of: gradient.sliced(0..<4), segments: segments) }
    }

    /// Feature by feature g² e + 2 g b m + b².
    @Test func expectedReportByHand() throws {
        let report = try EnergyReport(
            weight: [1, 2, 1, 1, 3], bias: [0, 1, -1, 0, 0], meanSquares: [1, 1, 2, 1, 1], means: [0, 0.5, 0.25, 0, 1],
            segments: segments)
        #expect(abs(report.energies[0] - (1 + (4 + 2 + 1) + (2 - 0.5 + 1)) / 3) < 1e-15)
        #expect(report.energies[1] == 5)
        #expect(throws: NormalizationError.self) {
            try EnergyReport(weight: [1], bias: [0], meanSquares: [1], means: [0], segments: segments)
        }
    }

    @Test func balancedWeightsMeetTheirBudgets() throws {
        for (target, budgets) in [(EnergyBalancedAffine.Target.perFeature, [3.0, 2]), (.perModality, [2.5, 2.5])] {
            let balance = try balance(target)
            #expect(balance.budgets == budgets)
            for weight in [
                try balance.balancedWeight(), try balance.project(gamma: [1, -2, 0.5, 3, 0.1]),
                try balance.weight(direction: [1, -2, 0.5, 3, 0.1]),
            ] {
                let found = totals(weight)
                #expect(abs(found[0] / budgets[0] - 1) < 1e-13 && abs(found[1] / budgets[1] - 1) < 1e-13)
            }
        }
    }

    /// No point of the constraint that lies near the projection is nearer; a point that meets it stays.
    @Test func projectionIsNearest() throws {
        let balance = try balance(.perFeature)
        let gamma = [1, -2, 0.5, 3, 0.1]
        let nearest = try balance.project(gamma: gamma)
        func distance(_ weight: [Double]) -> Double {
            zip(weight, gamma).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        for index in gamma.indices {
            for step in [-0.01, 0.01] {
                var moved = nearest
                moved[index] += step
                #expect(distance(try balance.weight(direction: moved)) > distance(nearest))
            }
        }
        let again = try balance.project(gamma: nearest)
        #expect(zip(again, nearest).allSatisfy { abs($0 - $1) < 1e-13 })
    }

    /// The feature of the largest energy is at 0, and the others cannot meet the budget however far they grow.
    @Test func projectionFromWhereTheHeaviestFeatureIsZero() throws {
        let balance = try balance(.perFeature)
        let found = try balance.project(gamma: [0.1, 0, 0.1, 1, 1])
        #expect(abs(totals(found)[0] - 3) < 1e-13)
        // 0.1 / (1 - e / 2): the limit of lambda at -1/2.
        #expect(abs(found[0] - 0.1 / 0.75) < 1e-15 && abs(found[2] - 0.2) < 1e-15)
        #expect(abs(totals(try balance.project(gamma: [0, 0, 0, 0, 0]))[1] - 2) < 1e-13)
    }

    @Test func movingAverageAndFreezing() throws {
        var balance = try EnergyBalancedAffine(segments: segments, target: .perFeature, statistics: .ema(decay: 0.75))
        try balance.observe(Tensor<Float>([1, 2, 0, 1, 1, 1, 0, 2, 1, 1], shape: [2, 5]))
        #expect(balance.energies == [1, 2, 2, 1, 1])
        try balance.observe(energies: [5, 2, 2, 1, 1])
        #expect(balance.energies == [2, 2, 2, 1, 1])
        balance.freeze()
        try balance.observe(energies: [9, 9, 9, 9, 9])
        #expect(balance.energies == [2, 2, 2, 1, 1])
    }

    @Test func refuses() throws {
        let unobserved = try EnergyBalancedAffine(segments: segments, target: .perFeature)
        #expect(throws: NormalizationError.self) { try unobserved.balancedWeight() }
        #expect(throws: NormalizationError.self) { try unobserved.project(gamma: energies) }
        let balance = try balance(.perFeature)
        #expect(throws: NormalizationError.self) { try balance.project(gamma: [1]) }
        #expect(throws: NormalizationError.self) { try balance.weight(direction: [0, 0, 0, 1, 1]) }
        var empty = try EnergyBalancedAffine(segments: segments, target: .perFeature)
        #expect(throws: NormalizationError.self) { try empty.observe(energies: [1, 1, 1, 1, -1]) }
        try empty.observe(energies: [1, 1, 1, 0, 0])
        #expect(throws: NormalizationError.self) { try empty.balancedWeight() }
        #expect(throws: NormalizationError.self) {
            try EnergyBalancedAffine(segments: segments, target: .perFeature, statistics: .ema(decay: 1))
        }
        #expect(throws: NormalizationError.self) {
            try EnergyBalancedAffine(segments: SegmentOffsets(widths: [3, 0]), target: .perFeature)
        }
    }

    @Test func outcomes() throws {
        let gap = try OutcomeGap("accuracy", [("text", 0.5), ("audio", 0.75), ("video", 0.625)])
        #expect(gap.worst.group == "text" && gap.best.group == "audio" && gap.gap == 0.25)
        let explained = try OutcomeGap.explainedVariance([
            ("a", [1, 2, 3], [1, 2, 3]), ("b", [2, 2, 2], [1, 2, 3]), ("c", [1, 2, 2], [1, 2, 3]),
        ])
        #expect(explained.outcomes.map(\.value) == [1, 0, 0.5])
        #expect(throws: NormalizationError.self) { try OutcomeGap("accuracy", []) }
        #expect(throws: NormalizationError.self) { try OutcomeGap("accuracy", [("text", .nan)]) }
        #expect(throws: NormalizationError.self) { try OutcomeGap.explainedVariance([("a", [1], [1, 2])]) }
        #expect(throws: NormalizationError.self) { try OutcomeGap.explainedVariance([("a", [1, 2], [1, 1])]) }
    }
}
