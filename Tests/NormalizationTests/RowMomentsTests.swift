// Rows that are sharded: moments of parts, merged, and rows normalized by them.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct RowMomentsTests {
    private static let offsets: [Float] = [0, 1e3, 1e6]

    /// Every instruction set, thread count and storage type gives the reference's bits.
    @Test(arguments: [1, 2, 15, 16, 17, 63, 64, 65, 300, 1024, 1025, 16385])
    func oneAnswer(columns: Int) throws {
        for epsilon: Float in [1e-5, 0] {
            let input = try LayerNormVerification.Case(
                "width \(columns)", rows: columns > 4096 ? 5 : RowPattern.hostile.count, columns: columns,
                patterns: RowPattern.hostile, affine: columns % 2 == 0, epsilon: epsilon)
            func expectOneAnswer<Element: KernelElement>(_ type: Element.Type) throws {
                let expected = try RowMomentsVerification.Result(input, as: type, cut: columns / 3, backend: .reference)
                for backend in TestedBackends.kernels {
                    let given = try RowMomentsVerification.Result(input, as: type, cut: columns / 3, backend: backend)
                    let bits = given.comparison(with: expected)
                    #expect(bits.compared > 0 && bits.different == 0, "\(input.name), \(type), \(backend): \(bits)")
                }
            }
            try expectOneAnswer(Float.self)
            try expectOneAnswer(BFloat16.self)
        }
    }

    /// Rows in several parts are normalized as well as whole ones: to 3e-7 of the largest output, for the reasons of
    /// layer normalization.
    @Test(arguments: offsets, [1, 2, 4, 7])
    func partsAreAsAccurateAsWholeRows(offset: Float, parts: Int) throws {
        let columns = 4096
        let input = try LayerNormVerification.Case(
            "", rows: 8, columns: columns, patterns: [.offset(offset), .scale(1e-20), .scale(1e20), .outlier(1e6)],
            affine: false)
        let bounds = (0...parts).map { $0 * columns / parts }
        let ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
        let moments = try ranges.map { try rowMoments(input.x.sliced($0, axis: 1)) }
        let merged = (0..<8).map { row in moments.map { $0[row] }.merged() }
        let shards = try ranges.map { try normalize(input.x.sliced($0, axis: 1), with: merged) }
        let y = (0..<8).flatMap { row in
            shards.flatMap { shard in Array(shard.array[row * shard.shape[1]..<(row + 1) * shard.shape[1]]) }
        }
        let truth = PlainNorm<Double>.forward(
            .layerNorm, input.x.array.map(Double.init), columns: columns, weight: nil, bias: nil, epsilon: 1e-5)
        #expect(AccuracyTable.worstError(y, truth, columns: columns) <= LayerNormAccuracy.forwardBound)
    }

    /// For the same moments it does not matter how rows are cut.
    @Test func theSameMomentsGiveTheSameBits() throws {
        let input = try LayerNormVerification.Case("", rows: 5, columns: 300, patterns: [.offset(7)])
        let moments = try rowMoments(input.x)
        let whole = try normalize(input.x, with: moments, weight: input.weight, bias: input.bias)
        for range in [0..<1, 1..<65, 65..<300] {
            let part = try normalize(
                input.x.sliced(range, axis: 1), with: moments, weight: input.weight?.sliced(range),
                bias: input.bias?.sliced(range))
            expectSameBits(part.array, try whole.sliced(range, axis: 1).array, "\(range)")
        }
    }

    @Test func momentsOfNothingAndOfOneElement() {
        let some = Moments(count: 3, mean: 2, sumOfSquaredDeviations: 5)
        #expect(Moments().merged(with: some) == some && some.merged(with: Moments()) == some)
        #expect([Moments]().merged() == Moments())
        let four = some.merged(with: Moments(count: 1, mean: 6))
        #expect(four == Moments(count: 4, mean: 3, sumOfSquaredDeviations: 17))
        #expect(four.variance == 4.25 && four.unbiasedVariance == 17.0 / 3)
    }

    @Test func badInput() throws {
        let x = try Tensor<Float>(repeating: 1, shape: [2, 4])
        let moments = try rowMoments(x)
        let vector = try Tensor<Float>(repeating: 1, shape: [3])
        expectError(.invalidShape, "x") { () throws(NormalizationError) in try rowMoments(Tensor<Float>([])) }
        expectError(.shapeMismatch, "moments") { () throws(NormalizationError) in try normalize(x, with: [moments[0]]) }
        expectError(.invalidMoments, "moments") { () throws(NormalizationError) in
            try normalize(x, with: [moments[0], Moments()])
        }
        expectError(.invalidMoments, "moments") { () throws(NormalizationError) in
            try normalize(x, with: [moments[0], Moments(count: 1, mean: 0, sumOfSquaredDeviations: -1)])
        }
        expectError(.shapeMismatch, "weight") { () throws(NormalizationError) in
            try normalize(x, with: moments, weight: vector)
        }
        expectError(.shapeMismatch, "bias") { () throws(NormalizationError) in
            try normalize(x, with: moments, bias: vector)
        }
        for epsilon in BadInput.epsilons {
            expectError(.invalidEpsilon, "epsilon") { () throws(NormalizationError) in
                try normalize(x, with: moments, epsilon: epsilon)
            }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in try rowMoments(x, backend: backend) }
            expectError(reason, "backend") { () throws(NormalizationError) in
                try normalize(x, with: moments, backend: backend)
            }
        }
        #expect(try rowMoments(Tensor<Float>(repeating: 0, shape: [0, 4])).isEmpty)
    }
}
