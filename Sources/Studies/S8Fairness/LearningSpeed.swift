// S8: what energy decides: how much a penalty shrinks, how fast gradient descent learns; and what it does not decide.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots

enum LearningSpeed {
    private static let rate = 0.05
    private static let ratios = [1.0, 3, 10, 30]

    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("shrinkage and speed of each modality")
        let data = TwoModalities(seed: 0)
        let fits = try ratios.map { try data.normalized(ratio: $0, backend: context.backend) }
        let (three, ten, thirty) = (fits[1], fits[2], fits[3])
        let speed = try speeds(three: three, ten: ten)
        return Findings(
            checks: [try invariance(ten), shrinkage(ten, ratio: 10), shrinkage(thirty, ratio: 30)] + speed.checks,
            tables: speed.tables, figures: [try figure(fits)])
    }

    /// What ridge keeps of text: N e / (N e + penalty), e = 2 / (1 + r²) its energy beside audio of scale r.
    private static func keptText(ratio: Double) -> Double {
        let energy = Double(TwoModalities.rows) * 2 / (1 + ratio * ratio)
        return energy / (energy + TwoModalities.penalty)
    }

    private static func invariance(_ fit: TwoModalities.Fit) throws -> Check {
        let balanced = try fit.balanced()
        func change(penalty: Double) -> Double {
            let plain = fit.independentPrediction(weight: fit.plain, penalty: penalty)
            let weighted = fit.independentPrediction(weight: balanced, penalty: penalty)
            return zip(plain, weighted).reduce(plain.isEmpty ? .nan : 0) { max($0, abs($1.0 - $1.1)) }
        }
        return Check(
            .exact,
            """
            Least squares without penalty predicts the same with and without balanced weights, to 1e-9 on 4000 new \
            rows at r = 10 (127 of the 128 features, which add up to 0): a converged readout undoes any weight.
            """, .atMost(1e-9), observed: change(penalty: 0), mutant: ("ridge with penalty 100", change(penalty: 100)))
    }

    private static func shrinkage(_ fit: TwoModalities.Fit, ratio: Double) -> Check {
        let predicted = keptText(ratio: ratio)
        return Check(
            .law,
            """
            At r = \(Int(ratio)) ridge with penalty 100 and 4000 rows keeps N e / (N e + 100) = \
            \(TableCell.significant(predicted)) of text, e = 2 / (1 + r²), within 0.02.
            """, .within(expected: predicted, tolerance: 0.02),
            observed: fit.shrinkage(weight: fit.plain, penalty: TwoModalities.penalty),
            mutant: ("penalty 1e-6", fit.shrinkage(weight: fit.plain, penalty: 1e-6)))
    }

    private static func figure(_ fits: [TwoModalities.Fit]) throws -> Figure {
        func measured(_ weight: (TwoModalities.Fit) throws -> [Double]) throws -> [(x: Double, y: Double)] {
            try zip(ratios, fits).map { ratio, fit in
                (x: ratio, y: fit.shrinkage(weight: try weight(fit), penalty: TwoModalities.penalty))
            }
        }
        let curve = stride(from: 1.0, through: 30, by: 0.25).map { (x: $0, y: keptText(ratio: $0)) }
        return Figure(
            caption: """
                The louder audio is, the less energy one LayerNorm over both leaves to text, and the more of text a \
                ridge penalty of 100 takes away. Balanced weights give the energy back.
                """,
            panels: [
                Panel(
                    "Part of text that ridge keeps",
                    .curves(
                        x: Axis("scale ratio r of audio", log: true),
                        y: Axis("part of text's coefficients kept", range: 0...1),
                        series: [
                            Series("LayerNorm: N e / (N e + 100)", curve, .theory),
                            Series("LayerNorm, measured", try measured(\.plain), .points),
                            Series("balanced weights, measured", try measured { try $0.balanced() }, .points),
                        ]))
            ])
    }

    private static func speeds(three: TwoModalities.Fit, ten: TwoModalities.Fit) throws -> Findings {
        var (stepRatios, balancedRatios, lines) = ([Double](), [Double](), [[String]]())
        for (ratio, fit) in [(3.0, three), (10, ten)] {
            let plain = fit.stepsToLearn(weight: fit.plain, rate: rate)
            let balanced = fit.stepsToLearn(weight: try fit.balanced(), rate: rate)
            stepRatios.append(plain[0] / plain[1])
            balancedRatios.append(balanced[0] / balanced[1])
            let report = try EnergyReport(
                of: fit.training, segments: TwoModalities.segments(),
                gradient: Tensor(fit.equations.moments[0].map { Float($0) }, shape: [1, TwoModalities.features]))
            lines.append(
                [
                    ratio, plain[0], plain[1], plain[0] / plain[1], ratio * ratio, balanced[0], balanced[1],
                    report.jainIndex, (report.gradientShares ?? [.nan])[0],
                ].map { TableCell.significant($0) })
        }
        let checks = [
            Check(
                .law,
                """
                At r = 3 gradient descent (rate 0.05) needs 9 times the steps for 0.9 of text than for 0.9 of audio, \
                within 20 %.
                """, .relative(9, 0.2), observed: stepRatios[0], mutant: ("balanced weights", balancedRatios[0])),
            Check(
                .law,
                """
                At r = 10 it needs 100 times the steps, within 20 %.
                """, .relative(100, 0.2), observed: stepRatios[1], mutant: ("balanced weights", balancedRatios[1])),
            Check(
                .law,
                """
                Balanced weights bring that to less than 2 at r = 3 and at r = 10; at r = 10 not to 1, for part of \
                text's energy is audio's mean, which leaks in.
                """, .atMost(2), observed: balancedRatios.max()!, mutant: ("weights of 1", stepRatios.min()!)),
        ]
        let table = Table(
            "Steps of gradient descent to learn 0.9 of each modality's part",
            columns: [
                "r", "text", "audio", "ratio", "r²", "text, balanced", "audio, balanced", "Jain index before",
                "text's share of the first gradient",
            ], rows: lines)
        return Findings(checks: checks, tables: [table])
    }
}
