// S8: what energy is, and the two ways in which it can be equal.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

enum EnergyBalance {
    private static let widths = [96, 32]

    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("energies under weight and bias")
        return Findings(checks: [try energyOfAFeature(context)] + (try equalEnergies(context)) + [try frozen(context)])
    }

    /// Rows with offsets, in which the second modality is five times as loud.
    private static func rows(_ context: StudyContext, count: Int = 500, stream: UInt64 = 91) throws -> Tensor<Float> {
        var random = RandomStream(seed: 0, stream: stream)
        let offsets = random.normals(128)
        let x = (0..<count * 128).map { index in
            Float((offsets[index % 128] + random.normal()) * (index % 128 < widths[0] ? 1 : 5))
        }
        return try layerNorm(Tensor(x, shape: [count, 128]), backend: context.backend)
    }

    private static func energyOfAFeature(_ context: StudyContext) throws -> Check {
        let normalized = try rows(context)
        let segments = try SegmentOffsets(widths: widths)
        var random = RandomStream(seed: 0, stream: 92)
        let (weight, bias) = (random.normals(128), random.normals(128))
        let y = normalized.array.map { Double($0) }
        let count = Double(y.count / 128)
        func columnMeans(_ value: (Int, Double) -> Double) -> [Double] {
            var sums = [Double](repeating: 0, count: 128)
            for index in y.indices { sums[index % 128] += value(index % 128, y[index]) }
            return sums.map { $0 / count }
        }
        let output = columnMeans { column, element in
            let z = weight[column] * element + bias[column]
            return z * z
        }
        let energies = (0..<2).map { segment in moments(of: output[segments.range(segment)]).mean }
        func predicted(means: [Double]) throws -> [Double] {
            try EnergyReport(
                weight: weight, bias: bias, meanSquares: columnMeans { $1 * $1 }, means: means, segments: segments
            ).energies
        }
        return Check(
            .exact,
            """
            Under a weight g and a bias b a normalized feature with mean m and mean square e has the energy g² e + 2 \
            g b m + b², to 1e-12 over two modalities of 96 and 32 features.
            """, .atMost(1e-12),
            observed: largestRelativeDifference(energies, try predicted(means: columnMeans { $1 })),
            mutant: (
                "without 2 g b m, as if the mean vanished",
                largestRelativeDifference(energies, try predicted(means: [Double](repeating: 0, count: 128)))
            ))
    }

    private static func equalEnergies(_ context: StudyContext) throws -> [Check] {
        let normalized = try rows(context)
        let segments = try SegmentOffsets(widths: widths)
        var reports: [EnergyReport] = []
        for target in [EnergyBalancedAffine.Target.perFeature, .perModality] {
            var balance = try EnergyBalancedAffine(segments: segments, target: target)
            try balance.observe(normalized)
            reports.append(
                try EnergyReport(
                    weight: balance.balancedWeight(), bias: [Double](repeating: 0, count: 128),
                    meanSquares: balance.energies ?? [], means: [Double](repeating: 0, count: 128), segments: segments))
        }
        let totals = reports.map { $0.totals[0] / $0.totals[1] }
        return [
            Check(
                .exact, "Weights 1 / sqrt(e_m) give every modality the same energy a feature: disparity 1 to 1e-12.",
                .within(expected: 1, tolerance: 1e-12), observed: reports[0].disparity,
                mutant: ("weights for equal sums over modalities of 96 and 32 features", reports[1].disparity)),
            Check(
                .exact,
                """
                Weights sqrt(d / (M d_m e_m)) give every modality the same sum of energies, to 1e-12; with 96 and 32 \
                features that is another wish.
                """, .within(expected: 1, tolerance: 1e-12), observed: totals[1],
                mutant: ("weights for equal energy a feature", totals[0])),
        ]
    }

    private static func frozen(_ context: StudyContext) throws -> Check {
        var balance = try EnergyBalancedAffine(segments: SegmentOffsets(widths: widths), target: .perFeature)
        try balance.observe(rows(context))
        var frozen = balance
        frozen.freeze()
        let before = try balance.balancedWeight()
        let batch = try rows(context, count: 50, stream: 93)
        try balance.observe(batch)
        try frozen.observe(batch)
        func change(_ balance: EnergyBalancedAffine) throws -> Double {
            zip(try balance.balancedWeight(), before).reduce(0) { max($0, abs($1.0 - $1.1)) }
        }
        return Check(
            .exact,
            """
            Frozen energies do not follow test data: the weights change by exactly 0, so no row's output by another's.
            """,
            .equal(0), observed: try change(frozen), mutant: ("the energies are not frozen", try change(balance)))
    }
}
