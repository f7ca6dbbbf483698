// Forms that write into existing tensors: neighbourhoods, orthogonal addition, rows and channels by given moments, softmax by
// states, gradients of softmax. Each gives what the form that returns a new tensor does, leaves a tensor that is shared
// alone, and does not touch an output that does not fit.

internal import Normalization
import Testing
internal import Verification

@Suite struct ExistingOutputFamilyTests {
    private func numbers(_ shape: Shape, seed: UInt64 = 1) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: seed)
        return try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
    }

    private func marked(_ shape: Shape) throws -> Tensor<Float> {
        try Tensor(untouched(shape.elementCount ?? 0), shape: shape)
    }

    /// `write` into a tensor that is shared, into one that is not, and into ones that do not fit. Where any layout will do,
    /// also into a transposed one.
    private func expectWrites(
        _ expected: Tensor<Float>, argument: String, anyLayout: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ write: (inout Tensor<Float>) throws(NormalizationError) -> Void
    ) throws {
        let shape = expected.shape
        var y = try marked(shape)
        let lent = y
        for _ in 0..<2 {
            try write(&y)
            #expect(y == expected, sourceLocation: sourceLocation)
            expectUntouched(lent.array, sourceLocation: sourceLocation)
        }
        var short = try marked([expected.count + 1])
        expectError(.shapeMismatch, argument, sourceLocation: sourceLocation) { () throws(NormalizationError) in
            try write(&short)
        }
        expectUntouched(short.array, sourceLocation: sourceLocation)
        guard shape.rank == 2 else { return }
        var turned = try marked([shape[1], shape[0]]).transposed(0, 1)
        if anyLayout || turned.isContiguous {
            try write(&turned)
            #expect(turned == expected, sourceLocation: sourceLocation)
        } else {
            expectError(.unsupportedLayout, argument, sourceLocation: sourceLocation) { () throws(NormalizationError) in
                try write(&turned)
            }
            expectUntouched(try turned.transposed(0, 1).array, sourceLocation: sourceLocation)
        }
    }

    private static let backends: [Backend] = [.automatic, .reference]

    @Test(arguments: backends)
    func rowsByMoments(backend: Backend) throws {
        let (x, weight) = (try numbers([5, 24]), try numbers([24], seed: 3))
        let moments = try rowMoments(x)
        try expectWrites(try normalize(x, with: moments, weight: weight), argument: "y") { (y) throws(NormalizationError) in
            try normalize(x, with: moments, weight: weight, into: &y, backend: backend)
        }
    }

    @Test(arguments: backends)
    func softmaxByStates(backend: Backend) throws {
        let x = try numbers([5, 24])
        let states = try softmaxState(x)
        try expectWrites(try softmax(x, with: states), argument: "y") { (y) throws(NormalizationError) in
            try softmax(x, with: states, into: &y, backend: backend)
        }
        try expectWrites(try logSoftmax(x, with: states), argument: "y") { (y) throws(NormalizationError) in
            try logSoftmax(x, with: states, into: &y, backend: backend)
        }
    }

    @Test(arguments: backends)
    func gradientsOfSoftmax(backend: Backend) throws {
        let (x, dy) = (try numbers([5, 24]), try numbers([5, 24], seed: 2))
        let (y, log) = (try softmax(x), try logSoftmax(x))
        try expectWrites(try softmaxBackward(dy, output: y), argument: "inputGradient") { (dx) throws(NormalizationError) in
            try softmaxBackward(dy, output: y, into: &dx, backend: backend)
        }
        try expectWrites(
            try logSoftmaxBackward(dy, output: log), argument: "inputGradient"
        ) { (dx) throws(NormalizationError) in
            try logSoftmaxBackward(dy, output: log, into: &dx, backend: backend)
        }
    }

    @Test(arguments: backends, [Shape([24]), [24, 1], [24, 3]])
    func neighbourhoods(backend: Backend, shape: Shape) throws {
        let (x, dy) = (try numbers(shape), try numbers(shape, seed: 2))
        let offsets = try SegmentOffsets(widths: [0, 1, 2, 9, 12])
        let weight = try numbers([shape.rank == 2 ? shape[1] : 1], seed: 3)
        let y = try neighbourhoodSoftmax(x, offsets: offsets)
        try expectWrites(y, argument: "y") { (y) throws(NormalizationError) in
            try neighbourhoodSoftmax(x, offsets: offsets, into: &y, backend: backend)
        }
        try expectWrites(
            try neighbourhoodSoftmaxBackward(dy, output: y, offsets: offsets), argument: "inputGradient"
        ) { (dx) throws(NormalizationError) in
            try neighbourhoodSoftmaxBackward(dy, output: y, offsets: offsets, into: &dx, backend: backend)
        }

        let (expected, statistics) = try neighbourhoodLayerNormWithStatistics(x, offsets: offsets, weight: weight)
        try expectWrites(expected, argument: "y", anyLayout: true) { (y) throws(NormalizationError) in
            let saved = try neighbourhoodLayerNorm(x, offsets: offsets, weight: weight, into: &y, backend: backend)
            #expect(saved == statistics)
        }
        let expectedGradients = try neighbourhoodLayerNormBackward(
            dy, x: x, offsets: offsets, weight: weight, statistics: statistics)
        var gradients = try SegmentNormGradients<Float>(shape: shape, offsets: offsets)
        for accumulating in [false, true] {
            try neighbourhoodLayerNormBackward(
                dy, x: x, offsets: offsets, weight: weight, statistics: statistics, into: &gradients,
                accumulating: accumulating, backend: backend)
        }
        #expect(gradients.input == expectedGradients.input)
        #expect(gradients.weight.array == expectedGradients.weight.array.map { $0 + $0 })
        #expect(gradients.bias.array == expectedGradients.bias.array.map { $0 + $0 })
        var other = try SegmentNormGradients<Float>(shape: [25], offsets: SegmentOffsets(widths: [25]))
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try neighbourhoodLayerNormBackward(
                dy, x: x, offsets: offsets, weight: weight, statistics: statistics, into: &other, backend: backend)
        }
    }

    @Test(arguments: backends, [ProjectionScope.feature, .token, .global])
    func orthogonalAddition(backend: Backend, scope: ProjectionScope) throws {
        for shape in [Shape([6, 10]), [3, 4, 5]] {
            let (x, f, dh) = (try numbers(shape), try numbers(shape, seed: 2), try numbers(shape, seed: 3))
            try expectWrites(
                try orthogonalResidualAdd(x, update: f, scope: scope), argument: "h", anyLayout: true
            ) { (h) throws(NormalizationError) in
                try orthogonalResidualAdd(x, update: f, scope: scope, into: &h, backend: backend)
            }
            let expected = try orthogonalResidualAddBackward(dh, x: x, update: f, scope: scope)
            var gradients = try OrthogonalAddGradients<Float>(shape: shape)
            try orthogonalResidualAddBackward(
                dh, x: x, update: f, scope: scope, into: &gradients, backend: backend)
            #expect(gradients.input == expected.input && gradients.update == expected.update)
            var other = try OrthogonalAddGradients<Float>(shape: [7])
            expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
                try orthogonalResidualAddBackward(
                    dh, x: x, update: f, scope: scope, into: &other, backend: backend)
            }
            #expect(other.input.array == [0, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test(arguments: backends)
    func inverseOfChannelNormalization(backend: Backend) throws {
        let (x, dy) = (try numbers([6, 4]), try numbers([6, 4], seed: 2))
        let (weight, bias) = (try numbers([4], seed: 3), try numbers([4], seed: 4))
        let (y, statistics) = try channelNormWithStatistics(x, over: .batch(), weight: weight, bias: bias)
        try expectWrites(
            try channelDenormalize(y, weight: weight, bias: bias, statistics: statistics), argument: "x"
        ) { (x) throws(NormalizationError) in
            try channelDenormalize(
                y, weight: weight, bias: bias, statistics: statistics, into: &x, backend: backend)
        }
        let expected = try channelDenormalizeBackward(dy, y: y, weight: weight, bias: bias, statistics: statistics)
        var gradients = try ChannelNormGradients<Float>(shape: x.shape, channels: 4)
        for accumulating in [false, true] {
            try channelDenormalizeBackward(
                dy, y: y, weight: weight, bias: bias, statistics: statistics, into: &gradients,
                accumulating: accumulating, backend: backend)
        }
        #expect(gradients.input == expected.input)
        #expect(gradients.weight?.array == expected.weight?.array.map { $0 + $0 })
        #expect(gradients.bias?.array == expected.bias?.array.map { $0 + $0 })
        var other = try ChannelNormGradients<Float>(shape: [4, 6], channels: 4)
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try channelDenormalizeBackward(
                dy, y: y, weight: weight, bias: bias, statistics: statistics, into: &other, backend: backend)
        }
    }

    @Test(arguments: backends)
    func gradientsOfScores(backend: Backend) throws {
        let shape: Shape = [2, 3, 4, 5]
        let (x, dy) = (try numbers(shape), try numbers(shape, seed: 2))
        let mask = try AttentionMask().alibi(slopes: numbers([3], seed: 3)).sinks(numbers([3], seed: 4))
        let (y, sums) = try scoreSoftmaxWithLogSumExp(x, mask: mask)
        let expected = try scoreSoftmaxBackward(dy, output: y, logSumExp: sums, mask: mask)
        var gradients = try ScoreGradients<Float>(shape: shape, mask: mask)
        for _ in 0..<2 {
            try scoreSoftmaxBackward(
                dy, output: y, logSumExp: sums, mask: mask, into: &gradients, backend: backend)
            #expect(gradients.scores == expected.scores && gradients.bias == nil)
            #expect(gradients.slopes == expected.slopes && gradients.sinks == expected.sinks)
        }
        var scoresAlone = try ScoreGradients<Float>(shape: shape, mask: mask, parameters: false)
        try scoreSoftmaxBackward(
            dy, output: y, logSumExp: sums, mask: mask, into: &scoresAlone, backend: backend)
        #expect(scoresAlone.scores == expected.scores && scoresAlone.slopes == nil && scoresAlone.sinks == nil)
        var other = try ScoreGradients<Float>(shape: [2, 3, 5, 4], mask: mask)
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try scoreSoftmaxBackward(dy, output: y, logSumExp: sums, mask: mask, into: &other, backend: backend)
        }
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try scoreSoftmaxBackward(dy, output: y, into: &gradients, backend: backend)
        }
    }
}
