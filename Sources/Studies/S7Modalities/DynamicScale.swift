// S7: the loud modality's scale varies from row to row, and takes the quiet one's with it.

private import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit

enum DynamicScale {
    private static let width = 64
    private static let loudness = 10.0

    static func rowCount(_ mode: StudyContext.Mode) -> Int { mode == .quick ? 16_000 : 40_000 }

    static func measure(_ context: StudyContext) throws -> Findings {
        let rows = rowCount(context.mode)
        var random = RandomStream(seed: 0, stream: 72)
        let noise = random.normals(rows * 2 * width)
        let scales = random.normals(rows)
        let direction = random.normals(width).map { $0 / Double(width).squareRoot() }
        let target = (0..<rows).map { row in
            direction.indices.reduce(0) { $0 + direction[$1] * noise[row * 2 * width + $1] }
        }
        var (shared, separate, laws, lines) = ([Double](), [Double](), [Double](), [[String]]())
        let deviations = [0, 0.25, 0.5, 1]
        for deviation in deviations {
            context.progress("readout of the quiet modality, log scale varies by \(deviation)")
            let x = try input(noise, scales: scales, deviation: deviation)
            let segments = try SegmentOffsets(widths: [width, width])
            let (y, statistics) = try layerNormWithStatistics(x, backend: context.backend)
            shared.append(explained(y, target: target))
            separate.append(
                explained(try SegmentedLayerNorm(segments: segments, backend: context.backend)(x), target: target))
            let reciprocals = statistics.reciprocalDeviation.array.map { Double($0) }
            let mean = reciprocals.reduce(0, +) / Double(rows)
            laws.append(mean * mean / (reciprocals.reduce(0) { $0 + $1 * $1 } / Double(rows)))
            lines.append([
                deviation, shared.last!, laws.last!, exp(-deviation * deviation), separate.last!,
            ].map { TableCell.significant($0, 4) })
        }
        let deviation = zip(shared, laws).reduce(0) { max($0, abs($1.0 - $1.1)) }
        let checks = [
            Check(
                .law,
                """
                The best linear readout of the quiet modality from a shared norm's output explains E[1/s]² / E[1/s²] \
                of it, within 0.03, for log-normal scales of the loud one with deviations 0, 0.25, 0.5 and 1.
                """, .atMost(0.03), observed: deviation,
                mutant: (
                    "a norm for each modality, which does not follow that law",
                    zip(separate, laws).reduce(0) { max($0, abs($1.0 - $1.1)) }
                )),
            Check(
                .law,
                """
                Under the same scales a norm for each modality keeps more than 0.95 of the quiet one for a linear \
                readout; the rest goes with its own scale, of the order of 1 / 64.
                """, .atLeast(0.95), observed: separate.min()!, mutant: ("one norm over both", shared.min()!)),
            Check(
                .law,
                """
                Control: where the loud modality is ten times as loud in every row, a linear readout from the shared \
                norm still explains more than 0.95. A constant imbalance is no lasting harm.
                """, .atLeast(0.95), observed: shared[0], mutant: ("its log scale varies by 0.5", shared[2])),
        ]
        let theory = stride(from: 0.0, through: 1.0, by: 0.05).map { (x: $0, y: exp(-$0 * $0)) }
        let figure = Figure(
            caption: "A scale that varies from row to row is lost for good; separate norms do not mind.",
            panels: [
                Panel(
                    "Readout of the quiet modality",
                    .curves(
                        x: Axis("deviation w of the loud modality's log scale"),
                        y: Axis("explained variance on new rows", range: 0...1),
                        series: [
                            Series("shared norm", Array(zip(deviations, shared)).map { (x: $0.0, y: $0.1) }, .points),
                            Series("separate", Array(zip(deviations, separate)).map { (x: $0.0, y: $0.1) }, .points),
                            Series("e^(-w²)", theory, .theory),
                        ]))
            ])
        let table = Table(
            "Explained variance of the quiet modality, the other ten times as loud in the median",
            columns: ["w", "shared norm", "E[1/s]² / E[1/s²]", "e^(-w²)", "separate norms"], rows: lines)
        return Findings(checks: checks, tables: [table], figures: [figure])
    }

    private static func input(_ noise: [Double], scales: [Double], deviation: Double) throws -> Tensor<Float> {
        var x = noise.map { Float($0) }
        for row in scales.indices {
            let factor = Float(loudness * exp(deviation * scales[row]))
            for column in width..<2 * width { x[row * 2 * width + column] *= factor }
        }
        return try Tensor(x, shape: [scales.count, 2 * width])
    }

    /// Least squares on the first half of the rows, judged on the second.
    private static func explained(_ y: Tensor<Float>, target: [Double]) -> Double {
        let y = y.array.map { Double($0) }
        let (features, half) = (2 * width, target.count / 2)
        let equations = NormalEquations(
            rows: Array(y[0..<half * features]), features: features, targets: [Array(target[0..<half])])
        guard let readout = equations.solve()?[0] else { return .nan }
        let prediction = (half..<target.count).map { row in
            readout.indices.reduce(0) { $0 + readout[$1] * y[row * features + $1] }
        }
        return coefficientOfDetermination(prediction, of: Array(target[half...]))
    }
}
