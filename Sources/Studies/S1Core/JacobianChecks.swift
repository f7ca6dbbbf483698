// What LayerNorm's derivatives are: the Jacobian, its eigenvalues, the backward pass, the backward pass of that.

internal import Normalization
internal import NormalizationDiagnostics
private import ReferenceKernels
private import TrainingKit

struct JacobianChecks {
    private let x: Tensor<Float>
    private let row: [Double]
    private let epsilon: Float = 0.125
    private let plain: PlainRow
    private let jacobian: LayerNormJacobian
    private let backend: Backend
    private let v: [Double]
    private let g: [Double]

    static let width = 16

    init(_ context: StudyContext) throws {
        var random = RandomStream(seed: 0, stream: 101)
        backend = context.backend
        x = try random.normal([Self.width])
        row = x.array.map { Double($0) }
        // Numbers that are floats, so that kernels and double precision see the same.
        v = try random.normal([Self.width]).array.map { Double($0) }
        g = try random.normal([Self.width]).array.map { Double($0) }
        plain = PlainRow(row, epsilon: Double(epsilon))
        jacobian = try LayerNormJacobian(at: x, epsilon: epsilon, backend: context.backend)
    }

    func checks() throws -> [Check] {
        [
            matrix(), spectrum(), frobenius(), try rank(), try kernelProduct(), backward(), sumOfGradient(),
            radialGradient(),
        ]
            + [doubleBackward(), try kernelDoubleBackward()]
    }

    private func normalized(_ x: [Double]) -> [Double] {
        PlainNorm<Double>.forward(
            .layerNorm, x, columns: x.count, weight: nil, bias: nil, epsilon: Double(epsilon))
    }

    private func matrix() -> Check {
        let measured = Vectors.differences(at: row) { normalized($0) }.flatMap { $0 }
        let constantDeviation = row.indices.flatMap { i in
            row.indices.map { j in ((i == j ? 1 : 0) - 1 / Double(row.count)) / plain.deviation }
        }
        return Check(
            .exact,
            "The Jacobian of LayerNorm is (I - 1 1ᵀ/d - xhat xhatᵀ/d) / s: at d = 16 it agrees with central"
                + " differences (float64, step 1e-5) to 1e-8 of its largest entry.",
            .atMost(1e-8), observed: Vectors.error(jacobian.matrix.flatMap { $0 }, measured),
            mutant: ("the deviation s is taken for a constant", Vectors.error(constantDeviation, measured)))
    }

    /// An orthonormal basis that begins with 1 and x - mean.
    private func basis() -> [[Double]] {
        var random = RandomStream(seed: 0, stream: 102)
        var basis: [[Double]] = []
        for index in row.indices {
            var vector =
                switch index {
                case 0: [Double](repeating: 1, count: row.count)
                case 1: plain.centred
                default: random.normals(row.count)
                }
            // Twice, so that rounding is orthogonal too.
            for _ in 0..<2 { for other in basis { vector = Vectors.orthogonal(vector, to: other) } }
            basis.append(Vectors.scaled(1 / Vectors.length(vector), vector))
        }
        return basis
    }

    private func product(_ matrix: [[Double]], _ vector: [Double]) -> [Double] {
        matrix.map { Vectors.dot($0, vector) }
    }

    private func spectrum() -> Check {
        let spectrum = jacobian.spectrum
        func residual(alongInput: Double) -> Double {
            let matrix = jacobian.matrix
            let values = [spectrum.alongConstant, alongInput] + Array(repeating: spectrum.across, count: row.count - 2)
            return zip(basis(), values).reduce(0) { worst, pair in
                let image = product(matrix, pair.0)
                return max(worst, Vectors.length(Vectors.difference(image, Vectors.scaled(pair.1, pair.0))))
            } / spectrum.across
        }
        return Check(
            .exact,
            "Its eigenvalues are 0 along 1, epsilon/s³ along x - mean and 1/s on the d - 2 directions across: every"
                + " vector of an orthonormal basis is an eigenvector to 1e-12 of 1/s.",
            .atMost(1e-12), observed: residual(alongInput: spectrum.alongInput),
            mutant: ("0 along x - mean, as if epsilon were 0", residual(alongInput: 0)))
    }

    private func frobenius() -> Check {
        let squares = jacobian.matrix.flatMap { $0 }.reduce(0) { $0 + $1 * $1 }
        func closedForm(across: Int) -> Double {
            let share = Double(epsilon) / (plain.deviation * plain.deviation)
            return (Double(across) + share * share) / (plain.deviation * plain.deviation)
        }
        return Check(
            .exact, "The squares of its entries sum to ((d - 2) + (epsilon/s²)²) / s², to 1e-12 of the sum.",
            .atMost(1e-12), observed: abs(squares / closedForm(across: row.count - 2) - 1),
            mutant: (
                "d - 1 directions, as if LayerNorm lost the mean alone",
                abs(squares / closedForm(across: row.count - 1) - 1)
            ))
    }

    private func rank() throws -> Check {
        func rank(epsilon: Float) throws -> Double {
            let jacobian = try LayerNormJacobian(at: x, epsilon: epsilon, backend: backend)
            let matrix = jacobian.matrix
            return Double(basis().count { Vectors.length(product(matrix, $0)) > 1e-12 * jacobian.spectrum.across })
        }
        return Check(
            .exact,
            "At epsilon = 0 LayerNorm loses two directions, 1 and x - mean: at d = 16 the Jacobian has rank 14.",
            .equal(Double(Self.width - 2)), observed: try rank(epsilon: 0),
            mutant: ("epsilon = 0.125", try rank(epsilon: epsilon)))
    }

