// Bad shapes, axes and ranges: the error says what was wrong; indices out of range trap.

internal import Tensors
import Testing

@Suite struct TensorErrorTests {
    private func expectError<Result>(
        _ reason: NormalizationError.Reason, _ argument: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws(NormalizationError) -> Result
    ) {
        do {
            _ = try body()
            Issue.record("no error", sourceLocation: sourceLocation)
        } catch {
            #expect(error.reason == reason, sourceLocation: sourceLocation)
            #expect(error.argument == argument, sourceLocation: sourceLocation)
            #expect(!error.expected.isEmpty && !error.given.isEmpty, sourceLocation: sourceLocation)
        }
    }

    @Test func elementCountsThatDoNotFit() {
        expectError(.shapeMismatch, "elements") { () throws(NormalizationError) in
            try Tensor<Float>([1, 2, 3], shape: [2, 2])
        }
        expectError(.shapeMismatch, "elements") { () throws(NormalizationError) in try Tensor<Float>([], shape: [1]) }
        expectError(.shapeMismatch, "elements") { () throws(NormalizationError) in try Tensor<Float>([1], shape: [0]) }
    }

    /// Products beyond an `Int`, and counts whose bytes are.
    @Test(arguments: [
        [Int.max, 2], [2, Int.max], [1 << 32, 1 << 32], [Int.max], [Int.max / 4 + 1], [1 << 31, 1 << 31],
    ])
    func sizesThatOverflow(extents: [Int]) throws {
        let shape = Shape(extents)
        expectError(.sizeOverflow, "shape") { () throws(NormalizationError) in
            try Tensor<Float>(repeating: 0, shape: shape)
        }
        expectError(.sizeOverflow, "shape") { () throws(NormalizationError) in try Tensor<Float>([1], shape: shape) }
        let tensor = Tensor<Float>([1, 2])
        expectError(.sizeOverflow, "shape") { () throws(NormalizationError) in try tensor.reshaped(to: shape) }
    }

    @Test(arguments: [[-1], [3, -2], [-1, -1], [Int.min], [0, -1], [-1, Int.max]])
    func negativeExtents(extents: [Int]) {
        let shape = Shape(extents)
        #expect(shape.elementCount == nil)
        expectError(.invalidShape, "shape") { () throws(NormalizationError) in
            try Tensor<Float>(repeating: 0, shape: shape)
        }
        expectError(.invalidShape, "shape") { () throws(NormalizationError) in try Tensor<Float>([1], shape: shape) }
        let tensor = Tensor<Float>([1])
        expectError(.invalidShape, "shape") { () throws(NormalizationError) in try tensor.reshaped(to: shape) }
    }

    /// No elements, but extents whose product overflows: an error or an empty tensor, not a trap.
    @Test func emptyShapesOfHugeExtentsDoNotTrap() async {
        await #expect(processExitsWith: .success) {
            _ = try? Tensor<Float>([], shape: [0, Int.max, 2])
            _ = try? Tensor<Float>([], shape: [Int.max, 2, 0])
            _ = try? Tensor<Float>([], shape: [0]).reshaped(to: [0, Int.max, Int.max])
            _ = try? Tensor<Float>([], shape: [1 << 40, 1 << 40, 0]).sliced(1 << 39..<(1 << 39) + 1)
        }
    }

    @Test func slicesOutOfRange() throws {
        let tensor = try Tensor<Float>(repeating: 0, shape: [3, 4])
        for range in [-1..<2, 0..<4, 4..<4, -2 ..< -1, 2..<Int.max] {
            expectError(.outOfRange, "range") { () throws(NormalizationError) in try tensor.sliced(range) }
        }
        expectError(.outOfRange, "range") { () throws(NormalizationError) in try tensor.sliced(0..<5, axis: 1) }
        for axis in [-1, 2, Int.max] {
            expectError(.outOfRange, "axis") { () throws(NormalizationError) in try tensor.sliced(0..<1, axis: axis) }
        }
    }

    @Test func transposesOutOfRange() throws {
        let tensor = try Tensor<Float>(repeating: 0, shape: [3, 4])
        expectError(.outOfRange, "first") { () throws(NormalizationError) in try tensor.transposed(2, 0) }
        expectError(.outOfRange, "first") { () throws(NormalizationError) in try tensor.transposed(-1, 0) }
        expectError(.outOfRange, "second") { () throws(NormalizationError) in try tensor.transposed(0, 2) }
        let scalar = try Tensor<Float>([1], shape: [])
        expectError(.outOfRange, "first") { () throws(NormalizationError) in try scalar.transposed(0, 0) }
    }

    @Test func reshapesThatDoNotFit() throws {
        let tensor = try Tensor<Float>(repeating: 0, shape: [3, 4])
        for shape: Shape in [[11], [13], [3, 5], [], [0]] {
            expectError(.shapeMismatch, "shape") { () throws(NormalizationError) in try tensor.reshaped(to: shape) }
        }
    }

    @Test func indicesOutOfRangeTrap() async {
        await #expect(processExitsWith: .failure) {
            let tensor = try Tensor<Float>(repeating: 0, shape: [3, 4])
            print(tensor[3, 0])
        }
        await #expect(processExitsWith: .failure) {
            let tensor = try Tensor<Float>(repeating: 0, shape: [3, 4])
            print(tensor[0, -1])
        }
        await #expect(processExitsWith: .failure) {
            let tensor = try Tensor<Float>(repeating: 0, shape: [3, 4])
            print(tensor[0])
        }
    }

    @Test func errorsDescribeThemselves() {
        let error = NormalizationError(.shapeMismatch, argument: "weight", expected: "shape [3]", given: "[4]")
        #expect("\(error)" == "weight: expected shape [3], given [4]")
    }
}
