// The layer, its pullback, and gradients that are reused or added to.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormLayerTests {
    private static let backends = TestedBackends.kernels + [.automatic, .reference]

    private struct Problem {
        let x: Tensor<Float>
        let dy: Tensor<Float>
        var norm: LayerNorm

        init(rows: Int = 40, columns: Int = 29, seed: UInt64 = 1, backend: Backend = .automatic) throws {
            let input = try LayerNormVerification.Case("", rows: rows, columns: columns, seed: seed)
            (x, dy) = (input.x, input.outputGradient)
            norm = try LayerNorm(featureCount: columns, epsilon: 1e-3, backend: backend)
            norm.weight = try #require(input.weight)
            norm.bias = try #require(input.bias)
        }
    }

    private func expectSameBits(
        _ given: NormGradients<Float>, _ expected: NormGradients<Float>, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (name, given, expected) in [
            ("input", given.input, expected.input), ("weight", given.weight, expected.weight),
            ("bias", given.bias, expected.bias),
        ] as [(String, Tensor<Float>?, Tensor<Float>?)] {
            NormalizationTests.expectSameBits(
                given?.array ?? [], expected?.array ?? [], name, sourceLocation: sourceLocation)
        }
    }

    @Test func aNewLayerOnlyNormalizes() throws {
        let norm = try LayerNorm(featureCount: 29)
        #expect(norm.weight == (try Tensor(repeating: 1, shape: [29])))
        #expect(norm.bias == (try Tensor(repeating: 0, shape: [29])))
        #expect(norm.epsilon == 1e-5)
        let x = try Problem().x
        NormalizationTests.expectSameBits(try norm(x).array, try layerNorm(x).array, "no parameters")
    }

    @Test(arguments: backends)
    func theLayerIsTheFunction(backend: Backend) throws {
        let problem = try Problem(backend: backend)
        let norm = problem.norm
        let expected = try layerNorm(
            problem.x, weight: norm.weight, bias: norm.bias, epsilon: 1e-3, backend: .reference)
        NormalizationTests.expectSameBits(try norm(problem.x).array, expected.array, "call")
        let (value, _) = try norm.valueWithPullback(at: problem.x)
        NormalizationTests.expectSameBits(value.array, expected.array, "value")
    }

    @Test(arguments: backends)
    func thePullbackIsTheBackwardFunction(backend: Backend) throws {
        var problem = try Problem(backend: backend)
        let (_, statistics) = try layerNormWithStatistics(
            problem.x, weight: problem.norm.weight, bias: problem.norm.bias, epsilon: 1e-3, backend: .reference)
        let expected = try layerNormBackward(
            problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, backend: .reference)
        let (_, pullback) = try problem.norm.valueWithPullback(at: problem.x)
        // A pullback is of the moment it was made in.
        problem.norm.weight = try Tensor(repeating: 5, shape: [29])
        problem.norm.epsilon = 1
        expectSameBits(try pullback(problem.dy), expected)
        expectSameBits(try pullback(problem.dy), expected)
    }

    @Test func pullbacksRefuseAnotherShape() throws {
        let problem = try Problem()
        let (_, pullback) = try problem.norm.valueWithPullback(at: problem.x)
        expectError(.shapeMismatch, "outputGradient") { () throws(NormalizationError) in
            try pullback(try Tensor(repeating: 1, shape: [29]))
        }
    }

    @Test(arguments: backends)
    func accumulatingAdds(backend: Backend) throws {
        let problems = try [UInt64(1), 2, 3].map { try Problem(seed: $0) }
        var gradients = try NormGradients<Float>(shape: problems[0].x.shape)
        var weight = [Float](repeating: 0, count: 29)
        var bias = weight
        for problem in problems {
            let (_, statistics) = try layerNormWithStatistics(problem.x, backend: .reference)
            let single = try layerNormBackward(
                problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, backend: .reference)
            weight = zip(weight, try #require(single.weight).array).map { $0 + $1 }
            bias = zip(bias, try #require(single.bias).array).map { $0 + $1 }
            try layerNormBackward(
                problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, into: &gradients,
                accumulating: true, backend: backend)
            // The gradient of the input is that of this pass alone.
            NormalizationTests.expectSameBits(gradients.input.array, single.input.array, "input")
        }
        NormalizationTests.expectSameBits(gradients.weight?.array ?? [], weight, "weight")
        NormalizationTests.expectSameBits(gradients.bias?.array ?? [], bias, "bias")
    }

    /// Gradients keep their memory from pass to pass, and what was in them does not show.
    @Test(arguments: backends)
    func gradientsAreReused(backend: Backend) throws {
        let first = try Problem(rows: 100, seed: 1)
        let second = try Problem(rows: 100, seed: 2)
        var gradients = try NormGradients<Float>(shape: first.x.shape)
        func storages() -> [ObjectIdentifier] {
            [gradients.input, gradients.weight, gradients.bias].compactMap { $0.map { ObjectIdentifier($0.storage) } }
        }
        let memory = storages()
        #expect(memory.count == 3)
        for problem in [first, second] {
            let (_, statistics) = try layerNormWithStatistics(problem.x, backend: .reference)
            try layerNormBackward(
                problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, into: &gradients,
                backend: backend)
            #expect(storages() == memory)
            expectSameBits(
                gradients,
                try layerNormBackward(
                    problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, backend: .reference))
        }
    }

    @Test(arguments: backends, [(true, false), (false, true), (false, false)])
    func unwantedGradientsAreNotMade(backend: Backend, wanted: (weight: Bool, bias: Bool)) throws {
        let problem = try Problem()
        let (_, statistics) = try layerNormWithStatistics(problem.x, backend: .reference)
        let all = try layerNormBackward(
            problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, backend: .reference)
        var gradients = try NormGradients<Float>(shape: problem.x.shape, weight: wanted.weight, bias: wanted.bias)
        try layerNormBackward(
            problem.dy, x: problem.x, weight: problem.norm.weight, statistics: statistics, into: &gradients,
            backend: backend)
        NormalizationTests.expectSameBits(gradients.input.array, all.input.array, "input")
        #expect((gradients.weight != nil) == wanted.weight)
        #expect((gradients.bias != nil) == wanted.bias)
        if wanted.weight {
            NormalizationTests.expectSameBits(gradients.weight?.array ?? [], all.weight?.array ?? [], "weight")
        }
        if wanted.bias {
            NormalizationTests.expectSameBits(gradients.bias?.array ?? [], all.bias?.array ?? [], "bias")
        }
    }

    @Test func badLayers() {
        for featureCount in [0, -1, Int.min] {
            expectError(.invalidShape, "featureCount") { () throws(NormalizationError) in
                try LayerNorm(featureCount: featureCount)
            }
        }
        expectError(.sizeOverflow, "featureCount") { () throws(NormalizationError) in
            try LayerNorm(featureCount: .max)
        }
        for epsilon in BadInput.epsilons {
            expectError(.invalidEpsilon, "epsilon") { () throws(NormalizationError) in
                try LayerNorm(featureCount: 3, epsilon: epsilon)
            }
        }
    }

    /// Properties may be set to anything; the call then says what is wrong.
    @Test func badPropertiesAreFoundByTheCall() throws {
        var norm = try LayerNorm(featureCount: 3)
        let x = try Tensor<Float>(repeating: 1, shape: [2, 3])
        norm.weight = Tensor([1, 2])
        expectError(.shapeMismatch, "weight") { () throws(NormalizationError) in try norm(x) }
        norm = try LayerNorm(featureCount: 3)
        norm.epsilon = .nan
        expectError(.invalidEpsilon, "epsilon") { () throws(NormalizationError) in try norm.valueWithPullback(at: x) }
        norm = try LayerNorm(featureCount: 4)
        expectError(.shapeMismatch, "weight") { () throws(NormalizationError) in try norm(x) }
    }
}
