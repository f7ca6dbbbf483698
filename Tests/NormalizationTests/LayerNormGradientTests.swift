// Gradients by central differences in Double, through the generic reference.

internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct LayerNormGradientTests {
    /// A loss, sum(dy * y), and everything that it depends on, in Double.
    private struct Problem {
        let columns: Int
        let epsilon: Double
        var x: [Double]
        var weight: [Double]?
        var bias: [Double]?
        let dy: [Double]

        init(rows: Int, columns: Int, pattern: RowPattern, affine: Bool, epsilon: Double) {
            var random = RandomNumbers(seed: UInt64(columns))
            self.columns = columns
            self.epsilon = epsilon
            x = (0..<rows).flatMap { _ in pattern.row(columns, random: &random) }.map(Double.init)
            dy = random.normals(rows * columns).map(Double.init)
            weight = affine ? random.normals(columns).map(Double.init) : nil
            bias = affine ? random.normals(columns).map(Double.init) : nil
        }

        var output: NormReference<Double>.Output {
            NormReference.forward(.layerNorm, x, columns: columns, weight: weight, bias: bias, epsilon: epsilon)
        }

        var loss: Double { zip(dy, output.y).reduce(0) { $0 + $1.0 * $1.1 } }

        /// The sum of the loss's terms without their signs: what rounding errors are relative to.
        var size: Double { zip(dy, output.y).reduce(0) { $0 + abs($1.0 * $1.1) } }

        var gradients: NormReference<Double>.Gradients {
            let output = output
            return NormReference.backward(.layerNorm, 
                dy, x: x, columns: columns, weight: weight, mean: output.mean, meanLow: output.meanLow,
                rstd: output.rstd)
        }
    }

    /// (loss(value + h) - loss(value - h)) / 2h.
    private func difference(_ problem: Problem, _ path: WritableKeyPath<Problem, Double>, step h: Double) -> Double {
        var (above, below) = (problem, problem)
        above[keyPath: path] += h
        below[keyPath: path] -= h
        return (above.loss - below.loss) / (2 * h)
    }

    private static let cases: [(columns: Int, pattern: RowPattern)] = [
        (2, .offset(0)), (3, .offset(0)), (5, .offset(10)), (8, .offset(-100)), (17, .scale(3)), (33, .outlier(20)),
        (65, .offset(1)), (2, .scale(50)), (1030, .offset(0)),
    ]

    /// The step is 2^-17, near the cube root of Double's 2^-52, where both errors of a difference are small:
    /// that of cutting the series, h^2 / 6 * loss''', and that of rounding, some 2^-52 * size / h.
    ///
    /// A third derivative of a normalized element is at most some 15 rstd^3 times the largest normalized
    /// element, which is below sqrt(columns); the loss sums these with dy * weight. Rounding: a forward pass
    /// makes below 32 roundings an element that are not averaged away.
    @Test(arguments: cases.indices, [true, false])
    func inputGradient(index: Int, affine: Bool) {
        let (columns, pattern) = Self.cases[index]
        let problem = Problem(rows: 2, columns: columns, pattern: pattern, affine: affine, epsilon: 1e-5)
        let h = 0x1p-17
        let rstd = problem.output.rstd.max() ?? 0
        let weights = (problem.weight ?? [1]).map(abs).max() ?? 1
        let terms = problem.dy.reduce(0) { $0 + abs($1) } * weights
        let cut = h * h / 6 * 15 * (rstd * rstd * rstd) * Double(columns).squareRoot() * terms
        let rounding = 32 * 0x1p-52 * (problem.size + terms) / h
        let gradient = problem.gradients.dx
        for element in problem.x.indices where element % max(1, columns / 64) == 0 {
            let numeric = difference(problem, \.x[element], step: h)
            #expect(abs(gradient[element] - numeric) <= cut + rounding, "element \(element)")
        }
    }

    /// The loss is linear in weight and bias: a difference over a step of 1 is exact but for rounding.
    @Test(arguments: cases.indices)
    func weightAndBiasGradients(index: Int) {
        let (columns, pattern) = Self.cases[index]
        let problem = Problem(rows: 20, columns: columns, pattern: pattern, affine: true, epsilon: 1e-5)
        let terms = problem.dy.reduce(0) { $0 + abs($1) } * Double(columns).squareRoot()
        let rounding = 32 * 0x1p-52 * (problem.size + terms)
        let gradients = problem.gradients
        for column in stride(from: 0, to: columns, by: max(1, columns / 64)) {
            let byWeight = difference(problem, \.weight![column], step: 1)
            #expect(abs(gradients.dweight[column] - byWeight) <= rounding, "weight \(column)")
            let byBias = difference(problem, \.bias![column], step: 1)
            #expect(abs(gradients.dbias[column] - byBias) <= rounding, "bias \(column)")
        }
    }

    /// The bounds above are narrow: a gradient that is off by one part in a million is found.
    @Test func aWrongGradientIsFound() {
        let problem = Problem(rows: 2, columns: 8, pattern: .offset(0), affine: true, epsilon: 1e-5)
        let h = 0x1p-17
        let element =
            problem.gradients.dx.indices.max { abs(problem.gradients.dx[$0]) < abs(problem.gradients.dx[$1]) } ?? 0
        let wrong = problem.gradients.dx[element] * 1.000001
        #expect(abs(wrong - difference(problem, \.x[element], step: h)) > abs(wrong) * 5e-7)
    }
}
