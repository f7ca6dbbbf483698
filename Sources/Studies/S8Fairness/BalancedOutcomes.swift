// S8: the outcome of each modality with and without balance, and the controls in which balance must not help.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots

enum BalancedOutcomes {
    private static let ratios = [1.0, 3, 10, 30]

    /// Means over seeds at one ratio.
    private struct Row {
        var (plain, balanced, exchanged) = (Pair(), Pair(), Pair())
        var (converged, convergedBalanced, penalised, penalisedBalanced) = (0.0, 0.0, 0.0, 0.0)
        var (noisy, noisyBalanced) = (Pair(), Pair())
        var (whole, wholeBalanced) = (0.0, 0.0)
        var noiseGain = 0.0
    }

    private struct Pair {
        var (text, audio) = (0.0, 0.0)
        var gap: Double { abs(audio - text) }

        mutating func add(_ outcome: OutcomeGap, share: Double) {
            text += share * outcome.outcomes[0].value
            audio += share * outcome.outcomes[1].value
        }
    }

    static func measure(_ context: StudyContext) throws -> Findings {
        var rows = ratios.map { _ in Row() }
        let share = 1 / Double(TwoModalities.seeds.count)
        let penalty = TwoModalities.penalty
        for seed in TwoModalities.seeds {
            context.progress("outcomes, seed \(seed)")
            let data = TwoModalities(seed: seed)
            for (index, ratio) in ratios.enumerated() {
                let fit = try data.normalized(ratio: ratio, backend: context.backend)
                let weight = try fit.balanced()
                rows[index].plain.add(try fit.outcome(weight: fit.plain, penalty: penalty), share: share)
                rows[index].balanced.add(try fit.outcome(weight: weight, penalty: penalty), share: share)
                rows[index].exchanged.add(
                    try fit.outcome(weight: Array(weight.reversed()), penalty: penalty), share: share)
                rows[index].converged += share * fit.keptText(weight: fit.plain, penalty: 1e-6)
                rows[index].convergedBalanced += share * fit.keptText(weight: weight, penalty: 1e-6)
                rows[index].penalised += share * fit.keptText(weight: fit.plain, penalty: penalty)
                rows[index].penalisedBalanced += share * fit.keptText(weight: weight, penalty: penalty)
                rows[index].whole += share * fit.explained(weight: fit.plain, penalty: penalty)
                rows[index].wholeBalanced += share * fit.explained(weight: weight, penalty: penalty)
                let noisy = try data.normalized(ratio: ratio, noiseDeviation: 3, backend: context.backend)
                let noisyWeight = try noisy.balanced()
                rows[index].noisy.add(try noisy.outcome(weight: noisy.plain, penalty: penalty), share: share)
                rows[index].noisyBalanced.add(try noisy.outcome(weight: noisyWeight, penalty: penalty), share: share)
                rows[index].noiseGain += share * noisyWeight[0] * noisyWeight[0]
            }
        }
        return Findings(checks: checks(rows), tables: [table(rows), noiseTable(rows)], figures: [figure(rows)])
    }

    private static func checks(_ rows: [Row]) -> [Check] {
        let (one, ten) = (rows[0], rows[2])
        let noisyText = rows.map(\.noisyBalanced.text).max()!
        return [
            Check(
                .effect,
                """
                At r = 10 balanced weights shrink the gap between audio and text under ridge at least tenfold (three \
                seeds).
                """,
                .atLeast(10), observed: ten.plain.gap / ten.balanced.gap,
                mutant: ("the two modalities' weights are exchanged", ten.plain.gap / ten.exchanged.gap)),
            Check(
                .effect, "Control: at r = 1 there is nothing to balance; text's outcome changes by less than 0.005.",
                .atMost(0.005), observed: abs(one.balanced.text - one.plain.text),
                mutant: ("r = 10", abs(ten.balanced.text - ten.plain.text))),
            Check(
                .effect,
                """
                Control: with penalty 1e-6 the part of text that is kept changes by less than 0.01 at r = 10: \
                weights are undone.
                """,
                .atMost(0.01), observed: abs(ten.convergedBalanced - ten.converged),
                mutant: ("penalty 100", abs(ten.penalisedBalanced - ten.penalised))),
            Check(
                .effect,
                """
                No remedy: where text carries noise of three times its signal's deviation, balanced weights leave \
                its outcome below 0.1 at every r (the best possible is 0.1).
                """, .atMost(0.1), observed: noisyText,
                mutant: ("text without noise", rows.map(\.balanced.text).min()!)),
        ]
    }

    private static func table(_ rows: [Row]) -> Table {
        Table(
            "Explained variance of each modality's own part on new rows, means of three seeds",
            columns: [
                "r", "LN: text", "LN: audio", "balanced: text", "balanced: audio", "text kept, penalty 1e-6",
                "whole target: LN", "whole target: balanced",
            ],
            rows: zip(ratios, rows).map { ratio, row in
                [
                    ratio, row.plain.text, row.plain.audio, row.balanced.text, row.balanced.audio, row.converged,
                    row.whole, row.wholeBalanced,
                ].map { TableCell.significant($0) }
            })
    }

    private static func noiseTable(_ rows: [Row]) -> Table {
        Table(
            "The same where text carries noise of deviation 3: no remedy",
            columns: ["r", "LN: text", "balanced: text", "gain of text's energy, noise included"],
            rows: zip(ratios, rows).map { ratio, row in
                [ratio, row.noisy.text, row.noisyBalanced.text, row.noiseGain].map { TableCell.significant($0) }
            })
    }

    private static func figure(_ rows: [Row]) -> Figure {
        func series(_ name: String, _ value: (Row) -> Double) -> Series {
            Series(name, zip(ratios, rows).map { (x: $0, y: value($1)) }, .linesAndPoints)
        }
        return Figure(
            caption: "Balance repairs what the penalty does to a quiet modality. Without penalty nothing was broken.",
            panels: [
                Panel(
                    "Outcome of each modality under ridge",
                    .curves(
                        x: Axis("scale ratio r of audio", log: true),
                        y: Axis("explained variance of its own part", range: 0...1),
                        series: [
                            series("text, LayerNorm", \.plain.text), series("audio, LayerNorm", \.plain.audio),
                            series("text, balanced", \.balanced.text), series("audio, balanced", \.balanced.audio),
                            series("text kept, LayerNorm, penalty 1e-6", \.converged),
                        ])),
                Panel(
                    "Text that is mostly noise",
                    .curves(
                        x: Axis("scale ratio r of audio", log: true),
                        y: Axis("explained variance of its own part", range: 0...1),
                        series: [
                            series("text, LayerNorm", \.noisy.text), series("text, balanced", \.noisyBalanced.text),
                        ])),
            ])
    }
}
