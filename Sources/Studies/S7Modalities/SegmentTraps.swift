// S7: what a norm for each segment cannot do.

private import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

enum SegmentTraps {
    static func measure(_ context: StudyContext) throws -> Findings {
        Findings(checks: [try narrowSegments(context), try relativeScale(context)])
    }

    private static func narrowSegments(_ context: StudyContext) throws -> Check {
        var random = RandomStream(seed: 0, stream: 81)
        let x = try random.normal([100, 6])
        let y = try SegmentedLayerNorm(
            segments: SegmentOffsets(widths: [1, 2, 3]), epsilon: 0, backend: context.backend
        )(x).array.map { Double($0) }
        func worst(_ columns: Range<Int>, _ error: (Double) -> Double) -> Double {
            (0..<100).reduce(0) { worst, row in
                columns.reduce(worst) { max($0, error(y[row * 6 + $1])) }
            }
        }
        // A float32 norm of two columns errs by some units of 2^-24.
        return Check(
            .exact,
            """
            A segment of one column becomes its bias, exactly, and one of two columns keeps a sign only: every \
            output is +1 or -1 to 1e-6 (float32 kernel, epsilon 0).
            """, .atMost(1e-6), observed: max(worst(0..<1) { abs($0) }, worst(1..<3) { abs(abs($0) - 1) }),
            mutant: ("a segment of three columns", worst(3..<6) { abs(abs($0) - 1) }))
    }

    private static func relativeScale(_ context: StudyContext) throws -> Check {
        let (rows, width) = (200, 32)
        var random = RandomStream(seed: 0, stream: 82)
        let scales = (0..<rows).map { _ in exp(random.normal()) }
        let x = try Tensor(
            (0..<rows * 2 * width).map { index in
                Float(random.normal() * (index % (2 * width) < width ? 1 : scales[index / (2 * width)]))
            }, shape: [rows, 2 * width])
        let segments = try SegmentOffsets(widths: [width, width])
        func spread(_ y: Tensor<Float>) -> Double {
            let y = y.array.map { Double($0) }
            let ratios = (0..<rows).map { row in
                let first = row * 2 * width
                let quiet = moments(of: y[first..<first + width]).variance
                return log(moments(of: y[first + width..<first + 2 * width]).variance / quiet)
            }
            return moments(of: ratios[...]).variance.squareRoot()
        }
        return Check(
            .exact,
            """
            Separate norms discard the scale of one modality beside the other's: over rows in which it varies by a \
            factor e, the log of the variance ratio after the norm varies by less than 1e-5 (float32 kernel, epsilon \
            0).
            """, .atMost(1e-5),
            observed: spread(try SegmentedLayerNorm(segments: segments, epsilon: 0, backend: context.backend)(x)),
            mutant: ("one norm over both", spread(try layerNorm(x, epsilon: 0, backend: context.backend))))
    }
}
