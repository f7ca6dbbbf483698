// Bad input to the backward functions, and gradients over no rows.

internal import Normalization
import Testing

@Suite struct LayerNormBackwardErrorTests {
    private static let shape: Shape = [4, 3]

    /// A call that is right but for what a test changes.
    private struct Call {
        var dy: Tensor<Float>
        var x: Tensor<Float>
        var weight: Tensor<Float>?
        var statistics: RowStatistics
        var backend = Backend.automatic

        init(shape: Shape = shape) throws {
            x = try Tensor((0..<(shape.elementCount ?? 0)).map(Float.init), shape: shape)
            dy = x
            weight = try Tensor(repeating: 2, shape: [3])
            statistics = try LayerNormBackwardErrorTests.statistics(of: shape)
        }
    }

    private static func statistics(of shape: Shape) throws -> RowStatistics {
        try layerNormWithStatistics(Tensor<Float>(repeating: 1, shape: shape)).statistics
    }

    /// Gradients with something in them: those of a call that is right.
    private func filledGradients() throws -> NormGradients<Float> {
        let call = try Call()
        return try layerNormBackward(call.dy, x: call.x, weight: call.weight, statistics: call.statistics)
    }

    private func expectRefused(
        _ call: Call, _ reason: NormalizationError.Reason, _ argument: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        expectError(reason, argument, "returning", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try layerNormBackward(
                call.dy, x: call.x, weight: call.weight, statistics: call.statistics, backend: call.backend)
        }
        var gradients = try filledGradients()
        let before = gradients
        for accumulating in [false, true] {
            expectError(reason, argument, "into", sourceLocation: sourceLocation) { () throws(NormalizationError) in
                try layerNormBackward(
                    call.dy, x: call.x, weight: call.weight, statistics: call.statistics, into: &gradients,
                    accumulating: accumulating, backend: call.backend)
            }
            expectSameBits(gradients.input.array, before.input.array, "input", sourceLocation: sourceLocation)
            expectSameBits(
                gradients.weight?.array ?? [], before.weight?.array ?? [], "weight", sourceLocation: sourceLocation)
            expectSameBits(
                gradients.bias?.array ?? [], before.bias?.array ?? [], "bias", sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: [[12], [3, 4], [4, 4], [4, 3, 1], [2, 2, 3], []])
    func gradientsOfAnotherShape(extents: [Int]) throws {
        for backend in [Backend.automatic, .reference] {
            var call = try Call()
            call.backend = backend
            call.dy = try Tensor(repeating: 1, shape: Shape(extents))
            try expectRefused(call, .shapeMismatch, "outputGradient")
        }
    }

    @Test(arguments: [[3, 3], [5, 3], [1, 3], [0, 3], [2, 3, 3]])
    func statisticsOfAnotherInput(extents: [Int]) throws {
        for backend in [Backend.automatic, .reference] {
            var call = try Call()
            call.backend = backend
            call.statistics = try Self.statistics(of: Shape(extents))
            try expectRefused(call, .shapeMismatch, "statistics")
        }
    }

    @Test(arguments: [[2], [4], [0], [], [1, 3], [3, 1]])
    func weightOfAnotherShape(extents: [Int]) throws {
        for backend in [Backend.automatic, .reference] {
            var call = try Call()
            call.backend = backend
            call.weight = try Tensor(repeating: 1, shape: Shape(extents))
            try expectRefused(call, .shapeMismatch, "weight")
        }
    }

    @Test(arguments: [[], [0], [4, 0]])
    func noColumns(extents: [Int]) throws {
        var call = try Call()
        call.x = try Tensor(repeating: 1, shape: Shape(extents))
        call.dy = call.x
        try expectRefused(call, .invalidShape, "x")
    }

    @Test(arguments: BadInput.backends.indices)
    func badBackend(index: Int) throws {
        var call = try Call()
        call.backend = BadInput.backends[index].backend
        try expectRefused(call, BadInput.backends[index].reason, "backend")
    }

    @Test(arguments: [[4, 4], [3, 3], [12], [2, 2, 3]])
    func gradientsForAnotherInput(extents: [Int]) throws {
        for backend in [Backend.automatic, .reference] {
            let call = try Call()
            var gradients = try NormGradients<Float>(shape: Shape(extents))
            expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
                try layerNormBackward(
                    call.dy, x: call.x, weight: call.weight, statistics: call.statistics, into: &gradients,
                    backend: backend)
            }
            #expect(gradients.input.shape == Shape(extents) && !gradients.input.array.contains { $0 != 0 })
            #expect(gradients.weight?.array == [Float](repeating: 0, count: extents[extents.count - 1]))
        }
    }

    @Test func gradientsOfImpossibleShapes() {
        for extents in [[], [0], [3, 0]] {
            expectError(.invalidShape, "shape") { () throws(NormalizationError) in
                try NormGradients<Float>(shape: Shape(extents))
            }
        }
        for extents in [[Int.max, 2], [2, Int.max], [Int.max]] {
            expectError(.sizeOverflow, "shape") { () throws(NormalizationError) in
                try NormGradients<Float>(shape: Shape(extents))
            }
        }
        for extents in [[-1, 3], [3, -1]] {
            expectError(.invalidShape, "shape") { () throws(NormalizationError) in
                try NormGradients<Float>(shape: Shape(extents))
            }
        }
    }

    /// The sums over no rows are 0; accumulating, what was there stays.
    @Test(arguments: TestedBackends.kernels + [.automatic, .reference])
    func noRowsGiveZeroSums(backend: Backend) throws {
        let call = try Call(shape: [0, 3])
        let gradients = try layerNormBackward(
            call.dy, x: call.x, weight: call.weight, statistics: call.statistics, backend: backend)
        #expect(gradients.input.shape == [0, 3] && gradients.input.array == [])
        #expect(gradients.weight?.array == [0, 0, 0])
        #expect(gradients.bias?.array == [0, 0, 0])
    }
}
