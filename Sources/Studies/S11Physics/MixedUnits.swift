internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import ReferenceKernels
internal import TrainingKit

/// What LayerNorm does to a vector whose entries have different units: identities, without training.
struct MixedUnits {
    let backend: Backend
    private let residuals: [Double]

    init(backend: Backend) {
        self.backend = backend
        var random = RandomStream(seed: 1, stream: 110)
        residuals = random.normals(5)
    }

    func checks() throws -> [Check] {
        [
            commonFactor(), try commonFactorInKernels(), oneLargeEntry(), gradientBesideOneLargeEntry(), twoEntries(),
            constantLoss(), remainingGradient(), try masking(), epsilonHasAUnit(),
        ]
    }

    /// The loss of the residuals times a factor, raw and behind LayerNorm with epsilon 1e-5.
    func lossPanel() -> Panel {
        func points(_ transform: ([Double]) -> [Double]) -> [(x: Double, y: Double)] {
            [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1e3, 1e4].map { factor in
                let y = transform(residuals.map { factor * $0 })
                return (x: factor, y: y.reduce(0) { $0 + $1 * $1 } / Double(y.count))
            }
        }
        return Panel(
            "A loss of residuals",
            .curves(
                x: Axis("factor on all residuals", log: true), y: Axis("mean square", log: true),
                series: [
                    Series("raw", points { $0 }, .linesAndPoints),
                    Series("behind LayerNorm", points { normalized($0, epsilon: 1e-5) }, .linesAndPoints),
                ]))
    }

    private func normalized(_ x: [Double], epsilon: Double = 0) -> [Double] {
        PlainNorm<Double>.forward(.layerNorm, x, columns: x.count, weight: nil, bias: nil, epsilon: epsilon)
    }

