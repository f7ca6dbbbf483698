// Rows without spread: one value everywhere gives exactly the bias, and one element exactly no gradient.

internal import Normalization
import Testing
internal import Verification

@Suite struct RowsWithoutSpreadTests {
    private static let values: [Float] = {
        var random = RandomNumbers(seed: 17)
        var values: [Float] = [0, -0.0, 1, -1, 0.1, 1.1, 1e-3, 1e7, 16777215, -3e38, 1e30, 1e-30, 0x1p-149, 0x1p-127]
        for exponent in stride(from: -120, through: 120, by: 15) {
            for _ in 0..<2 {
                values.append((1 + random.nextUniform()) * Float(sign: .plus, exponent: exponent, significand: 1))
            }
        }
        return values
    }()

    /// Every value in one batch, with a bias that differs from column to column.
    @Test(arguments: TestedSizes.thinned(Array(1...200), debugStep: 5) + [768, 1000, 1024, 1025, 4096, 4097, 50257])
    func oneValueEverywhereGivesTheBias(columns: Int) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        let weight = Tensor(random.normals(columns))
        let bias = random.normals(columns)
        let x = try Tensor(
            Self.values.flatMap { [Float](repeating: $0, count: columns) }, shape: [Self.values.count, columns])
        let expected = Self.values.flatMap { _ in bias }
        for epsilon: Float in [0, 1e-12, 1e-5] {
            for instructionSet in TestedBackends.instructionSets {
                let y = try layerNorm(
                    x, weight: weight, bias: Tensor(bias), epsilon: epsilon,
                    backend: .kernels(instructionSet, threads: 1))
                let wrong = zip(y.array, expected).count { $0 != $1 }
                #expect(wrong == 0, "elements that are not the bias, epsilon \(epsilon), \(instructionSet)")
                let plain = try layerNorm(x, epsilon: epsilon, backend: .kernels(instructionSet, threads: 1))
                let nonzero = plain.array.count { $0 != 0 }
                #expect(nonzero == 0, "without bias, epsilon \(epsilon), \(instructionSet)")
            }
        }
    }

    @Test(arguments: TestedBackends.kernels + [.reference])
    func oneElementHasNoGradient(backend: Backend) throws {
        var random = RandomNumbers(seed: 23)
        let x = try Tensor(Self.values, shape: [Self.values.count, 1])
        let dy = try Tensor(random.normals(x.count), shape: x.shape)
        for epsilon: Float in [0, 1e-12, 1e-5] {
            for weight in [nil, Tensor<Float>([-1.7])] {
                let (_, statistics) = try layerNormWithStatistics(x, weight: weight, epsilon: epsilon, backend: backend)
                #expect(statistics.mean.array == Self.values)
                let gradients = try layerNormBackward(
                    dy, x: x, weight: weight, statistics: statistics, backend: backend)
                let nonzero = gradients.input.array.count { $0 != 0 }
                #expect(nonzero == 0, "epsilon \(epsilon), weight \(weight?.array ?? [])")
                #expect(gradients.weight?.array == [0], "epsilon \(epsilon)")
            }
        }
    }

    /// Without spread and without epsilon there is no deviation to divide by: it is said to be 0.
    @Test(arguments: TestedBackends.kernels + [.reference])
    func theReciprocalDeviationIsZero(backend: Backend) throws {
        let x = try Tensor<Float>(repeating: 0.3, shape: [2, 37])
        let (_, statistics) = try layerNormWithStatistics(x, epsilon: 0, backend: backend)
        #expect(statistics.reciprocalDeviation.array == [0, 0])
    }

    /// With epsilon it is 1/sqrt(epsilon), whatever the value: at most two roundings of 2^-24 away.
    @Test(arguments: TestedBackends.kernels + [.reference], [1, 2, 37, 300])
    func theReciprocalDeviationIsThatOfEpsilon(backend: Backend, columns: Int) throws {
        let x = try Tensor(
            Self.values.flatMap { [Float](repeating: $0, count: columns) }, shape: [Self.values.count, columns])
        for epsilon: Float in [1e-12, 1e-5, 1] {
            let (_, statistics) = try layerNormWithStatistics(x, epsilon: epsilon, backend: backend)
            let expected = 1 / Double(epsilon).squareRoot()
            let wrong = statistics.reciprocalDeviation.array.count {
                !(abs(Double($0) - expected) <= 2 * 0x1p-24 * expected)
            }
            #expect(wrong == 0, "epsilon \(epsilon)")
        }
    }
}
