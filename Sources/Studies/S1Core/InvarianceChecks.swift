// What LayerNorm does not notice: Ba, Kiros and Hinton's table, beside BatchNorm and weight normalization; scales.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
private import ReferenceKernels
private import TrainingKit

struct InvarianceChecks {
    let backend: Backend

    /// A linear layer with one of the three norms, at epsilon = 0, in double precision.
    enum NormedLayer: String, CaseIterable {
        case layerNorm = "LayerNorm"
        case batchNorm = "BatchNorm"
        case weightNorm = "weight norm"

        func callAsFunction(_ weights: Tensor<Double>, _ data: Tensor<Double>) throws -> Tensor<Double> {
            let (outputs, inputs, samples) = (weights.shape[0], weights.shape[1], data.shape[0])
            let rows = Self.rows(data.array, inputs)
            var vectors = Self.rows(weights.array, inputs)
            if self == .weightNorm { vectors = vectors.map { Vectors.scaled(1 / Vectors.length($0), $0) } }
            var y = rows.map { row in vectors.map { Vectors.dot($0, row) } }
            switch self {
            case .layerNorm: y = y.map { PlainRow($0, epsilon: 0).normalized }
            case .batchNorm: y = Self.transposed(Self.transposed(y).map { PlainRow($0, epsilon: 0).normalized })
            case .weightNorm: break
            }
            return try Tensor(y.flatMap { $0 }, shape: [samples, outputs])
        }

        /// Whether Ba, Kiros and Hinton's Table 1 says invariant, in the order of `Transformation.allCases`.
        var expected: [Bool] {
            switch self {
            case .layerNorm: [true, true, false, true, false, true]
            case .batchNorm: [true, false, true, true, true, false]
            case .weightNorm: [true, false, true, false, false, false]
            }
        }

        private static func rows(_ elements: [Double], _ columns: Int) -> [[Double]] {
            stride(from: 0, to: elements.count, by: columns).map { Array(elements[$0..<$0 + columns]) }
        }

        private static func transposed(_ rows: [[Double]]) -> [[Double]] {
            rows[0].indices.map { column in rows.map { $0[column] } }
        }
    }

    func run() throws -> (checks: [Check], tables: [Table], panel: Panel) {
        let reports = try NormedLayer.allCases.map { layer in try Self.report(layer) }
        let checks =
            try zip(NormedLayer.allCases, reports).map { try table($0, $1) }
            + [try kernelTable(), signedScale(), scaleWithEpsilon(), gradientAlongWeights(), gradientOfScaledWeights()]
        let names = InvarianceReport.Transformation.allCases.map(\.rawValue)
        let residuals = Table(
            "Largest change of an output, relative to their root mean square (float64, epsilon 0)",
            columns: ["change"] + NormedLayer.allCases.map(\.rawValue),
            rows: names.indices.map { index in
                [names[index]] + reports.map { TableCell.significant($0.entries[index].residual, 2) }
            })
        // 1e-17 stands for 0, which has no logarithm.
        let logarithms = reports.map { $0.entries.map { Vectors.decimalLogarithm(max($0.residual, 1e-17)) } }
        let panel = Panel(
            "What each norm does not notice",
            .heatMap(
                rows: NormedLayer.allCases.map(\.rawValue), columns: names, values: logarithms, range: -17...1,
                legend: "log10 of the relative change of outputs"))
        return (checks, [residuals, scaleTable()], panel)
    }

    private static func report(_ layer: NormedLayer) throws -> InvarianceReport {
        var random = RandomStream(seed: 0, stream: 121)
        return try InvarianceReport(
            weights: Tensor(random.normals(12 * 10), shape: [12, 10]),
            data: Tensor(random.normals(9 * 10), shape: [9, 10])
        ) { try layer($0, $1) }
    }

    /// Invariant below 1e-10, changed above 1e-2; between them agrees with nothing.
    private func agreeing(_ report: InvarianceReport, with expected: [Bool]) -> Double {
        Double(zip(report.entries, expected).count { $1 ? $0.residual < 1e-10 : $0.residual > 1e-2 })
    }

    private func table(_ layer: NormedLayer, _ report: InvarianceReport) throws -> Check {
        let other: NormedLayer = layer == .layerNorm ? .batchNorm : .layerNorm
        return Check(
            .exact,
            "\(layer.rawValue)'s row of the invariance table holds in all 6 cells (invariant: change below 1e-10;"
                + " not: above 1e-2).",
            .equal(6), observed: agreeing(report, with: layer.expected),
            mutant: ("the row of \(other.rawValue)", agreeing(try Self.report(other), with: layer.expected)))
    }

    private func kernelTable() throws -> Check {
        var random = RandomStream(seed: 0, stream: 122)
        let (weights, data) = (try random.normal([12, 10]), try random.normal([9, 10]))
        func agreeing(epsilon: Float) throws -> Double {
            // The default tolerance of float32, 1e-3, is far above rounding and far below a change.
            let report = try InvarianceReport(weights: weights, data: data) { weights, data in
                let sums = try matmul(data, weights.transposed(0, 1), backend: backend)
                return try layerNorm(sums, epsilon: epsilon, backend: backend)
            }
            return Double(zip(report.entries, NormedLayer.layerNorm.expected).count { $0.isInvariant == $1 })
        }
        return Check(
            .exact, "The float32 kernels of product and LayerNorm have the same row of 6 cells at epsilon = 0.",
            .equal(6),
            observed: try agreeing(epsilon: 0), mutant: ("epsilon = 1", try agreeing(epsilon: 1)))
    }