    private func largestDifference(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).map { abs($0 - $1) }.max() ?? 0 }

    private func commonFactor() -> Check {
        let expected = normalized(residuals)
        let oneKilo = residuals.enumerated().map { $0 == 0 ? 1000 * $1 : $1 }
        return Check(
            .exact, "With epsilon 0, LN(1000 r) = LN(r) to 1e-12, for five residuals that all change their unit alike.",
            .atMost(1e-12), observed: largestDifference(normalized(residuals.map { 1000 * $0 }), expected),
            mutant: ("only the first residual changes its unit", largestDifference(normalized(oneKilo), expected)))
    }

    /// Rounding the input to floats moves it by 2^-24 of itself, and LN of five numbers enlarges that less than
    /// tenfold.
    private func commonFactorInKernels() throws -> Check {
        func kernel(_ x: [Double]) throws -> [Double] {
            try DimensionedVector<Dimensionless>(x).layerNorm(epsilon: 0, backend: backend).values
        }
        let expected = normalized(residuals)
        let oneKilo = residuals.enumerated().map { $0 == 0 ? 1000 * $1 : $1 }
        return Check(
            .exact, "The float32 kernels give LN(1000 r) = LN(r) to 2e-6.", .atMost(2e-6),
            observed: largestDifference(try kernel(residuals.map { 1000 * $0 }), expected),
            mutant: ("only the first residual changes its unit", largestDifference(try kernel(oneKilo), expected)))
    }

    private func oneLargeEntry() -> Check {
        let limit = [2] + [Double](repeating: -0.5, count: 4)
        func distance(_ factor: Double) -> Double {
            largestDifference(normalized([factor] + residuals.dropFirst()), limit)
        }
        return Check(
            .exact,
            "Where one of five residuals is 1e8 times the others, LN is (sqrt(4), -1/sqrt(4), ...) to 1e-7, whatever "
                + "the others are.",
            .atMost(1e-7), observed: distance(1e8), mutant: ("all of one size", distance(1)))
    }

    private func gradientBesideOneLargeEntry() -> Check {
        /// The gradient's norm at the four small entries, for a random upstream gradient.
        func norm(_ factor: Double, upstream: [Double] = [0.3, -1.2, 0.7, 0.4, -0.9]) -> Double {
            let x = [factor] + residuals.dropFirst()
            let dx = PlainNorm<Double>.backward(.layerNorm, upstream, x: x, columns: 5, weight: nil, epsilon: 0).dx
            return dx.dropFirst().reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
        return Check(
            .exact,
            "The gradient at the four small residuals goes as one over the large one: ten times the unit leaves a "
                + "tenth of it, to 0.1 % between 1e5 and 1e6.",
            .within(expected: 10, tolerance: 0.01), observed: norm(1e5) / norm(1e6),
            mutant: ("a change between 0.1 and 1, where nothing dominates", norm(0.1) / norm(1)))
    }

    private func twoEntries() -> Check {
        func gradient(_ x: [Double]) -> Double {
            let upstream = (0..<x.count).map { Double($0 * $0) - 0.3 }
            return PlainNorm<Double>.backward(.layerNorm, upstream, x: x, columns: x.count, weight: nil, epsilon: 0)
                .dx.map(abs).max() ?? 0
        }
        return Check(
            .exact,
            "LN of two residuals is (1, -1) or (-1, 1), so that nothing can be learned from it: its gradient is 0 to "
                + "1e-12.",
            .atMost(1e-12), observed: max(gradient([3, 1.25]), abs(abs(normalized([3, 1.25])[0]) - 1)),
            mutant: ("a third residual", gradient([3, 1.25, 2])))
    }

    private func constantLoss() -> Check {
        func deviation(divisor: Double) -> Double {
            var worst = 0.0
            for count in 3...40 {
                var random = RandomStream(seed: 2, stream: UInt64(count))
                let x = random.normals(count)
                let mean = x.reduce(0, +) / Double(count)
                let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (Double(count) - divisor)
                let squares = normalized(x, epsilon: 0.1).reduce(0) { $0 + $1 * $1 }
                worst = max(worst, abs(squares / (Double(count) * variance / (variance + 0.1)) - 1))
            }
            return worst
        }
        return Check(
            .exact,
            "|LN(r)|² = K var / (var + epsilon) to 1e-12 for every number K of residuals from 3 to 40: a loss made of "
                + "LN is constant, however wrong the residuals are.",
            .atMost(1e-12), observed: deviation(divisor: 0), mutant: ("the unbiased variance", deviation(divisor: 1)))
    }

    private func remainingGradient() -> Check {
        func deviation(power: Int) -> Double {
            var random = RandomStream(seed: 3, stream: 110)
            let x = random.normals(8)
            let epsilon = 0.1
            let y = normalized(x, epsilon: epsilon)
            let gradient = ResidualLoss.normalizedSquares(x, columns: 8, epsilon: epsilon).gradient
            let mean = x.reduce(0, +) / 8
            let deviation = (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 8 + epsilon).squareRoot()
            let factor = 2 * epsilon / 8 / (0..<power).reduce(1) { product, _ in product * deviation }
            return largestDifference(gradient, y.map { factor * $0 })
        }
        return Check(
            .exact, "What gradient the LN loss has is a remainder of epsilon, 2 epsilon LN(r) / (K s³), to 1e-12.",
            .atMost(1e-12), observed: deviation(power: 3), mutant: ("1 / s² instead of 1 / s³", deviation(power: 2)))
    }

    private func masking() throws -> Check {
        func loss(_ x: [Double]) throws -> Double {
            let y = try DimensionedVector<Dimensionless>(x).layerNorm(backend: backend).values
            return y.reduce(0) { $0 + $1 * $1 } / Double(y.count)
        }
        let wrong = [Double](repeating: 1e6, count: 82)
        return Check(
            .exact,
            "82 residuals of 1e6 each, a mean square of 1e12, have an LN loss of exactly 0 in the float32 kernels.",
            .equal(0), observed: try loss(wrong), mutant: ("one residual is right", try loss([0] + wrong.dropFirst())))
    }

    private func epsilonHasAUnit() -> Check {
        let inPascals = residuals.map { 3e3 * $0 }
        let inGigapascals = inPascals.map { $0 * 1e-9 }
        func difference(relative: Bool) -> Double {
            func loss(_ x: [Double]) -> Double {
                let square = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
                let epsilon = relative ? 1e-5 * square : 1e-5
                return normalized(x, epsilon: epsilon).reduce(0) { $0 + $1 * $1 } / Double(x.count)
            }
            return abs(loss(inPascals) - loss(inGigapascals))
        }
        return Check(
            .exact,
            "Pressures alone, of 3e3 Pa, have the same LN loss in pascals and in gigapascals, to 1e-12, if epsilon is "
                + "relative to their mean square: an epsilon of 1e-5 has a unit itself.",
            .atMost(1e-12), observed: difference(relative: true),
            mutant: ("epsilon is 1e-5 in both units", difference(relative: false)))
    }
}
