// Rows of scores that are sharded: states of parts, merged, and rows normalized by them.

internal import Foundation
internal import KernelBridge
internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct SoftmaxStateTests {
    @Test(arguments: [2, 15, 16, 17, 64, 65, 300, 1025, 16385])
    func oneAnswer(columns: Int) throws {
        let rows = columns > 4096 ? 5 : 30
        try expectOneAnswer(
            .shardedSoftmax(Float.self, rows: rows, columns: columns, cut: (columns + 2) / 3),
            .shardedSoftmax(BFloat16.self, rows: rows, columns: columns, cut: columns / 2),
            .shardedSoftmax(Float16.self, rows: rows, columns: columns, cut: 1))
    }

    private func scores(_ rows: Int, _ columns: Int) throws -> Tensor<Float> {
        try Tensor(SoftmaxTests.scores(rows: rows, columns: columns, seed: UInt64(columns)), shape: [rows, columns])
    }

    /// By the states of whole rows: the bits of softmax, of its logarithm and of logSumExp.
    @Test(arguments: [1, 17, 300, 1024, 1025, 4097])
    func statesOfWholeRows(columns: Int) throws {
        let x = try scores(23, columns)
        let states = try softmaxState(x)
        try expectSameBits(softmax(x, with: states).array, softmax(x).array, "softmax")
        try expectSameBits(logSoftmax(x, with: states).array, logSoftmax(x).array, "logarithms")
        try expectSameBits(states.map(\.logSumExp), logSumExp(x).array, "log-sum-exp")
    }

    /// Merged from any number of parts: within 4 units of 2^-23 of float64, as whole rows are, since a merge adds
    /// 2^-50.
    @Test(arguments: [1, 2, 7, 64])
    func partsAreAsAccurateAsWholeRows(parts: Int) throws {
        let judge = PlainSoftmax<Double>(exp: Foundation.exp)
        let columns = 4096
        var random = RandomNumbers(seed: UInt64(parts))
        for scale: Float in [0.01, 1, 30, 1e4] {
            let x = random.normals(columns).map { $0 * scale + 7 }
            let bounds = (0...parts).map { $0 * columns / parts }
            let shards = zip(bounds, bounds.dropFirst()).map { Tensor(Array(x[$0..<$1])) }
            let state = try shards.map { try softmaxState($0)[0] }.merged()
            let y = try shards.flatMap { try softmax($0, with: [state]).array }
            let truth = judge.forward(x.map(Double.init))
            let worst = zip(y, truth).map { abs(Double($0) - $1) / max($1, 0x1p-126) }.max()!
            #expect(worst <= 4 * 0x1p-23, "scale \(scale)")
        }
    }

    /// For the same states it does not matter how rows are cut.
    @Test func theSameStatesGiveTheSameBits() throws {
        let x = try scores(12, 300)
        let states = try softmaxState(x)
        let whole = try softmax(x, with: states)
        for range in [0..<1, 1..<65, 65..<300] {
            let part = try softmax(x.sliced(range, axis: 1), with: states)
            expectSameBits(part.array, try whole.sliced(range, axis: 1).array, "\(range)")
        }
    }

    /// In either order, by the kernels and in Swift.
    @Test func merges() throws {
        var random = RandomNumbers(seed: 6)
        let distances: [Float] = [0, 1e-30, 0.1, 3, 80, 600, 1e4, .infinity]
        for distance in distances + distances {
            let one = SoftmaxState(max: random.nextNormal(), sum: 1 + Double(random.nextUniform()))
            let other = SoftmaxState(max: one.max - distance, sum: 1 + Double(random.nextUniform()))
            let merged = one.merged(with: other)
            #expect(merged == other.merged(with: one) && merged.max == one.max)
            #expect(try merged == SoftmaxKernels.merged([one, other]))
            let truth = one.sum + other.sum * Foundation.exp(Double(other.max) - Double(one.max))
            #expect(abs(merged.sum - truth) <= 0x1p-50 * truth, "distance \(distance)")
        }
    }

    @Test func statesOfNothingAndOfBrokenRows() throws {
        let none = -Float.infinity
        let some = SoftmaxState(max: 2, sum: 3)
        #expect(SoftmaxState().merged(with: some) == some && some.merged(with: SoftmaxState()) == some)
        #expect([SoftmaxState]().merged() == SoftmaxState() && SoftmaxState().logSumExp == none)
        let x = try Tensor<Float>([none, none, none, 5, .nan, none, .infinity, 0, -0.0, none], shape: [5, 2])
        let states = try softmaxState(x)
        #expect(states[0] == SoftmaxState() && states[1] == SoftmaxState(max: 5, sum: 1))
        #expect(states[2].sum.isNaN && states[3].sum.isNaN && states[4] == SoftmaxState(max: 0, sum: 1))
        for broken in states[2...3] {
            #expect(some.merged(with: broken).sum.isNaN && broken.merged(with: some).sum.isNaN)
            #expect(broken.merged(with: SoftmaxState()).sum.isNaN && broken.logSumExp.isNaN)
        }
        for backend in TestedBackends.instructionSets.map({ Backend.kernels($0) }) + [.reference] {
            let above = try softmax(Tensor<Float>([3, 1]), with: [some], backend: backend).array
            #expect(above[0].isNaN && above[1] > 0, "an element above its row's max")
            let infinite = try logSoftmax(
                Tensor<Float>([3, .infinity]), with: [SoftmaxState(max: .infinity, sum: 1)], backend: backend)
            #expect(infinite.array.allSatisfy { $0.isNaN })
        }
    }

    @Test func badInput() throws {
        let x = try Tensor<Float>(repeating: 1, shape: [2, 4])
        let states = try softmaxState(x)
        expectError(.invalidShape, "x") { () throws(NormalizationError) in try softmaxState(Tensor<Float>([])) }
        expectError(.shapeMismatch, "states") { () throws(NormalizationError) in try softmax(x, with: [states[0]]) }
        let wrong: [SoftmaxState] = [
            .init(max: .nan, sum: 1), .init(max: 0, sum: -1), .init(max: 0, sum: .infinity),
        ]
        for state in wrong {
            expectError(.invalidParameter, "states") { () throws(NormalizationError) in
                try softmax(x, with: [states[0], state])
            }
            expectError(.invalidParameter, "states") { () throws(NormalizationError) in
                try logSoftmax(x, with: [state, states[1]], backend: .reference)
            }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in try softmaxState(x, backend: backend) }
            expectError(reason, "backend") { () throws(NormalizationError) in
                try softmax(x, with: states, backend: backend)
            }
        }
        #expect(try softmaxState(Tensor<Float>(repeating: 0, shape: [0, 4])).isEmpty)
        #expect(try softmax(Tensor<Float>(repeating: 0, shape: [0, 4]), with: []).count == 0)
    }
}
