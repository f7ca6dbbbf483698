// Tangents of the norms, and gradients of their gradients: bits, differences in Double, identities, accuracy, bad input.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct NormSecondOrderTests {
    @Test(arguments: [1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 129, 300, 1023, 1024, 1025, 4097], [false, true])
    func everyBackendGivesTheSameBits(columns: Int, isRMS: Bool) throws {
        for affine in [false, true] {
            try expectOneAnswer(
                .secondOrder(Float.self, isRMS: isRMS, rows: columns > 500 ? 3 : 37, columns: columns, affine: affine),
                .secondOrder(BFloat16.self, isRMS: isRMS, rows: 3, columns: columns, affine: affine),
                .secondOrder(Float16.self, isRMS: isRMS, rows: 3, columns: columns, affine: affine))
        }
    }

    @Test(arguments: [false, true])
    func hostileRowsAndManyRowBlocksGiveTheSameBits(isRMS: Bool) throws {
        try expectOneAnswer(
            .secondOrder(Float.self, isRMS: isRMS, rows: 32, columns: 100, patterns: RowPattern.hostile, affine: false),
            .secondOrder(Float.self, isRMS: isRMS, rows: 1300, columns: 7))
    }

    // MARK: - In Double

    /// Everything that a loss on gradients depends on.
    private struct Problem {
        let norm: RowNorm
        let columns: Int
        let epsilon: Double
        var x, dy, weight: [Double]
        let v, p, q: [Double]

        init(_ norm: RowNorm, columns: Int, rows: Int = 3, epsilon: Double = 0.1) {
            var random = RandomNumbers(seed: UInt64(columns))
            func numbers(_ count: Int) -> [Double] { random.normals(count).map(Double.init) }
            self.norm = norm
            self.columns = columns
            self.epsilon = epsilon
            (x, dy, weight) = (numbers(rows * columns), numbers(rows * columns), numbers(columns))
            (v, p, q) = (numbers(rows * columns), numbers(columns), numbers(columns))
        }

        var passes: NormReference<Double>.Passes {
            let output = forward(x, weight)
            return NormReference.Passes(
                x: x, columns: columns, weight: weight, mean: output.mean, meanLow: output.meanLow, rstd: output.rstd)
        }
        func forward(_ x: [Double], _ weight: [Double]) -> NormReference<Double>.Output {
            NormReference.forward(norm, x, columns: columns, weight: weight, bias: nil, epsilon: epsilon)
        }
        var gradients: NormReference<Double>.Gradients {
            let passes = passes
            return NormReference.backward(
                norm, dy, x: x, columns: columns, weight: weight, mean: passes.mean, meanLow: passes.meanLow,
                rstd: passes.rstd)
        }
        /// A loss that is linear in the gradients.
        var loss: Double {
            let gradients = gradients
            return dot(v, gradients.dx) + dot(p, gradients.dweight) + dot(q, gradients.dbias)
        }
        var secondGradients: NormReference<Double>.SecondGradients {
            NormReference.doubleBackward(norm, v, weightCotangent: p, biasCotangent: q, dy: dy, passes: passes)
        }
    }

    /// (loss(value + h) - loss(value - h)) / 2h.
    private func difference(_ problem: Problem, _ path: WritableKeyPath<Problem, Double>, step h: Double) -> Double {
        var (above, below) = (problem, problem)
        above[keyPath: path] += h
        below[keyPath: path] -= h
        return (above.loss - below.loss) / (2 * h)
    }

    /// Numbers of size 1, epsilon 0.1: derivatives up to the third are of size 100 at most, so that a step of 2^-17 leaves
    /// errors below 1e-8 times a sum of 200 terms.
    @Test(arguments: RowNorm.allCases, [1, 2, 3, 8, 17, 65])
    func gradientsOfGradientsAreThoseOfDifferences(norm: RowNorm, columns: Int) {
        let problem = Problem(norm, columns: columns)
        let gradients = problem.secondGradients
        let step = 0x1p-17
        for index in problem.x.indices {
            #expect(abs(difference(problem, \.x[index], step: step) - gradients.dx[index]) <= 2e-6)
            #expect(abs(difference(problem, \.dy[index], step: step) - gradients.dy[index]) <= 2e-6)
        }
        for index in 0..<columns {
            #expect(abs(difference(problem, \.weight[index], step: step) - gradients.dweight[index]) <= 2e-6)
        }
    }

    @Test(arguments: RowNorm.allCases, [1, 2, 3, 8, 17, 65])
    func tangentsAreThoseOfDifferences(norm: RowNorm, columns: Int) {
        let problem = Problem(norm, columns: columns)
        let tangent = NormReference.tangent(
            norm, problem.v, weightTangent: problem.p, biasTangent: problem.q, passes: problem.passes)
        let step = 0x1p-17
        func moved(_ h: Double) -> [Double] {
            let y = problem.forward(
                zip(problem.x, problem.v).map { $0 + h * $1 }, zip(problem.weight, problem.p).map { $0 + h * $1 }
            ).y
            return y.indices.map { y[$0] + h * problem.q[$0 % columns] }
        }
        for ((above, below), given) in zip(zip(moved(step), moved(-step)), tangent) {
            #expect(abs((above - below) / (2 * step) - given) <= 1e-7)
        }
    }

    /// <u, J v> = <J^T u, v>: forward and backward mode are transposes of each other.
    @Test(arguments: RowNorm.allCases)
    func tangentAndPullbackAreTransposes(norm: RowNorm) {
        let problem = Problem(norm, columns: 33)
        let tangent = NormReference.tangent(
            norm, problem.v, weightTangent: nil, biasTangent: nil, passes: problem.passes)
        let forward = dot(problem.dy, tangent)
        let backward = dot(problem.gradients.dx, problem.v)
        #expect(abs(forward - backward) <= 1e-12 * (1 + abs(forward)))
    }

    /// The gradient of a gradient for x does not see a shift of x (LayerNorm). At epsilon 0 the gradient for x is
    /// homogeneous of degree -1 in x (about its mean), so that Euler's relation gives <x, gradient> = -<v, dx>.
    @Test(arguments: RowNorm.allCases)
    func gradientsOfGradientsKeepTheSymmetriesOfTheNorm(norm: RowNorm) {
        let problem = Problem(norm, columns: 40, rows: 1, epsilon: 0)
        let gradient = NormReference.doubleBackward(
            norm, problem.v, weightCotangent: nil, biasCotangent: nil, dy: problem.dy, passes: problem.passes
        ).dx
        if norm == .layerNorm { #expect(abs(gradient.reduce(0, +)) <= 1e-11) }
        let first = dot(problem.v, problem.gradients.dx)
        #expect(abs(dot(problem.x, gradient) + first) <= 1e-11 * (1 + abs(first)))
    }

    // MARK: - In Float

    /// Errors against the same formulas in Double, relative to a row's largest result: under any offset of x as small as
    /// without one. Two products of rounded sums make up to four times the error of a gradient, 3e-7.
    @Test(arguments: [8, 64, 768, 4096], [Float(0), 1e3, 1e6])
    func resultsAreAccurate(columns: Int, offset: Float) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        let x = random.normals(2 * columns).map { $0 + offset }
        let (v, dy, weight) = (random.normals(2 * columns), random.normals(2 * columns), random.normals(columns))
        let tensor = try Tensor(x, shape: [2, columns])
        let statistics = try layerNormWithStatistics(tensor).statistics
        let given = try layerNormDoubleBackward(
            inputCotangent: Tensor(v, shape: [2, columns]), outputGradient: Tensor(dy, shape: [2, columns]), x: tensor,
            weight: Tensor(weight), statistics: statistics)
        let wide = NormReference.forward(
            .layerNorm, x.map(Double.init), columns: columns, weight: nil, bias: nil, epsilon: Double(Float(1e-5)))
        let passes = NormReference.Passes(
            x: x.map(Double.init), columns: columns, weight: weight.map(Double.init), mean: wide.mean,
            meanLow: wide.meanLow, rstd: wide.rstd)
        let truth = NormReference.doubleBackward(
            .layerNorm, v.map(Double.init), weightCotangent: nil, biasCotangent: nil, dy: dy.map(Double.init),
            passes: passes)
        #expect(AccuracyTable.worstError(given.outputGradient.array, truth.dy, columns: columns) <= 1.2e-6)
        #expect(AccuracyTable.worstError(given.input.array, truth.dx, columns: columns) <= 1.2e-6)
        #expect(AccuracyTable.worstError(given.weight.array, truth.dweight, columns: columns) <= 1.2e-6)
    }

    @Test func rowsOfOneElementGiveZeros() throws {
        let x = try Tensor<Float>([3, -2e5, 0], shape: [3, 1])
        let statistics = try layerNormWithStatistics(x).statistics
        let second = try layerNormDoubleBackward(inputCotangent: x, outputGradient: x, x: x, statistics: statistics)
        #expect(
            second.input.array == [0, 0, 0] && second.outputGradient.array == [0, 0, 0] && second.weight.array == [0])
        #expect(try layerNormTangent(x, x: x, statistics: statistics).array == [0, 0, 0])
    }

    @Test func badInputIsNamed() throws {
        let x = try Tensor<Float>(repeating: 1, shape: [2, 3])
        let other = try Tensor<Float>(repeating: 1, shape: [3, 2])
        let statistics = try layerNormWithStatistics(x).statistics
        let wrong = try layerNormWithStatistics(other).statistics
        let short = Tensor<Float>([1, 2])
        func argument(_ body: () throws -> Void) -> String? {
            do { try body() } catch { return (error as? NormalizationError)?.argument }
            return nil
        }
        #expect(argument { _ = try layerNormTangent(other, x: x, statistics: statistics) } == "inputTangent")
        #expect(argument { _ = try layerNormTangent(x, x: x, weight: short, statistics: statistics) } == "weight")
        #expect(
            argument { _ = try layerNormTangent(x, x: x, weight: short, weightTangent: short, statistics: statistics) }
                == "weight")
        #expect(argument { _ = try layerNormTangent(x, x: x, statistics: wrong) } == "statistics")
        #expect(
            argument {
                _ = try rmsNormTangent(
                    x, x: x, weight: Tensor<Float>?.none, weightOffset: .infinity, statistics: statistics)
            } == "weightOffset")
        #expect(
            argument {
                _ = try layerNormDoubleBackward(
                    inputCotangent: other, outputGradient: x, x: x, statistics: statistics)
            } == "inputCotangent")
        #expect(
            argument {
                _ = try layerNormDoubleBackward(
                    inputCotangent: x, outputGradient: other, x: x, statistics: statistics)
            } == "outputGradient")
        #expect(
            argument {
                _ = try layerNormDoubleBackward(
                    inputCotangent: x, biasCotangent: short, outputGradient: x, x: x, weight: Tensor<Float>?.none,
                    statistics: statistics)
            } == "biasCotangent")
    }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
