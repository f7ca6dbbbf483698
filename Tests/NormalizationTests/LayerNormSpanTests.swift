// Memory that the caller owns: spans and arrays, at any position in memory.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormSpanTests {
    /// A row count and a width with a remainder in every register size, and one without.
    private static let sizes = [(rows: 9, columns: 83), (rows: 5, columns: 64), (rows: 3, columns: 1)]

    private struct Problem {
        let x: [Float]
        let weight: [Float]
        let bias: [Float]
        let columns: Int
        let expected: [Float]

        init(rows: Int, columns: Int) throws {
            let input = try LayerNormVerification.Case(
                "", rows: rows, columns: columns, patterns: [.offset(2), .scale(9)])
            x = input.x.array
            weight = input.weight?.array ?? []
            bias = input.bias?.array ?? []
            self.columns = columns
            expected = try layerNorm(input.x, weight: input.weight, bias: input.bias, backend: .reference).array
        }
    }

    private func padded(_ elements: [Float], by offset: Int) -> [Float] {
        [Float](repeating: -7, count: offset) + elements + [Float](repeating: -7, count: 16)
    }

    @Test(arguments: 0..<16, TestedBackends.instructionSets)
    func everyOffsetFromACacheLine(offset: Int, instructionSet: InstructionSet) throws {
        for (rows, columns) in Self.sizes {
            let problem = try Problem(rows: rows, columns: columns)
            for threads in TestedBackends.threadCounts {
                // All at one offset, and each at its own.
                for shift in [0, 1, 5] {
                    let offsets = (0..<4).map { (offset + $0 * shift) % 16 }
                    let x = padded(problem.x, by: offsets[0])
                    let weight = padded(problem.weight, by: offsets[1])
                    let bias = padded(problem.bias, by: offsets[2])
                    var y = [Float](repeating: -7, count: offsets[3] + problem.x.count + 16)
                    let range = offsets[3]..<offsets[3] + problem.x.count
                    try normalize(
                        x.span.extracting(offsets[0]..<offsets[0] + problem.x.count), columns: columns,
                        weight: weight.span.extracting(offsets[1]..<offsets[1] + columns),
                        bias: bias.span.extracting(offsets[2]..<offsets[2] + columns), into: &y, range,
                        backend: .kernels(instructionSet, threads: threads))
                    expectSameBits(
                        Array(y[range]), problem.expected,
                        "\(rows) x \(columns), offsets \(offsets), \(threads) threads")
                    y.removeSubrange(range)
                    expectSameBits(y, [Float](repeating: -7, count: offsets[3] + 16), "memory around the output")
                }
            }
        }
    }

    private func normalize(
        _ x: Span<Float>, columns: Int, weight: Span<Float>?, bias: Span<Float>?, into y: inout [Float],
        _ range: Range<Int>, backend: Backend
    ) throws {
        try unsafe y.withUnsafeMutableBufferPointer { buffer in
            var part = unsafe UnsafeMutableBufferPointer(rebasing: buffer[range]).mutableSpan
            try layerNorm(x, columns: columns, weight: weight, bias: bias, into: &part, backend: backend)
        }
    }

    @Test(arguments: TestedBackends.all + [.reference])
    func arrays(backend: Backend) throws {
        for (rows, columns) in Self.sizes {
            let problem = try Problem(rows: rows, columns: columns)
            var y = [Float](repeating: .nan, count: problem.x.count)
            try layerNorm(
                problem.x, columns: columns, weight: problem.weight, bias: problem.bias, into: &y, backend: backend)
            expectSameBits(y, problem.expected, "\(rows) x \(columns)")

            var plain = y
            try layerNorm(problem.x, columns: columns, into: &plain, backend: backend)
            let expected = try layerNorm(Tensor(problem.x, shape: [rows, columns]), backend: .reference).array
            expectSameBits(plain, expected, "\(rows) x \(columns) without weight and bias")

            // The array is input and output: the input is a copy from before.
            var inPlace = problem.x
            try layerNorm(
                inPlace, columns: columns, weight: problem.weight, bias: problem.bias, into: &inPlace, backend: backend)
            expectSameBits(inPlace, problem.expected, "\(rows) x \(columns), an array into itself")
        }
    }

    @Test(arguments: TestedBackends.all + [.reference])
    func noRows(backend: Backend) throws {
        var y: [Float] = []
        try layerNorm([], columns: 5, weight: [1, 2, 3, 4, 5], into: &y, backend: backend)
        #expect(y == [])
    }
}
