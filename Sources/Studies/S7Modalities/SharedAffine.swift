// S7: one weight and bias for several modalities, and who pays for it.

internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit

enum SharedAffine {
    private static let elements = 400_000

    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("error tax")
        var random = RandomStream(seed: 0, stream: 73)
        let draws = Draws(inputs: random.normals(elements), noise: random.normals(elements))
        var findings = try sweep(draws)
        findings.checks = try closedForms() + [taxWithOffsets(draws)] + findings.checks + [middle(draws)]
        return findings
    }

    /// Normal numbers, the same for all ideals.
    private struct Draws {
        let inputs: [Double]
        let noise: [Double]

        /// Inputs of each modality's mean and variance, targets on its line, plus noise.
        func data(_ ideals: [ErrorTax.Ideal], noise deviation: Double) -> [(input: [Double], target: [Double])] {
            var first = 0
            return ideals.map { ideal in
                let range = first..<first + Int((Double(elements) * ideal.share).rounded(.down))
                first = range.upperBound
                let scale = ideal.variance.squareRoot()
                let input = inputs[range].map { ideal.mean + scale * $0 }
                let target = zip(input, noise[range]).map { ideal.weight * $0 + ideal.bias + deviation * $1 }
                return (input, target)
            }
        }
    }

    private static func closedForms() throws -> [Check] {
        let ideals = [
            ErrorTax.Ideal(weight: 1, bias: 0.5, share: 0.5), ErrorTax.Ideal(weight: 2.5, bias: -0.5, share: 0.3),
            ErrorTax.Ideal(weight: 0.2, bias: 1, share: 0.2),
        ]
        func variance(_ value: (ErrorTax.Ideal) -> Double) -> Double {
            let mean = ideals.reduce(0) { $0 + $1.share * value($1) }
            return ideals.reduce(0) { $0 + $1.share * (value($1) - mean) * (value($1) - mean) }
        }
        let law = variance(\.weight) + variance(\.bias)
        let general = try ErrorTax.predicted(ideals).tax
        var offset = ideals
        for index in offset.indices { offset[index].mean = 0.5 }
        return [
            Check(
                .exact,
                """
                For standardised inputs the general tax S_tt - S_xt² / S_xx is Var_w(a) + Var_w(b), to 1e-12, for \
                three modalities with weights 0.5, 0.3 and 0.2.
                """, .atMost(1e-12), observed: abs(general / law - 1),
                mutant: ("inputs of mean 0.5", abs(try ErrorTax.predicted(offset).tax / law - 1))),
            Check(
                .exact, "Where all modalities have the same ideal the tax is 0, to 1e-12.", .atMost(1e-12),
                observed: abs(
                    try ErrorTax.predicted([ideals[0], ErrorTax.Ideal(weight: 1, bias: 0.5, share: 0.5)]).tax),
                mutant: (
                    "one bias differs by 0.01",
                    try ErrorTax.predicted([ideals[0], ErrorTax.Ideal(weight: 1, bias: 0.51, share: 0.5)]).tax
                )),
        ]
    }

    /// Two modalities whose inputs are not standardised.
    private static func taxWithOffsets(_ draws: Draws) throws -> Check {
        let ideals = [
            ErrorTax.Ideal(weight: 1, bias: 0.3, share: 0.6, mean: 0.4, variance: 1.3),
            ErrorTax.Ideal(weight: 2.4, bias: -0.5, share: 0.4, mean: -0.6, variance: 0.8),
        ]
        let measured = try ErrorTax.estimate(perModality: draws.data(ideals, noise: 0.5))
        let predicted = try ErrorTax.predicted(ideals).tax
        let standardised = ideals.map { ErrorTax.Ideal(weight: $0.weight, bias: $0.bias, share: $0.share) }
        let wrong = try ErrorTax.predicted(standardised).tax
        return Check(
            .law,
            """
            With inputs of means 0.4 and -0.6 and variances 1.3 and 0.8, and noise of deviation 0.5 on the targets, \
            the measured tax is S_tt - S_xt² / S_xx = \(TableCell.significant(predicted, 5)) within 2 % (400000 \
            elements); the noise adds nothing to it.
            """, .relative(predicted, 0.02), observed: measured.tax,
            mutant: ("the law for standardised inputs", wrong))
    }

    private static func sweep(_ draws: Draws) throws -> Findings {
        let shares = [0.7, 0.3]
        var (worst, worstEqual) = (0.0, 0.0)
        var equal: ErrorTax?
        var (taxes, first, second, lines) = (
            [(x: Double, y: Double)](), [(x: Double, y: Double)](), [(x: Double, y: Double)](), [[String]]()
        )
        for distance in [0, 0.5, 1, 1.5, 2] {
            let ideals = [
                ErrorTax.Ideal(weight: 1, bias: 0, share: shares[0]),
                ErrorTax.Ideal(weight: 1 + distance, bias: 0, share: shares[1]),
            ]
            let tax = try ErrorTax.estimate(perModality: draws.data(ideals, noise: 0.5))
            let square = distance * distance
            taxes.append((distance, tax.tax))
            first.append((distance, tax.excess[0]))
            second.append((distance, tax.excess[1]))
            lines.append([
                distance, tax.tax, shares[0] * shares[1] * square, tax.standardError, tax.excess[0],
                shares[1] * shares[1] * square, tax.excess[1], shares[0] * shares[0] * square,
            ].map { TableCell.significant($0, 4) })
            if distance == 0 {
                equal = tax
                continue
            }
            worst = max(worst, abs(tax.tax / (shares[0] * shares[1] * square) - 1))
            worstEqual = max(worstEqual, abs(tax.tax / (square / 4) - 1))
        }
        let alike = try ErrorTax.estimate(
            perModality: draws.data([1, 3].map { ErrorTax.Ideal(weight: $0, bias: 0, share: 0.5) }, noise: 0.5))
        let checks = [
            Check(
                .law,
                """
                For two modalities with shares 0.7 and 0.3 whose ideal weights lie D apart, the measured tax is 0.21 \
                D² within 2 %, D = 0.5 to 2.
                """, .atMost(0.02), observed: worst, mutant: ("equal shares are assumed", worstEqual)),
            Check(
                .law,
                """
                An element of the minority (share 0.3) pays 0.49 D², one of the majority 0.09 D²: 5.44 times as \
                much, measured within 0.25 at D = 2.
                """, .within(expected: 0.49 / 0.09, tolerance: 0.25), observed: second[4].y / first[4].y,
                mutant: ("equal shares", alike.excess[1] / alike.excess[0])),
            Check(
                .law,
                "Control: where the ideals are equal, the measured tax is below 1e-4.",
                .atMost(1e-4), observed: abs(equal!.tax), mutant: ("ideals that differ by 0.5", taxes[1].y)),
        ]
        let theory = stride(from: 0.0, through: 2.0, by: 0.1)
        let figure = Figure(
            caption: "The tax of sharing a weight grows with the square of the distance; the minority pays most of it.",
            panels: [
                Panel(
                    "Error tax, shares 0.7 and 0.3",
                    .curves(
                        x: Axis("distance of the ideal weights"), y: Axis("excess mean square error"),
                        series: [
                            Series("all elements", taxes, .points),
                            Series("majority", first, .points),
                            Series("minority", second, .points),
                            Series("0.21 D²", theory.map { (x: $0, y: 0.21 * $0 * $0) }, .theory),
                            Series("0.09 D²", theory.map { (x: $0, y: 0.09 * $0 * $0) }, .theory),
                            Series("0.49 D²", theory.map { (x: $0, y: 0.49 * $0 * $0) }, .theory),
                        ]))
            ])
        let table = Table(
            "Error tax of a shared weight, measured and predicted",
            columns: ["D", "tax", "0.21 D²", "± ", "majority", "0.09 D²", "minority", "0.49 D²"], rows: lines)
        return Findings(checks: checks, tables: [table], figures: [figure])
    }

    /// Of three modalities the middle one may pay nothing.
    private static func middle(_ draws: Draws) throws -> Check {
        func excess(_ middle: Double) throws -> Double {
            let ideals = [-1, middle, 1].map { ErrorTax.Ideal(weight: $0, bias: 0, share: 1.0 / 3) }
            return try ErrorTax.estimate(perModality: draws.data(ideals, noise: 0)).excess[1]
        }
        return Check(
            .law,
            """
            Of three equally frequent modalities with ideal weights -1, 0 and 1 the middle one pays less than 0.001 \
            for sharing, while the others pay 1: "optimal for none" is false.
            """, .atMost(0.001), observed: try excess(0),
            mutant: ("the middle ideal is 0.5", try excess(0.5)))
    }
}
