// Views: slices and transposes of bigger tensors give the bits of dense ones, in place or not, and what
// lies between their rows stays as it was.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormLayoutTests {
    /// Ways to cut a view of 3 or 2 axes out of a tensor of shape [6, 7, 90].
    enum View: CaseIterable, CustomTestStringConvertible {
        case whole, firstAxisSliced, middleAxisSliced, lastAxisSliced, unalignedRows, everyAxisSliced
        case leadingAxesExchanged, leadingAxesExchangedAndSliced, oneRow, oneColumn, lastAxesExchanged
        case outerAxesExchanged, noRows

        func of(_ tensor: Tensor<Float>) throws -> Tensor<Float> {
            switch self {
            case .whole: tensor
            case .firstAxisSliced: try tensor.sliced(2..<5)
            case .middleAxisSliced: try tensor.sliced(1..<6, axis: 1)
            case .lastAxisSliced: try tensor.sliced(16..<80, axis: 2)
            case .unalignedRows: try tensor.sliced(3..<68, axis: 2)
            case .everyAxisSliced: try tensor.sliced(1..<4).sliced(2..<7, axis: 1).sliced(5..<42, axis: 2)
            case .leadingAxesExchanged: try tensor.transposed(0, 1)
            case .leadingAxesExchangedAndSliced: try tensor.transposed(0, 1).sliced(1..<6).sliced(7..<77, axis: 2)
            case .oneRow: try tensor.sliced(3..<4).sliced(4..<5, axis: 1)
            case .oneColumn: try tensor.sliced(8..<9, axis: 2)
            case .lastAxesExchanged: try tensor.transposed(1, 2)
            case .outerAxesExchanged: try tensor.transposed(0, 2)
            case .noRows: try tensor.sliced(3..<3)
            }
        }

        /// Whether kernels can write it where it is.
        var hasContiguousRows: Bool { self != .lastAxesExchanged && self != .outerAxesExchanged }

        var testDescription: String { "\(self)" }
    }

    private static let shape: Shape = [6, 7, 90]

    private func numbers(seed: UInt64) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: seed)
        return try Tensor(random.normals(6 * 7 * 90), shape: Self.shape)
    }

    /// All memory of a tensor, also what it does not show.
    private func memory(_ tensor: Tensor<Float>) -> [Float] {
        unsafe Array(UnsafeBufferPointer(start: tensor.storage.base, count: tensor.storage.count))
    }

    private struct Problem {
        let x: Tensor<Float>
        let weight: Tensor<Float>
        let bias: Tensor<Float>
        /// The reference's result on a dense copy.
        let expected: [Float]
        let statistics: RowStatistics

        init(x: Tensor<Float>) throws {
            self.x = x
            var random = RandomNumbers(seed: 5)
            let columns = x.shape[x.shape.rank - 1]
            weight = Tensor(random.normals(columns))
            bias = Tensor(random.normals(columns))
            let dense = try Tensor(x.array, shape: x.shape)
            let (y, statistics) = try layerNormWithStatistics(dense, weight: weight, bias: bias, backend: .reference)
            expected = y.array
            self.statistics = statistics
        }
    }

    private func expect(_ given: Tensor<Float>, _ problem: Problem, _ what: String) {
        #expect(given.shape == problem.x.shape, "\(what)")
        if problem.x.count > 0 { expectSameBits(given.array, problem.expected, what) }
    }

    @Test(arguments: View.allCases, TestedBackends.instructionSets)
    func viewsAsInput(view: View, instructionSet: InstructionSet) throws {
        let problem = try Problem(x: view.of(numbers(seed: 1)))
        for threads in TestedBackends.threadCounts {
            let backend = Backend.kernels(instructionSet, threads: threads)
            let y = try layerNorm(problem.x, weight: problem.weight, bias: problem.bias, backend: backend)
            expect(y, problem, "layerNorm, \(threads) threads")
            let (output, statistics) = try layerNormWithStatistics(
                problem.x, weight: problem.weight, bias: problem.bias, backend: backend)
            expect(output, problem, "layerNormWithStatistics, \(threads) threads")
            if problem.x.count > 0 {
                expectSameBits(statistics.mean.array, problem.statistics.mean.array, "mean")
                expectSameBits(statistics.meanLow.array, problem.statistics.meanLow.array, "meanLow")
                expectSameBits(
                    statistics.reciprocalDeviation.array, problem.statistics.reciprocalDeviation.array,
                    "reciprocalDeviation")
            }
            #expect(statistics.mean.shape == Shape(Array(problem.x.shape.extents.dropLast())))
        }
    }

    @Test(arguments: View.allCases.filter(\.hasContiguousRows), TestedBackends.instructionSets)
    func viewsAsOutput(view: View, instructionSet: InstructionSet) throws {
        let problem = try Problem(x: view.of(numbers(seed: 1)))
        for threads in TestedBackends.threadCounts {
            let backend = Backend.kernels(instructionSet, threads: threads)
            // The sole owner of its memory, so that it is written where it is.
            var y = try view.of(numbers(seed: 2))
            let outside = try view.of(Tensor(repeating: 0, shape: Self.shape))
            let storage = ObjectIdentifier(y.storage)
            let before = memory(y)
            try layerNorm(
                problem.x, weight: problem.weight, bias: problem.bias, into: &y, backend: backend)
            expect(y, problem, "into a view, \(threads) threads")
            #expect(ObjectIdentifier(y.storage) == storage)
            #expect(y.strides == outside.strides)
            try expectUntouchedBesides(view, before: before, after: memory(y))
        }
    }

    @Test(arguments: View.allCases)
    func theReferenceKeepsLayouts(view: View) throws {
        let problem = try Problem(x: view.of(numbers(seed: 1)))
        expect(
            try layerNorm(problem.x, weight: problem.weight, bias: problem.bias, backend: .reference), problem, "input")
        guard view.hasContiguousRows else { return }
        var x = try view.of(numbers(seed: 1))
        let strides = x.strides
        let before = memory(x)
        try layerNorm(inPlace: &x, weight: problem.weight, bias: problem.bias, backend: .reference)
        expect(x, problem, "in place")
        #expect(x.strides == strides)
        try expectUntouchedBesides(view, before: before, after: memory(x))
    }

    @Test(arguments: View.allCases.filter(\.hasContiguousRows), TestedBackends.instructionSets)
    func viewsInPlace(view: View, instructionSet: InstructionSet) throws {
        let problem = try Problem(x: view.of(numbers(seed: 1)))
        for threads in TestedBackends.threadCounts {
            let backend = Backend.kernels(instructionSet, threads: threads)
            var x = try view.of(numbers(seed: 1))
            let storage = ObjectIdentifier(x.storage)
            let before = memory(x)
            try layerNorm(inPlace: &x, weight: problem.weight, bias: problem.bias, backend: backend)
            expect(x, problem, "in place, \(threads) threads")
            #expect(ObjectIdentifier(x.storage) == storage)
            try expectUntouchedBesides(view, before: before, after: memory(x))
        }
    }

    /// The memory that `view` does not show is as before.
    private func expectUntouchedBesides(_ view: View, before: [Float], after: [Float]) throws {
        var shows = try view.of(Tensor<Float>(repeating: 0, shape: Self.shape))
        shows.assign([Float](repeating: 1, count: shows.count))
        let shown = memory(shows)
        #expect(shown.count == before.count && before.count == after.count)
        var touched = 0
        for index in shown.indices where shown[index] == 0 && before[index].bitPattern != after[index].bitPattern {
            touched += 1
        }
        #expect(touched == 0)
    }

    @Test(arguments: View.allCases, TestedBackends.instructionSets)
    func sharedTensorsKeepTheirElements(view: View, instructionSet: InstructionSet) throws {
        let origin = try numbers(seed: 1)
        let elements = origin.array
        let problem = try Problem(x: view.of(origin))
        let backend = Backend.kernels(instructionSet, threads: 2)
        if view.hasContiguousRows {
            var x = try view.of(origin)
            try layerNorm(inPlace: &x, weight: problem.weight, bias: problem.bias, backend: backend)
            expect(x, problem, "in place on a shared view")
            var y = problem.x
            try layerNorm(problem.x, weight: problem.weight, bias: problem.bias, into: &y, backend: backend)
            expect(y, problem, "into a copy of its input")
        }
        #expect(origin.array == elements)
    }

    @Test(arguments: View.allCases.filter { $0 != .noRows }, TestedBackends.instructionSets)
    func gradientsOfViews(view: View, instructionSet: InstructionSet) throws {
        let problem = try Problem(x: view.of(numbers(seed: 1)))
        let dy = try view.of(numbers(seed: 3))
        let dense = try layerNormBackward(
            Tensor(dy.array, shape: dy.shape), x: Tensor(problem.x.array, shape: dy.shape), weight: problem.weight,
            statistics: problem.statistics, backend: .reference)
        for threads in TestedBackends.threadCounts {
            let given = try layerNormBackward(
                dy, x: problem.x, weight: problem.weight, statistics: problem.statistics,
                backend: .kernels(instructionSet, threads: threads))
            #expect(given.input.shape == problem.x.shape)
            expectSameBits(given.input.array, dense.input.array, "input, \(threads) threads")
            expectSameBits(given.weight?.array ?? [], dense.weight?.array ?? [], "weight, \(threads) threads")
            expectSameBits(given.bias?.array ?? [], dense.bias?.array ?? [], "bias, \(threads) threads")
        }
    }
}
