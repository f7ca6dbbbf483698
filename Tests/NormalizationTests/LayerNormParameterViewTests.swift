// Weight and bias that are views, or that share memory with other arguments.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormParameterViewTests {
    private static let columns = 45

    /// Slices of longer vectors: they start anywhere in memory.
    @Test(arguments: TestedBackends.kernels + [.reference])
    func slicedParameters(backend: Backend) throws {
        let input = try LayerNormVerification.Case("", rows: 7, columns: Self.columns)
        let expected = try LayerNormVerification.Result(input, backend: .reference)
        let weight = try #require(input.weight).array
        let bias = try #require(input.bias).array
        for shift in 1..<16 {
            let padding = [Float](repeating: .nan, count: shift)
            let range = shift..<shift + Self.columns
            let sliced = LayerNormVerification.Case(
                "", x: input.x, outputGradient: input.outputGradient,
                weight: try Tensor(padding + weight + padding).sliced(range),
                bias: try Tensor(padding + bias + padding).sliced(range), epsilon: input.epsilon)
            expectSameBits(
                try LayerNormVerification.Result(sliced, backend: backend), expected, "parameters from \(shift) on")
        }
    }

    /// A row of the input as weight, another as bias: in place, the row must not be read after it is written.
    @Test(arguments: TestedBackends.kernels + [.reference])
    func parametersFromTheInput(backend: Backend) throws {
        let x = try LayerNormVerification.Case("", rows: 9, columns: Self.columns).x
        let weight = Tensor(try x.sliced(2..<3).array)
        let bias = Tensor(try x.sliced(7..<8).array)
        let expected = try layerNorm(x, weight: weight, bias: bias, backend: .reference).array

        let columns = Self.columns
        let weightView = try x.sliced(2..<3).reshaped(to: [columns])
        let biasView = try x.sliced(7..<8).reshaped(to: [columns])
        #expect(ObjectIdentifier(weightView.storage) == ObjectIdentifier(x.storage))
        expectSameBits(
            try layerNorm(x, weight: weightView, bias: biasView, backend: backend).array, expected, "views of x")
        var inPlace = x
        try layerNorm(inPlace: &inPlace, weight: weightView, bias: biasView, backend: backend)
        expectSameBits(inPlace.array, expected, "in place, views of x")
        var y = x
        try layerNorm(x, weight: weightView, bias: biasView, into: &y, backend: backend)
        expectSameBits(y.array, expected, "into a copy of x, views of x")
    }

    /// The same tensor as x and dy, and gradients that still share memory with an earlier copy of themselves.
    @Test(arguments: TestedBackends.kernels + [.reference])
    func gradientsFromSharedMemory(backend: Backend) throws {
        let x = try LayerNormVerification.Case("", rows: 20, columns: Self.columns).x
        let (_, statistics) = try layerNormWithStatistics(x, backend: .reference)
        let expected = try layerNormBackward(
            Tensor(x.array, shape: x.shape), x: x, statistics: statistics, backend: .reference)
        var gradients = try layerNormBackward(x, x: x, statistics: statistics, backend: backend)
        expectSameBits(gradients.input.array, expected.input.array, "x as its own gradient")

        let kept = gradients
        let input = kept.input.array
        // dy is the tensor that the gradient is written to.
        try layerNormBackward(gradients.input, x: x, statistics: statistics, into: &gradients, backend: backend)
        let second = try layerNormBackward(
            Tensor(input, shape: x.shape), x: x, statistics: statistics, backend: .reference)
        expectSameBits(gradients.input.array, second.input.array, "dy overwritten by dx")
        expectSameBits(gradients.weight?.array ?? [], second.weight?.array ?? [], "weight")
        expectSameBits(kept.input.array, input, "a copy of the gradients")
    }
}