    private func kernelProduct() throws -> Check {
        let given = try jacobian.product(with: Tensor(v.map { Float($0) })).array.map { Double($0) }
        let constantDeviation = Vectors.scaled(1 / plain.deviation, Vectors.centred(v))
        // Some ten roundings of 6e-8 lie between an input and the product.
        return Check(
            .exact, "The float32 kernel of the tangent gives J v to 1e-6 of its largest element.", .atMost(1e-6),
            observed: Vectors.error(given, product(jacobian.matrix, v)),
            mutant: ("compared with a constant deviation", Vectors.error(given, constantDeviation)))
    }

    private func backward() -> Check {
        var random = RandomStream(seed: 0, stream: 103)
        let (rows, columns) = (3, 8)
        let (x, dy) = (random.normals(rows * columns), random.normals(rows * columns))
        let (weight, bias) = (random.normals(columns), random.normals(columns))
        func loss(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> [Double] {
            let y = PlainNorm<Double>.forward(
                .layerNorm, x, columns: columns, weight: weight, bias: bias, epsilon: Double(epsilon))
            return [Vectors.dot(y, dy)]
        }
        let measured =
            Vectors.differences(at: x) { loss($0, weight, bias) }
            + Vectors.differences(at: weight) { loss(x, $0, bias) }
            + Vectors.differences(at: bias) { loss(x, weight, $0) }
        let gradients = PlainNorm<Double>.backward(
            .layerNorm, dy, x: x, columns: columns, weight: weight, epsilon: Double(epsilon))
        let uncentred = stride(from: 0, to: x.count, by: columns).flatMap { first in
            let row = PlainRow(Array(x[first..<first + columns]), epsilon: Double(epsilon))
            let g = (0..<columns).map { dy[first + $0] * weight[$0] }
            let share = row.projection(g)
            return (0..<columns).map { (g[$0] - row.normalized[$0] * share) / row.deviation }
        }
        let parameters = gradients.dweight + gradients.dbias
        return Check(
            .exact,
            "dx = (g - mean(g) - xhat mean(g xhat)) / s with g = weight dy, dweight = Σ dy xhat, dbias = Σ dy: all"
                + " agree with central differences to 1e-8 of the largest.",
            .atMost(1e-8), observed: Vectors.error(gradients.dx + parameters, measured.flatMap { $0 }),
            mutant: ("dx without - mean(g)", Vectors.error(uncentred + parameters, measured.flatMap { $0 })))
    }

    private func sumOfGradient() -> Check {
        func sum(_ norm: RowNorm) -> Double {
            let dx = PlainNorm<Double>.backward(
                norm, g, x: row, columns: row.count, weight: nil, epsilon: Double(epsilon)
            ).dx
            return abs(dx.reduce(0, +)) / dx.reduce(0) { $0 + abs($1) }
        }
        return Check(
            .exact,
            "The gradient that leaves LayerNorm sums to 0 over the features, to 1e-12 of the sum of its magnitudes.",
            .atMost(1e-12), observed: sum(.layerNorm), mutant: ("RMSNorm's gradient", sum(.rmsNorm)))
    }

    private func radialGradient() -> Check {
        let dx = plain.jacobianProduct(g)
        let scale = Vectors.length(g) * Vectors.length(plain.normalized)
        func residual(_ factor: Double) -> Double {
            abs(Vectors.dot(dx, plain.centred) - factor * Vectors.dot(g, plain.normalized)) / scale
        }
        return Check(
            .exact,
            "Along x - mean it is <dx, x - mean> = (epsilon/s²) <g, xhat>, to 1e-12 of |g| |xhat|: nothing at"
                + " epsilon = 0.",
            .atMost(1e-12), observed: residual(Double(epsilon) / (plain.deviation * plain.deviation)),
            mutant: ("0 in spite of epsilon = 0.125", residual(0)))
    }

    private func doubleBackward() -> Check {
        let measured = Vectors.differences(at: row) {
            [Vectors.dot(v, PlainRow($0, epsilon: Double(epsilon)).jacobianProduct(g))]
        }.flatMap { $0 }
        return Check(
            .exact,
            "The gradient by x of <v, dx> is - (mean(g xhat) Pv + mean(v xhat) Pg + xhat (mean(Pv Pg) - 3 mean(v"
                + " xhat) mean(g xhat))) / s², P = centring: it agrees with central differences to 1e-8 of its"
                + " largest element.",
            .atMost(1e-8), observed: Vectors.error(plain.doubleBackward(v, g), measured),
            mutant: (
                "1 instead of 3: xhat is taken for a constant",
                Vectors.error(plain.doubleBackward(v, g, repeats: 1), measured)
            ))
    }

    private func kernelDoubleBackward() throws -> Check {
        let statistics = try layerNormWithStatistics(x, epsilon: epsilon, backend: backend).statistics
        let given = try layerNormDoubleBackward(
            inputCotangent: Tensor(v.map { Float($0) }), outputGradient: Tensor(g.map { Float($0) }), x: x,
            statistics: statistics, backend: backend)
        let gradients = (given.input.array + given.outputGradient.array).map { Double($0) }
        func error(repeats: Double) -> Double {
            Vectors.error(gradients, plain.doubleBackward(v, g, repeats: repeats) + plain.jacobianProduct(v))
        }
        // Some ten roundings of 6e-8 again, and terms that cancel.
        return Check(
            .exact, "The float32 kernel gives both gradients of <v, dx>, by x and by g (J v), to 2e-6 of the largest.",
            .atMost(2e-6), observed: error(repeats: 3), mutant: ("compared with 1 instead of 3", error(repeats: 1)))
    }
}
