// Bad input to the forward functions on tensors.

internal import Normalization
import Testing

@Suite struct LayerNormErrorTests {
    /// A call that is right but for what a test changes.
    private struct Call {
        var x: Tensor<Float>
        var weight: Tensor<Float>?
        var bias: Tensor<Float>?
        var epsilon: Float = 1e-5
        var backend = Backend.automatic

        init(shape: Shape = [2, 3]) throws {
            x = try Tensor(repeating: 1, shape: shape)
            weight = try Tensor(repeating: 1, shape: [3])
            bias = try Tensor(repeating: 0, shape: [3])
        }
    }

    /// Every forward function refuses the call and leaves its output as it was.
    private func expectRefused(
        _ call: Call, _ reason: NormalizationError.Reason, _ argument: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        expectError(reason, argument, "layerNorm", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try layerNorm(call.x, weight: call.weight, bias: call.bias, epsilon: call.epsilon, backend: call.backend)
        }
        expectError(reason, argument, "with statistics", sourceLocation: sourceLocation) {
            () throws(NormalizationError) in
            try layerNormWithStatistics(
                call.x, weight: call.weight, bias: call.bias, epsilon: call.epsilon, backend: call.backend)
        }
        var y = try Tensor(untouched(call.x.count), shape: call.x.shape)
        expectError(reason, argument, "into", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try layerNorm(
                call.x, weight: call.weight, bias: call.bias, epsilon: call.epsilon, into: &y, backend: call.backend)
        }
        expectUntouched(y.array, "into", sourceLocation: sourceLocation)
        var x = try Tensor(untouched(call.x.count), shape: call.x.shape)
        expectError(reason, argument, "in place", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try layerNorm(
                inPlace: &x, weight: call.weight, bias: call.bias, epsilon: call.epsilon, backend: call.backend)
        }
        expectUntouched(x.array, "in place", sourceLocation: sourceLocation)
    }

    @Test func theCallIsRightBeforeItIsChanged() throws {
        let call = try Call()
        #expect(try layerNorm(call.x, weight: call.weight, bias: call.bias).array == [Float](repeating: 0, count: 6))
    }

    @Test(arguments: [[0], [3, 0], [0, 0], [2, 3, 0], []])
    func noColumns(extents: [Int]) throws {
        var call = try Call()
        call.x = try Tensor(repeating: 1, shape: Shape(extents))
        (call.weight, call.bias) = (nil, nil)
        try expectRefused(call, .invalidShape, "x")
        call.backend = .reference
        try expectRefused(call, .invalidShape, "x")
    }

    @Test(arguments: [[2], [4], [0], [], [1, 3], [3, 1], [2, 3]])
    func parametersOfAnotherShape(extents: [Int]) throws {
        let wrong = try Tensor<Float>(repeating: 1, shape: Shape(extents))
        for backend in [Backend.automatic, .reference] {
            var call = try Call()
            call.backend = backend
            call.weight = wrong
            try expectRefused(call, .shapeMismatch, "weight")
            call.bias = nil
            try expectRefused(call, .shapeMismatch, "weight")
            call = try Call()
            call.backend = backend
            call.bias = wrong
            try expectRefused(call, .shapeMismatch, "bias")
            call.weight = nil
            try expectRefused(call, .shapeMismatch, "bias")
        }
    }

    @Test(arguments: BadInput.epsilons)
    func badEpsilon(epsilon: Float) throws {
        for backend in [Backend.automatic, .kernels(.portable, threads: 1), .reference] {
            var call = try Call()
            call.epsilon = epsilon
            call.backend = backend
            try expectRefused(call, .invalidEpsilon, "epsilon")
        }
    }

    @Test(arguments: BadInput.backends.indices)
    func badBackend(index: Int) throws {
        var call = try Call()
        call.backend = BadInput.backends[index].backend
        try expectRefused(call, BadInput.backends[index].reason, "backend")
    }

    /// Empty or not, a call is checked in full.
    @Test func noRowsAreNoExcuse() throws {
        var call = try Call(shape: [0, 3])
        call.epsilon = -1
        try expectRefused(call, .invalidEpsilon, "epsilon")
        call = try Call(shape: [0, 3])
        call.weight = Tensor([1, 2])
        try expectRefused(call, .shapeMismatch, "weight")
        for (reason, backend) in BadInput.backends {
            call = try Call(shape: [0, 3])
            call.backend = backend
            try expectRefused(call, reason, "backend")
        }
    }

    @Test(arguments: [[6], [3, 2], [2, 4], [1, 3], [2, 3, 1], [1, 2, 3], [], [0, 3]])
    func anotherOutputShape(extents: [Int]) throws {
        let call = try Call()
        let shape = Shape(extents)
        for backend in [Backend.automatic, .reference] {
            var y = try Tensor(untouched(shape.elementCount ?? 0), shape: shape)
            expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
                try layerNorm(call.x, weight: call.weight, bias: call.bias, into: &y, backend: backend)
            }
            #expect(y.shape == shape)
            expectUntouched(y.array)
        }
    }

    /// Kernels write rows; elements that lie apart they cannot write.
    @Test func outputWithoutContiguousRows() throws {
        for backend in [Backend.automatic, .reference] {
            let call = try Call()
            var y = try Tensor(untouched(6), shape: [3, 2]).transposed(0, 1)
            expectError(.unsupportedLayout, "y") { () throws(NormalizationError) in
                try layerNorm(call.x, weight: call.weight, bias: call.bias, into: &y, backend: backend)
            }
            expectUntouched(try y.transposed(0, 1).array)
            var x = try Tensor(untouched(6), shape: [3, 2]).transposed(0, 1)
            expectError(.unsupportedLayout, "x") { () throws(NormalizationError) in
                try layerNorm(inPlace: &x, weight: call.weight, bias: call.bias, backend: backend)
            }
            expectUntouched(try x.transposed(0, 1).array)
        }
    }

    @Test(arguments: TestedBackends.kernels + [.automatic, .reference], [[0, 5], [0, 4, 5], [4, 0, 5]])
    func noRowsGiveEmptyResults(backend: Backend, extents: [Int]) throws {
        let shape = Shape(extents)
        let x = try Tensor<Float>([], shape: shape)
        let (y, statistics) = try layerNormWithStatistics(x, weight: Tensor<Float>([1, 2, 3, 4, 5]), backend: backend)
        #expect(y.shape == shape && y.array == [])
        #expect(statistics.mean.shape == Shape(extents.dropLast()) && statistics.mean.array == [])
        #expect(try layerNorm(x, backend: backend) == x)
        var inPlace = x
        try layerNorm(inPlace: &inPlace, backend: backend)
        #expect(inPlace == x)
    }
}
