// S7: mean and variance over two modalities: their energies after the norm, and how each depends on the other.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import ReferenceKernels
internal import TrainingKit

enum SharedStatistics {
    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("energies and couplings")
        var findings = try energies(context)
        findings.checks.insert(try energyIdentity(context), at: 0)
        findings.checks += try couplings(context)
        return findings
    }

    /// Offsets and scales that differ, and widths too.
    private static func offsetRow() throws -> (row: [Double], segments: SegmentOffsets) {
        var random = RandomStream(seed: 0, stream: 70)
        let row = random.normals(40).map { 1 + 0.5 * $0 } + random.normals(24).map { 2 * $0 - 0.7 }
        return (row, try SegmentOffsets(widths: [40, 24]))
    }

    private static func energyIdentity(_ context: StudyContext) throws -> Check {
        let (row, segments) = try offsetRow()
        let parts = (0..<2).map { moments(of: row[segments.range($0)]) }
        let weights = segments.widths.map { Double($0) / Double(row.count) }
        let mean = zip(weights, parts).reduce(0) { $0 + $1.0 * $1.1.mean }
        let within = zip(weights, parts).reduce(0) { $0 + $1.0 * $1.1.variance }
        let between = zip(weights, parts).reduce(0) { $0 + $1.0 * ($1.1.mean - mean) * ($1.1.mean - mean) }
        func predicted(variance: Double) -> [Double] {
            parts.map { ($0.variance + ($0.mean - mean) * ($0.mean - mean)) / variance }
        }
        let measured = ModalityCouplingProbe(segments: segments, epsilon: 0).measured(row).energies
        let output = try layerNorm(
            Tensor(row.map { Float($0) }, shape: [1, row.count]), epsilon: 0, backend: context.backend
        ).array.map { Double($0) }
        let kernel = (0..<2).map { segment in moments(of: output[segments.range(segment)]).meanSquare }
        // A float32 norm errs by some units of 2^-24 an element; 1e-6 is sixteen of them.
        let error = max(
            largestRelativeDifference(measured, predicted(variance: within + between)),
            1e-6 * largestRelativeDifference(kernel, predicted(variance: within + between)))
        return Check(
            .exact,
            """
            After a shared LayerNorm a feature of modality m has the energy (variance_m + (mean_m - mean)²) / \
            variance, to 1e-12 in double precision; the float32 kernel's is the same to 1e-6.
            """, .atMost(1e-12), observed: error,
            mutant: (
                "the variance between the modalities' means is left out",
                largestRelativeDifference(measured, predicted(variance: within))))
    }

    private static func energies(_ context: StudyContext) throws -> Findings {
        let (rows, width) = (2000, 64)
        let d = Double(2 * width)
        var random = RandomStream(seed: 0, stream: 71)
        let noise = random.normals(rows * 2 * width)
        let segments = try SegmentOffsets(widths: [width, width])
        let probe = ModalityCouplingProbe(segments: segments)
        var (worst, worstWide, rmsAtHundred, lawAtHundred) = (0.0, 0.0, 0.0, 0.0)
        var (points, wide, lines) = ([(x: Double, y: Double)](), [(x: Double, y: Double)](), [[String]]())
        for ratio in [1.0, 3, 10, 30, 100] {
            let x = noise.indices.map { $0 % (2 * width) < width ? noise[$0] : ratio * noise[$0] }
            let tensor = try Tensor(x.map { Float($0) }, shape: [rows, 2 * width])
            let y = try layerNorm(tensor, backend: context.backend)
            let quiet = quietEnergy(y, rows: rows, width: width).squareRoot()
            let variance = (1 + ratio * ratio) / 2
            let law = ((1 - 2 / d + variance / d) / (variance * (1 - 1 / d))).squareRoot()
            let limit = (1 / variance).squareRoot()
            worst = max(worst, abs(quiet / law - 1))
            worstWide = max(worstWide, abs(quiet / limit - 1))
            if ratio == 100 {
                let rms = try rmsNorm(tensor, weight: Tensor<Float>?.none, backend: context.backend)
                rmsAtHundred = quietEnergy(rms, rows: rows, width: width).squareRoot() / limit
                lawAtHundred = quiet / limit
            }
            points.append((ratio, quiet))
            wide.append((ratio, limit))
            let coupling = probe.measured(Array(x[0..<2 * width * 200]))
            lines.append([
                ratio, quiet, law, limit, coupling.couplings[0][1],
            ].map { TableCell.significant($0, 4) })
        }
        let laws = [
            Check(
                .law,
                """
                At 64 + 64 features and scale ratios of 1, 3, 10, 30 and 100 the quiet modality's root mean square \
                after LayerNorm is sqrt[(1 - 2/d + V/d) / (V (1 - 1/d))], V = (1 + r²) / 2, within 3 %: the loud \
                one's mean leaks in.
                """, .atMost(0.03), observed: worst,
                mutant: ("the limit of wide rows, sqrt(2 / (1 + r²)), without the leak", worstWide)),
            Check(
                .law,
                """
                RMSNorm, which subtracts no mean, leaks nothing: at r = 100 the quiet modality's root mean square is \
                sqrt(2 / (1 + r²)) within 3 %.
                """, .within(expected: 1, tolerance: 0.03), observed: rmsAtHundred,
                mutant: ("LayerNorm instead", lawAtHundred)),
        ]
        let table = Table(
            "A quiet modality beside one that is r times as loud, one LayerNorm over both",
            columns: [
                "r", "rms of the quiet one", "law", "law of wide rows", "coupling |d quiet / d loud|",
            ], rows: lines)
        let figure = Figure(
            caption: "What a shared LayerNorm leaves of the quiet modality: the mean of the loud one is a floor.",
            panels: [
                Panel(
                    "Energy of the quiet modality",
                    .curves(
                        x: Axis("scale ratio r", log: true), y: Axis("root mean square after the norm", log: true),
                        series: [
                            Series("measured, 64 + 64 features", points, .linesAndPoints),
                            Series("sqrt(2 / (1 + r²)), wide rows", wide, .theory),
                        ]))
            ])
        return Findings(checks: laws, tables: [table], figures: [figure])
    }

    private static func quietEnergy(_ y: Tensor<Float>, rows: Int, width: Int) -> Double {
        let y = y.array
        var sum = 0.0
        for row in 0..<rows {
            for column in 0..<width {
                let element = Double(y[row * 2 * width + column])
                sum += element * element
            }
        }
        return sum / Double(rows * width)
    }

    private static func couplings(_ context: StudyContext) throws -> [Check] {
        let (row, segments) = try offsetRow()
        let (a, b) = (segments.range(0), segments.range(1))
        let closed = ModalityCouplingProbe(segments: segments, epsilon: 0).measured(row).couplings
        var (squares, own) = (0.0, 0.0)
        for i in a {
            var unit = [Double](repeating: 0, count: row.count)
            unit[i] = 1
            let gradient = PlainNorm<Double>.backward(
                .layerNorm, unit, x: row, columns: row.count, weight: nil, epsilon: 0
            ).dx
            squares += gradient[b].reduce(0) { $0 + $1 * $1 }
            own += gradient[a].reduce(0) { $0 + $1 * $1 }
        }
        let jacobian = squares.squareRoot()
        let mean = row.reduce(0, +) / Double(row.count)
        let s = moments(of: row[...]).variance.squareRoot()
        let normalized = row.map { ($0 - mean) / s }
        let energies = [a, b].map { normalized[$0].reduce(0) { $0 + $1 * $1 } }
        let withoutSums =
            (Double(a.count * b.count) + energies[0] * energies[1]).squareRoot() / (Double(row.count) * s)

        let x = try Tensor(row.map { Float($0) }, shape: [1, row.count])
        let upstream = try Tensor<Float>((0..<row.count).map { a.contains($0) ? 1 + Float($0 % 3) : 0 }, shape: x.shape)
        let separate = try SegmentedLayerNorm(segments: segments, backend: context.backend).valueWithPullback(at: x)
        let shared = try layerNormWithStatistics(x, backend: context.backend)
        let sharedGradient = try layerNormBackward(
            upstream, x: x, statistics: shared.statistics, backend: context.backend
        ).input
        func leak(_ gradient: Tensor<Float>) -> Double { gradient.array[b].reduce(0) { max($0, abs(Double($1))) } }
        return [
            Check(
                .exact,
                """
                The Frobenius norm of d y_A / d x_B is sqrt[d_A d_B + 2 sum(xhat_A) sum(xhat_B) + |xhat_A|² \
                |xhat_B|²] / (d s), and that of d y_A / d x_A follows alike, to 1e-12 of a Jacobian that is built \
                row by row.
                """, .atMost(1e-12),
                observed: max(abs(closed[0][1] / jacobian - 1), abs(closed[0][0] / own.squareRoot() - 1)),
                mutant: ("without the sums of xhat", abs(withoutSums / jacobian - 1))),
            Check(
                .exact,
                """
                With a norm for each segment no gradient crosses from A's output to B's input: exactly 0, in the \
                float32 kernel.
                """,
                .equal(0), observed: leak(try separate.pullback(upstream).input),
                mutant: ("one LayerNorm over both", leak(sharedGradient))),
        ]
    }
}

/// Of a row's part, in double precision.
func moments(of values: ArraySlice<Double>) -> (mean: Double, variance: Double, meanSquare: Double) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    return (mean, variance, values.reduce(0) { $0 + $1 * $1 } / count)
}

func largestRelativeDifference(_ values: [Double], _ expected: [Double]) -> Double {
    zip(values, expected).reduce(0) { max($0, abs($1.0 / $1.1 - 1)) }
}
