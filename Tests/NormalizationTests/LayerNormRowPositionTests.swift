// A row's result is that of the row alone: at every place in every batch, and beside rows with NaNs.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormRowPositionTests {
    private static let poolSize = 600

    /// Rows from which batches are cut, with the results of each row alone.
    private struct Pool {
        let x: Tensor<Float>
        let dy: Tensor<Float>
        let weight: Tensor<Float>?
        let bias: Tensor<Float>?
        var y: [Float] = []
        var dx: [Float] = []

        init(columns: Int) throws {
            let input = try LayerNormVerification.Case(
                "", rows: poolSize, columns: columns, patterns: [.offset(0), .offset(50), .scale(0.01), .constant(2)])
            (x, dy, weight, bias) = (input.x, input.outputGradient, input.weight, input.bias)
            for row in 0..<poolSize {
                let (value, gradient) = try results(row..<row + 1, backend: .kernels(.portable, threads: 1))
                y += value
                dx += gradient
            }
        }

        func results(_ rows: Range<Int>, backend: Backend) throws -> (y: [Float], dx: [Float]) {
            let x = try x.sliced(rows)
            let (y, statistics) = try layerNormWithStatistics(x, weight: weight, bias: bias, backend: backend)
            let gradients = try layerNormBackward(
                try dy.sliced(rows), x: x, weight: weight, statistics: statistics, backend: backend)
            return (y.array, gradients.input.array)
        }
    }

    /// The batch of each size starts elsewhere in the pool, so that a row meets many places.
    @Test(arguments: TestedBackends.instructionSets, [20, 67])
    func everyPlaceInEveryBatch(instructionSet: InstructionSet, columns: Int) throws {
        let pool = try Pool(columns: columns)
        for rows in TestedSizes.batches {
            let first = rows * 37 % (Self.poolSize - 300)
            let threads = TestedBackends.threadCounts[rows % TestedBackends.threadCounts.count]
            let (y, dx) = try pool.results(first..<first + rows, backend: .kernels(instructionSet, threads: threads))
            let elements = first * columns..<(first + rows) * columns
            expectSameBits(y, Array(pool.y[elements]), "forward, \(rows) rows from \(first), \(threads) threads")
            expectSameBits(dx, Array(pool.dx[elements]), "backward, \(rows) rows from \(first), \(threads) threads")
        }
    }

    @Test func theReferenceTreatsRowsAlone() throws {
        let pool = try Pool(columns: 67)
        for rows in [1, 5, 16, 17, 60] {
            let (y, dx) = try pool.results(100..<100 + rows, backend: .reference)
            expectSameBits(y, Array(pool.y[100 * 67..<(100 + rows) * 67]), "forward, \(rows) rows")
            expectSameBits(dx, Array(pool.dx[100 * 67..<(100 + rows) * 67]), "backward, \(rows) rows")
        }
    }

    @Test(arguments: TestedBackends.instructionSets, [Float.nan, .infinity, -.infinity])
    func aPoisonedRowStaysAlone(instructionSet: InstructionSet, poison: Float) throws {
        let columns = 70
        let rows = 23
        let clean = try LayerNormVerification.Case("", rows: rows, columns: columns)
        let backend = Backend.kernels(instructionSet, threads: 2)
        let expected = try LayerNormVerification.Result(clean, backend: backend)
        for row in 0..<rows {
            var x = clean.x
            x[row, row * 3] = poison
            let given = try LayerNormVerification.Result(
                LayerNormVerification.Case(
                    "", x: x, outputGradient: clean.outputGradient, weight: clean.weight, bias: clean.bias,
                    epsilon: 1e-5), backend: backend)
            try expectOnlyRow(row, isNaN: given.y, others: expected.y)
            try expectOnlyRow(row, isNaN: given.gradients.input, others: expected.gradients.input)
        }
    }

    @Test(arguments: TestedBackends.instructionSets)
    func aPoisonedGradientStaysAlone(instructionSet: InstructionSet) throws {
        let clean = try LayerNormVerification.Case("", rows: 23, columns: 70)
        let backend = Backend.kernels(instructionSet, threads: 2)
        let expected = try LayerNormVerification.Result(clean, backend: backend)
        for row in 0..<23 {
            var dy = clean.outputGradient
            dy[row, 40] = .nan
            let given = try LayerNormVerification.Result(
                LayerNormVerification.Case(
                    "", x: clean.x, outputGradient: dy, weight: clean.weight, bias: clean.bias, epsilon: 1e-5),
                backend: backend)
            try expectOnlyRow(row, isNaN: given.gradients.input, others: expected.gradients.input)
            // Of the sums over rows one column is lost.
            for (sums, clean) in [
                (given.gradients.weight, expected.gradients.weight), (given.gradients.bias, expected.gradients.bias),
            ] {
                var sums = try #require(sums).array
                var clean = try #require(clean).array
                #expect(sums.remove(at: 40).isNaN)
                clean.remove(at: 40)
                expectSameBits(sums, clean, "sums over rows")
            }
        }
    }

    private func expectOnlyRow(_ row: Int, isNaN given: Tensor<Float>, others expected: Tensor<Float>) throws {
        let columns = expected.shape[1]
        var given = given.array
        var expected = expected.array
        let elements = row * columns..<(row + 1) * columns
        #expect(!given[elements].contains { !$0.isNaN }, "row \(row)")
        given.removeSubrange(elements)
        expected.removeSubrange(elements)
        expectSameBits(given, expected, "rows other than \(row)")
    }
}
