// Bad input of channel normalization: the right error, before any output is touched; and what is not an error.

internal import Normalization
import Testing

@Suite struct ChannelNormErrorTests {
    private let x: Tensor<Float>
    private let three: Tensor<Float>

    init() throws {
        x = try Tensor((0..<24).map { Float($0 % 7) }, shape: [2, 4, 3])
        three = try Tensor(repeating: 1, shape: [3])
    }

    private func expectRefusal(
        _ reason: NormalizationError.Reason, _ argument: String, _ sets: ChannelSets = .batch(),
        x given: Tensor<Float>? = nil, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil, epsilon: Float = 1e-5,
        layout: ChannelLayout = .channelsFirst, y: Tensor<Float>? = nil, backend: Backend = .automatic,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let x = given ?? x
        var output = try y ?? Tensor(untouched(x.count), shape: x.shape)
        let count = output.count
        expectError(reason, argument, "\(sets)", sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try channelNorm(
                x, over: sets, weight: weight, bias: bias, epsilon: epsilon, layout: layout, into: &output,
                backend: backend)
        }
        if y == nil { expectUntouched(output.array, sourceLocation: sourceLocation) }
        #expect(output.count == count, sourceLocation: sourceLocation)
    }

    @Test func shapes() throws {
        try expectRefusal(.invalidShape, "x", x: Tensor([1, 2, 3]))
        try expectRefusal(.invalidShape, "x", x: Tensor(repeating: 0, shape: [2, 0, 3]))
        try expectRefusal(.invalidShape, "x", x: Tensor(repeating: 0, shape: [2, 3, 0]))
        try expectRefusal(.shapeMismatch, "y", y: Tensor(untouched(24), shape: [2, 3, 4]))
        try expectRefusal(.unsupportedLayout, "y", y: x.reshaped(to: [2, 3, 4]).transposed(1, 2))
        try expectRefusal(.shapeMismatch, "weight", weight: three)
        try expectRefusal(.shapeMismatch, "bias", bias: three)
        try expectRefusal(.shapeMismatch, "weight", weight: Tensor(repeating: 1, shape: [4]), layout: .channelsLast)
    }

    @Test func sets() throws {
        for count in [0, -1, 3, 5, 8] { try expectRefusal(.shapeMismatch, "sets", .groups(count)) }
        for counts in [[], [1], [3], [1, 2], [0, 2], [-1, 3], [1, 1, 1]] {
            try expectRefusal(.shapeMismatch, "sets", .batch(.perSource(counts)))
        }
        let some = Moments(count: 2, mean: 0, sumOfSquaredDeviations: 1)
        try expectRefusal(.shapeMismatch, "sets", .batch(.reference([some])))
        try expectRefusal(.invalidMoments, "sets", .batch(.reference([some, some, some, Moments()])))
        try expectRefusal(
            .invalidMoments, "sets",
            .batch(.reference([some, some, some, Moments(count: 1, mean: 0, sumOfSquaredDeviations: -1)])))
    }

    @Test func numbersAndBackends() throws {
        for epsilon in BadInput.epsilons { try expectRefusal(.invalidEpsilon, "epsilon", epsilon: epsilon) }
        for (reason, backend) in BadInput.backends { try expectRefusal(reason, "backend", backend: backend) }
    }

    @Test func backward() throws {
        let (_, statistics) = try channelNormWithStatistics(x, over: .batch())
        let other = try x.reshaped(to: [2, 3, 4])
        let longer = try Tensor<Float>(repeating: 0, shape: [2, 4, 5])
        func expect(
            _ argument: String, dy: Tensor<Float>? = nil, x: Tensor<Float>? = nil, weight: Tensor<Float>? = nil
        ) {
            expectError(.shapeMismatch, argument) { () throws(NormalizationError) in
                try channelNormBackward(dy ?? self.x, x: x ?? self.x, weight: weight, statistics: statistics)
            }
        }
        expect("outputGradient", dy: other)
        expect("x", x: other)
        expect("x", x: longer)
        expect("weight", weight: three)
        var gradients = try ChannelNormGradients<Float>(shape: other.shape, channels: 4)
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try channelNormBackward(x, x: x, statistics: statistics, into: &gradients)
        }
        gradients = try ChannelNormGradients<Float>(shape: x.shape, channels: 3)
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try channelNormBackward(x, x: x, statistics: statistics, into: &gradients)
        }
    }

    @Test func inverse() throws {
        let (y, statistics) = try channelNormWithStatistics(x, over: .instances)
        expectError(.invalidParameter, "weight") { () throws(NormalizationError) in
            try channelDenormalize(y, weight: Tensor([1, 0, 1, 1]), statistics: statistics)
        }
        expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
            try channelDenormalize(y.reshaped(to: [4, 2, 3]), statistics: statistics)
        }
        expectError(.shapeMismatch, "bias") { () throws(NormalizationError) in
            try channelDenormalize(y, bias: three, statistics: statistics)
        }
        expectError(.invalidParameter, "weight") { () throws(NormalizationError) in
            try channelDenormalizeBackward(y, y: y, weight: Tensor([1, 0, 1, 1]), statistics: statistics)
        }
        expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
            try channelDenormalizeBackward(y, y: y.reshaped(to: [4, 2, 3]), statistics: statistics)
        }
        expectError(.shapeMismatch, "outputGradient") { () throws(NormalizationError) in
            try channelDenormalizeBackward(three, y: y, statistics: statistics)
        }
        expectError(.shapeMismatch, "bias") { () throws(NormalizationError) in
            try channelDenormalizeBackward(y, y: y, bias: three, statistics: statistics)
        }
    }

    @Test func layers() throws {
        expectError(.invalidShape, "channelCount") { () throws(NormalizationError) in try BatchNorm(channelCount: 0) }
        expectError(.outOfRange, "momentum") { () throws(NormalizationError) in
            try BatchNorm(channelCount: 1, momentum: 1.5)
        }
        expectError(.outOfRange, "momentum") { () throws(NormalizationError) in
            try BatchNorm(channelCount: 1, momentum: .nan)
        }
        expectError(.invalidEpsilon, "epsilon") { () throws(NormalizationError) in
            try BatchNorm(channelCount: 1, epsilon: -1)
        }
        expectError(.invalidShape, "featureCount") { () throws(NormalizationError) in
            try ReversibleInstanceNorm(featureCount: -1)
        }
        var norm = try BatchNorm(channelCount: 4)
        let before = norm.running
        expectError(.invalidMoments, "statistics") { () throws(NormalizationError) in
            try norm.train(Tensor<Float>(repeating: 1, shape: [1, 4]))
        }
        #expect(norm.running == before)
    }

    /// No samples: nothing, and the moments of nothing.
    @Test(arguments: [Backend.automatic, .reference]) func noSamples(backend: Backend) throws {
        let empty = try Tensor<Float>(repeating: 0, shape: [0, 4, 3])
        for sets: ChannelSets in [.batch(), .groups(2), .instances] {
            let (y, statistics) = try channelNormWithStatistics(empty, over: sets, backend: backend)
            #expect(y.shape == empty.shape)
            #expect(statistics.moments.allSatisfy { $0.count == 0 })
            let gradients = try channelNormBackward(empty, x: empty, statistics: statistics, backend: backend)
            #expect(gradients.weight?.array == [0, 0, 0, 0] && gradients.bias?.array == [0, 0, 0, 0])
            let inverse = try channelDenormalizeBackward(empty, y: empty, statistics: statistics, backend: backend)
            #expect(inverse.weight?.array == [0, 0, 0, 0] && inverse.bias?.array == [0, 0, 0, 0])
        }
    }
}
