// S9: what adding up normalized experts does to their magnitudes, and where a norm keeps them.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

enum CombinedExperts {
    private static let rows = 500
    private static let experts = 4

    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("combined experts")
        return Findings(checks: [try orthogonal(context), try independent(context), try magnitudes(context)])
    }

    /// Gates of each row, which add up to 1.
    private static func gates() -> [Double] {
        var random = RandomStream(seed: 0, stream: 105)
        return (0..<rows).flatMap { _ in
            let raw = (0..<experts).map { _ in random.uniform(in: 0.1..<1) }
            let sum = raw.reduce(0, +)
            return raw.map { $0 / sum }
        }
    }

    /// Outputs of `rows` times four experts whose scales are 1, 10, 0.1 and 3.
    private static func outputs(stream: UInt64, orthogonal: Bool) -> [Double] {
        var random = RandomStream(seed: 0, stream: stream)
        let scales = [1.0, 10, 0.1, 3]
        return (0..<rows).flatMap { _ in
            var basis: [[Double]] = []
            return scales.flatMap { scale in
                var h = random.normals(Experts.features)
                if orthogonal {
                    let mean = moments(of: h[...]).mean
                    h = h.map { $0 - mean }
                    for other in basis {
                        let projection = zip(h, other).reduce(0) { $0 + $1.0 * $1.1 }
                            / other.reduce(0) { $0 + $1 * $1 }
                        h = zip(h, other).map { $0 - projection * $1 }
                    }
                    basis.append(h)
                }
                return h.map { scale * $0 }
            }
        }
    }

    private static func combined(
        _ outputs: [Double], _ gates: [Double], norm: MoECombine.Norm, _ context: StudyContext
    ) throws -> [Double] {
        let layer = try MoECombine(
            norm: norm, experts: experts, featureCount: Experts.features, epsilon: 0, backend: context.backend)
        return try layer(
            outputs: Tensor(outputs.map { Float($0) }, shape: [rows, experts, Experts.features]),
            gates: Tensor(gates.map { Float($0) }, shape: [rows, experts])
        ).array.map { Double($0) }
    }

    private static func energies(_ y: [Double]) -> [Double] {
        (0..<rows).map { moments(of: y[$0 * Experts.features..<($0 + 1) * Experts.features]).meanSquare }
    }

    /// sum g_k² of each row.
    private static func predicted(_ gates: [Double]) -> [Double] {
        (0..<rows).map { row in (0..<experts).reduce(0) { $0 + gates[row * experts + $1] * gates[row * experts + $1] } }
    }

    private static func orthogonal(_ context: StudyContext) throws -> Check {
        let (h, g) = (outputs(stream: 106, orthogonal: true), gates())
        func error(_ norm: MoECombine.Norm) throws -> Double {
            largestRelativeDifference(energies(try combined(h, g, norm: norm, context)), predicted(g))
        }
        // Outputs that are orthogonal in double precision are so to 2^-24 of their length in float32.
        return Check(
            .exact,
            """
            The sum of four normalized orthogonal experts has |y|² = d sum g_k², whatever the experts' scales (1, \
            10, 0.1 and 3), to 1e-5 in float32.
            """, .atMost(1e-5), observed: try error(.shared), mutant: ("no norm", try error(.none)))
    }

    private static func independent(_ context: StudyContext) throws -> Check {
        let (h, g) = (outputs(stream: 107, orthogonal: false), gates())
        let law = moments(of: predicted(g)[...]).mean
        func mean(_ norm: MoECombine.Norm) throws -> Double {
            moments(of: energies(try combined(h, g, norm: norm, context))[...]).mean
        }
        return Check(
            .law,
            """
            For independent experts that holds on average over 500 rows: |y|² / d = sum g_k² = \
            \(TableCell.significant(law)) within 3 %.
            """, .relative(law, 0.03), observed: try mean(.shared),
            mutant: ("the norm stands behind the sum", try mean(.afterCombine)))
    }

    private static func magnitudes(_ context: StudyContext) throws -> Check {
        let (h, g) = (outputs(stream: 107, orthogonal: false), gates())
        let raw = try combined(h, g, norm: .none, context)
        /// The worst 1 - correlation over rows.
        func deviation(_ norm: MoECombine.Norm) throws -> Double {
            let y = try combined(h, g, norm: norm, context)
            return (0..<rows).reduce(0) { worst, row in
                let range = row * Experts.features..<(row + 1) * Experts.features
                let (a, b) = (moments(of: raw[range]), moments(of: y[range]))
                let covariance = range.reduce(0) { $0 + (raw[$1] - a.mean) * (y[$1] - b.mean) } / Double(range.count)
                return max(worst, abs(1 - covariance / (a.variance * b.variance).squareRoot()))
            }
        }
        return Check(
            .exact,
            """
            A norm behind the sum keeps relative magnitudes of the experts: each row is correlated with the sum of \
            raw outputs by 1, to 1e-6 in float32.
            """, .atMost(1e-6), observed: try deviation(.afterCombine),
            mutant: ("the norm stands before the sum", try deviation(.shared)))
    }
}