    private func signedScale() -> Check {
        var random = RandomStream(seed: 0, stream: 123)
        let x = random.normals(32)
        let factors = random.normals(32)
        let expected = Vectors.scaled(-1, PlainRow(x, epsilon: 0).normalized)
        func error(_ changed: [Double]) -> Double { Vectors.error(PlainRow(changed, epsilon: 0).normalized, expected) }
        return Check(
            .exact, "LN(a x + b 1) = sign(a) LN(x) at epsilon = 0: to 1e-12 for a = -3, b = 5.", .atMost(1e-12),
            observed: error(x.map { -3 * $0 + 5 }),
            mutant: ("a factor of its own for each feature", error(zip(x, factors).map { $0 * $1 + 5 })))
    }

    /// ‖LN(c x)‖ / ‖LN(x)‖, as claimed.
    private func shrinkage(_ c: Double, variance: Double, epsilon: Double) -> Double {
        ((1 + epsilon / variance) / (1 + epsilon / (c * c * variance))).squareRoot()
    }

    private func scaleWithEpsilon() -> Check {
        var random = RandomStream(seed: 0, stream: 124)
        let x = Vectors.scaled(0.25, random.normals(64))
        let (c, epsilon) = (1e-3, 1e-5)
        let row = PlainRow(x, epsilon: epsilon)
        let scaled = PlainRow(Vectors.scaled(c, x), epsilon: epsilon)
        let expected = shrinkage(c, variance: row.variance, epsilon: epsilon)
        func residual(_ a: [Double], _ b: [Double]) -> Double {
            abs(Vectors.length(a) / Vectors.length(b) / expected - 1)
        }
        func outside(_ row: PlainRow) -> [Double] {
            Vectors.scaled(1 / (row.variance.squareRoot() + epsilon), row.centred)
        }
        return Check(
            .exact,
            "Epsilon breaks it in a known way: LN(c x) = LN(x) sqrt((1 + epsilon/σ²)/(1 + epsilon/(c²σ²))), to 1e-12"
                + " at c = 0.001, where the factor is \(TableCell.fixed(expected, 4)).",
            .atMost(1e-12), observed: residual(scaled.normalized, row.normalized),
            mutant: ("epsilon outside the root", residual(outside(scaled), outside(row))))
    }

    private func scaleTable() -> Table {
        Table(
            "How much of the unit output is left when epsilon is not small",
            columns: ["σ²/epsilon", "output variance"],
            rows: [1000, 100, 10, 1, 0.1, 0.01].map { ratio in
                let row = PlainRow([ratio.squareRoot(), -ratio.squareRoot()], epsilon: 1)
                return ["\(ratio)", TableCell.fixed(Vectors.dot(row.normalized, row.normalized) / 2, 4)]
            })
    }

    /// The gradient by W [6 x 5, flat] of ½ Σ ‖LN(W u) - t‖² over four samples u; without norm: of ½ Σ ‖W u - t‖².
    private func weightGradient(_ w: [Double], epsilon: Double?) -> [Double] {
        var random = RandomStream(seed: 0, stream: 125)
        var gradient = [Double](repeating: 0, count: 30)
        for _ in 0..<4 {
            let (u, target) = (random.normals(5), random.normals(6))
            let sums = (0..<6).map { Vectors.dot(Array(w[$0 * 5..<$0 * 5 + 5]), u) }
            let row = epsilon.map { PlainRow(sums, epsilon: $0) }
            let error = Vectors.difference(row?.normalized ?? sums, target)
            let back = row?.jacobianProduct(error) ?? error
            for index in 0..<30 { gradient[index] += back[index / 5] * u[index % 5] }
        }
        return gradient
    }

    private var weights: [Double] {
        var random = RandomStream(seed: 0, stream: 126)
        return random.normals(30)
    }

    private func gradientAlongWeights() -> Check {
        func residual(epsilon: Double?) -> Double {
            abs(Vectors.cosine(weightGradient(weights, epsilon: epsilon), weights))
        }
        return Check(
            .exact,
            "A loss of LN(W u) at epsilon = 0 has no gradient along W: the cosine of gradient and weights is 0 to"
                + " 1e-12.",
            .atMost(1e-12), observed: residual(epsilon: 0), mutant: ("no norm", residual(epsilon: nil)))
    }

    private func gradientOfScaledWeights() -> Check {
        func residual(epsilon: Double) -> Double {
            let scaled = weightGradient(Vectors.scaled(7, weights), epsilon: epsilon)
            return Vectors.error(Vectors.scaled(7, scaled), weightGradient(weights, epsilon: epsilon))
        }
        return Check(
            .exact,
            "Weights that are c times as large get a gradient that is 1/c as large: to 1e-12 at c = 7 and epsilon ="
                + " 0. Growing weights slow their own learning.",
            .atMost(1e-12), observed: residual(epsilon: 0), mutant: ("epsilon = 1", residual(epsilon: 1)))
    }
}
