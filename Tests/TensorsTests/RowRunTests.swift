// Row runs: every row once, in order, and in one run where the leading axes collapse into one stride.

internal import Tensors
import Testing

@Suite struct RowRunTests {
    /// The runs of two tensors of one shape.
    private func runs(_ source: Tensor<Float>, _ destination: Tensor<Float>) -> [RowRun] {
        var runs: [RowRun] = []
        source.forEachRowRun(with: destination) { runs.append($0) }
        return runs
    }

    /// The storage positions of all rows, in row-major order, by the strides alone.
    private func rowStarts(_ tensor: Tensor<Float>) -> [Int] {
        var starts = [tensor.offset]
        for axis in 0..<max(0, tensor.shape.rank - 1) {
            starts = starts.flatMap { start in (0..<tensor.shape[axis]).map { start + $0 * tensor.strides[axis] } }
        }
        return starts
    }

    private static let views: [(name: String, tensor: Tensor<Float>, runs: Int)] = {
        do {
            let dense = try Tensor<Float>(repeating: 0, shape: [3, 4, 5, 6])
            return [
                ("dense", dense, 1),
                ("one vector", Tensor<Float>([1, 2, 3]), 1),
                ("one row of many", try dense.sliced(1..<2).sliced(2..<3, axis: 1).sliced(0..<1, axis: 2), 1),
                ("first axis sliced", try dense.sliced(1..<3), 1),
                ("last axis sliced", try dense.sliced(2..<5, axis: 3), 1),
                ("axis before the last sliced", try dense.sliced(1..<4, axis: 2), 3 * 4),
                ("second axis sliced", try dense.sliced(1..<3, axis: 1), 3),
                ("leading axes exchanged", try dense.transposed(0, 1), 4 * 3),
                ("middle axes exchanged", try dense.transposed(1, 2), 3 * 5),
                ("outer axes exchanged", try dense.transposed(0, 2), 5 * 4),
                ("an axis of one", try dense.sliced(2..<3, axis: 1), 3),
                ("no rows", try dense.sliced(2..<2, axis: 1), 0),
            ]
        } catch { return [] }
    }()

    @Test func thereAreViewsToTest() { #expect(Self.views.count == 12) }

    @Test(arguments: views.indices)
    func everyRowComesOnceAndInOrder(index: Int) {
        let (name, tensor, expectedRuns) = Self.views[index]
        let dense = tensor.contiguous()
        for (source, destination) in [(tensor, tensor), (tensor, dense), (dense, tensor)] {
            let runs = runs(source, destination)
            var sourceRows: [Int] = []
            var destinationRows: [Int] = []
            for run in runs {
                #expect(run.firstRow == sourceRows.count, "\(name)")
                sourceRows += (0..<run.rows).map { run.source.start + $0 * run.source.stride }
                destinationRows += (0..<run.rows).map { run.destination.start + $0 * run.destination.stride }
            }
            #expect(sourceRows == (tensor.count == 0 ? [] : rowStarts(source)), "\(name)")
            #expect(destinationRows == (tensor.count == 0 ? [] : rowStarts(destination)), "\(name)")
        }
        #expect(runs(tensor, tensor).count <= expectedRuns, "\(name)")
    }

    @Test func leadingAxesOfBothCollapseIntoOneRun() throws {
        let wide = try Tensor<Float>(repeating: 0, shape: [3, 4, 8])
        let narrow = try wide.sliced(1..<7, axis: 2)
        let runs = runs(narrow, narrow.contiguous())
        #expect(runs.count == 1)
        #expect(runs.first?.rows == 12)
        #expect(runs.first?.source.stride == 8)
        #expect(runs.first?.source.start == 1)
        #expect(runs.first?.destination.stride == 6)
    }

    /// A kernel asks for rows no closer together than they are long, for one row too.
    @Test(arguments: views.indices)
    func strideIsAtLeastTheRowLength(index: Int) {
        let tensor = Self.views[index].tensor
        for run in runs(tensor, tensor) { #expect(run.source.stride >= tensor.shape[tensor.shape.rank - 1]) }
    }

    @Test func contiguousRowsAreSeenByTheLastStride() throws {
        let dense = try Tensor<Float>(repeating: 0, shape: [3, 4])
        #expect(dense.hasContiguousRows)
        #expect(try dense.sliced(1..<3, axis: 1).hasContiguousRows)
        let transpose = try dense.transposed(0, 1)
        #expect(!transpose.hasContiguousRows)
        #expect(try transpose.sliced(0..<1, axis: 1).hasContiguousRows)
    }

    @Test func errorsOfTheBodyEndTheWalk() throws {
        let dense = try Tensor<Float>(repeating: 0, shape: [3, 4, 5]).transposed(0, 1)
        let failure = NormalizationError(.kernelRefused, argument: "a", expected: "b", given: "c")
        var calls = 0
        #expect(throws: failure) {
            try dense.forEachRowRun(with: dense) { (_: RowRun) throws(NormalizationError) in
                calls += 1
                throw failure
            }
        }
        #expect(calls == 1)
    }
}
