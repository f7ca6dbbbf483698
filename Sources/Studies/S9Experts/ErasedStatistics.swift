// S9: what a norm takes from each row, and what it leaves.

private import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import ReferenceKernels
internal import TrainingKit

enum ErasedStatistics {
    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("statistics and directions of rows")
        let sample = Array(Experts.ofMagnitude().outputs[0..<100 * Experts.features])
        return Findings(checks: [
            try moments(sample, context), direction(sample), try silentExpert(context), try weighted(context),
        ])
    }

    private static func rows(_ values: [Double]) -> [ArraySlice<Double>] {
        stride(from: 0, to: values.count, by: Experts.features).map { values[$0..<$0 + Experts.features] }
    }

    private static func normalized(_ values: [Double], epsilon: Double) -> [Double] {
        PlainNorm<Double>.forward(
            .layerNorm, values, columns: Experts.features, weight: nil, bias: nil, epsilon: epsilon)
    }

    private static func moments(_ sample: [Double], _ context: StudyContext) throws -> Check {
        let epsilon = 1e-3
        func error(_ output: [Double], assumed: Double) -> Double {
            zip(rows(output), rows(sample)).reduce(0) { worst, pair in
                let (y, x) = (Studies.moments(of: pair.0), Studies.moments(of: pair.1))
                return max(worst, abs(y.mean), abs(y.variance - x.variance / (x.variance + assumed)))
            }
        }
        let plain = normalized(sample, epsilon: epsilon)
        let kernel = try layerNorm(
            Tensor(sample.map { Float($0) }, shape: [100, Experts.features]), epsilon: Float(epsilon),
            backend: context.backend
        ).array.map { Double($0) }
        // Float32 rounds inputs, outputs and epsilon: some units of 2^-24, which 1e-6 admits.
        return Check(
            .exact,
            """
            Each row of any expert leaves the norm with mean 0 and variance s² / (s² + epsilon), to 1e-12 in double \
            precision (epsilon 1e-3); in the float32 kernel to 1e-6.
            """, .atMost(1e-12), observed: max(error(plain, assumed: epsilon), 1e-6 * error(kernel, assumed: epsilon)),
            mutant: ("epsilon is forgotten", error(plain, assumed: 0)))
    }

    private static func direction(_ sample: [Double]) -> Check {
        func angle(_ reference: (ArraySlice<Double>, Double) -> [Double]) -> Double {
            zip(rows(normalized(sample, epsilon: 0)), rows(sample)).reduce(0) { worst, pair in
                let x = reference(pair.1, Studies.moments(of: pair.1).mean)
                let dot = zip(pair.0, x).reduce(0) { $0 + $1.0 * $1.1 }
                let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot() * Double(Experts.features).squareRoot()
                return max(worst, abs(1 - dot / length))
            }
        }
        return Check(
            .exact,
            """
            The normalized row lies on the sphere of radius sqrt(d) and points where the centred row pointed: a \
            cosine of 1 to 1e-12. Only mean and length go, two of 32 degrees of freedom.
            """, .atMost(1e-12), observed: angle { row, mean in row.map { $0 - mean } },
            mutant: ("the row is not centred", angle { row, _ in Array(row) }))
    }

    private static func silentExpert(_ context: StudyContext) throws -> Check {
        var random = RandomStream(seed: 0, stream: 103)
        let noise = random.normals(Experts.features)
        let centre = Studies.moments(of: noise[...])
        let d = Double(Experts.features)
        // Centred, and of norm 0.05.
        let row = noise.map { 0.05 * ($0 - centre.mean) / (centre.variance * d).squareRoot() }
        let variance = 0.05 * 0.05 / d
        func norm(_ epsilon: Double) -> Double {
            normalized(row, epsilon: epsilon).reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
        return Check(
            .exact,
            """
            A silent expert of norm 0.05 leaves the norm with length sqrt(d s² / (s² + 1e-5)) = 5.326, to 1e-12: 107 \
            times as loud.
            """,
            .within(expected: (d * variance / (variance + 1e-5)).squareRoot(), tolerance: 1e-12), observed: norm(1e-5),
            mutant: ("epsilon 0", norm(0)))
    }

    /// Weights that differ from feature to feature bring back statistics that differ between experts of direction.
    private static func weighted(_ context: StudyContext) throws -> Check {
        let experts = Experts.ofDirection()
        var random = RandomStream(seed: 0, stream: 104)
        let weight = Tensor((0..<Experts.features).map { _ in Float(1 + 0.5 * random.normal()) })
        let x = try Tensor(experts.outputs.map { Float($0) }, shape: [Experts.rows, Experts.features])
        func between(_ weight: Tensor<Float>?) throws -> Double {
            try ExpertDistinctnessReport(
                of: layerNorm(x, weight: weight, epsilon: 0, backend: context.backend), experts: experts.routing
            ).meanVariance
        }
        return Check(
            .law,
            """
            With weights that differ from feature to feature, experts of direction again differ in the mean of their \
            rows: its variance between them is at least 1e-3.
            """, .atLeast(1e-3), observed: try between(weight), mutant: ("a weight of 1", try between(nil)))
    }
}
