// Bad input to the forward functions on arrays and spans.

internal import Normalization
import Testing

@Suite struct LayerNormSpanErrorTests {
    /// The call on arrays and the call on spans refuse, and leave the output as it was.
    private func expectRefused(
        _ reason: NormalizationError.Reason, _ argument: String, x: [Float] = [1, 2, 3, 4, 5, 6], columns: Int = 3,
        weight: [Float]? = nil, bias: [Float]? = nil, epsilon: Float = 1e-5, outputCount: Int = 6,
        backend: Backend = .automatic, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var y = untouched(outputCount)
        expectError(reason, argument, "array", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try layerNorm(
                x, columns: columns, weight: weight, bias: bias, epsilon: epsilon, into: &y, backend: backend)
        }
        expectUntouched(y, "array", sourceLocation: sourceLocation)
        expectError(reason, argument, "span", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            var span = y.mutableSpan
            try layerNorm(
                x.span, columns: columns, weight: weight?.span, bias: bias?.span, epsilon: epsilon, into: &span,
                backend: backend)
        }
        expectUntouched(y, "span", sourceLocation: sourceLocation)
        #expect(y.count == outputCount, sourceLocation: sourceLocation)
    }

    @Test(arguments: [0, -1, Int.min])
    func columnsBelowOne(columns: Int) {
        expectRefused(.invalidShape, "columns", columns: columns)
        expectRefused(.invalidShape, "columns", x: [], columns: columns, outputCount: 0)
        expectRefused(.invalidShape, "columns", columns: columns, backend: .reference)
    }

    @Test(arguments: [4, 5, 7, Int.max])
    func elementsThatAreNotWholeRows(columns: Int) {
        expectRefused(.shapeMismatch, "x", columns: columns)
        expectRefused(.shapeMismatch, "x", columns: columns, backend: .reference)
    }

    @Test(arguments: [0, 1, 2, 4, 6])
    func parametersOfAnotherLength(count: Int) {
        let wrong = [Float](repeating: 1, count: count)
        for backend in [Backend.automatic, .reference] {
            expectRefused(.shapeMismatch, "weight", weight: wrong, backend: backend)
            expectRefused(.shapeMismatch, "weight", weight: wrong, bias: [0, 0, 0], backend: backend)
            expectRefused(.shapeMismatch, "bias", bias: wrong, backend: backend)
            expectRefused(.shapeMismatch, "bias", weight: [1, 1, 1], bias: wrong, backend: backend)
        }
    }

    @Test(arguments: [0, 3, 5, 7, 12])
    func anotherOutputLength(count: Int) {
        expectRefused(.shapeMismatch, "y", outputCount: count)
        expectRefused(.shapeMismatch, "y", outputCount: count, backend: .reference)
    }

    @Test(arguments: BadInput.epsilons)
    func badEpsilon(epsilon: Float) {
        expectRefused(.invalidEpsilon, "epsilon", epsilon: epsilon)
        expectRefused(.invalidEpsilon, "epsilon", epsilon: epsilon, backend: .reference)
    }

    @Test(arguments: BadInput.backends.indices)
    func badBackend(index: Int) {
        expectRefused(BadInput.backends[index].reason, "backend", backend: BadInput.backends[index].backend)
    }
}
