// The forms of segmented norms, tangents and second gradients that write into existing tensors, and rmsNorm along an axis.

internal import Normalization
import Testing
internal import Verification

@Suite struct ExistingOutputTests {
    private func numbers(_ shape: Shape, seed: UInt64 = 1) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: seed)
        return try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
    }

    @Test(arguments: RowNorm.allCases, [Backend.automatic, .reference])
    func segments(norm: RowNorm, backend: Backend) throws {
        let x = try numbers([5, 24])
        let dy = try numbers([5, 24], seed: 2)
        for parameters in [SegmentParameters.perColumn, .shared] {
            let segments = try SegmentOffsets(widths: [8, 8, 8])
            let weight = try numbers([parameters == .shared ? 8 : 24], seed: 3)
            var y = try Tensor<Float>(repeating: .nan, shape: x.shape)
            let lent = y
            var gradients = try SegmentNormGradients<Float>(shape: x.shape, segments: segments, parameters: parameters)
            let expected: (output: Tensor<Float>, statistics: RowStatistics)
            let expectedGradients: SegmentNormGradients<Float>
            switch norm {
            case .layerNorm:
                expected = try segmentedLayerNormWithStatistics(
                    x, segments: segments, parameters: parameters, weight: weight)
                let statistics = try segmentedLayerNorm(
                    x, segments: segments, parameters: parameters, weight: weight, into: &y, backend: backend)
                #expect(statistics == expected.statistics)
                expectedGradients = try segmentedLayerNormBackward(
                    dy, x: x, segments: segments, parameters: parameters, weight: weight, statistics: statistics)
                for accumulating in [false, true] {
                    try segmentedLayerNormBackward(
                        dy, x: x, segments: segments, parameters: parameters, weight: weight, statistics: statistics,
                        into: &gradients, accumulating: accumulating, backend: backend)
                }
            case .rmsNorm:
                expected = try segmentedRMSNormWithStatistics(
                    x, segments: segments, parameters: parameters, weight: weight, weightOffset: 1)
                let statistics = try segmentedRMSNorm(
                    x, segments: segments, parameters: parameters, weight: weight, weightOffset: 1, into: &y,
                    backend: backend)
                #expect(statistics == expected.statistics)
                expectedGradients = try segmentedRMSNormBackward(
                    dy, x: x, segments: segments, parameters: parameters, weight: weight, weightOffset: 1,
                    statistics: statistics)
                for accumulating in [false, true] {
                    try segmentedRMSNormBackward(
                        dy, x: x, segments: segments, parameters: parameters, weight: weight, weightOffset: 1,
                        statistics: statistics, into: &gradients, accumulating: accumulating, backend: backend)
                }
            }
            #expect(y == expected.output)
            #expect(lent.array.allSatisfy { $0.isNaN }, "a tensor that is shared is not written to")
            #expect(gradients.input == expectedGradients.input)
            #expect(gradients.weight.array == expectedGradients.weight.array.map { $0 + $0 })
            #expect(gradients.bias.array == expectedGradients.bias.array.map { $0 + $0 })
        }
    }

    @Test(arguments: RowNorm.allCases, [Backend.automatic, .reference])
    func secondOrder(norm: RowNorm, backend: Backend) throws {
        let (x, v, dy) = (try numbers([5, 24]), try numbers([5, 24], seed: 2), try numbers([5, 24], seed: 3))
        let weight = try numbers([24], seed: 4)
        var tangent = try Tensor<Float>(repeating: .nan, shape: x.shape)
        var gradients = try NormSecondGradients<Float>(shape: x.shape)
        let expected: Tensor<Float>
        let expectedGradients: NormSecondGradients<Float>
        switch norm {
        case .layerNorm:
            let statistics = try layerNormWithStatistics(x).statistics
            expected = try layerNormTangent(v, x: x, weight: weight, statistics: statistics)
            try layerNormTangent(v, x: x, weight: weight, statistics: statistics, into: &tangent, backend: backend)
            expectedGradients = try layerNormDoubleBackward(
                inputCotangent: v, outputGradient: dy, x: x, weight: weight, statistics: statistics)
            for accumulating in [false, true] {
                try layerNormDoubleBackward(
                    inputCotangent: v, outputGradient: dy, x: x, weight: weight, statistics: statistics,
                    into: &gradients, accumulating: accumulating, backend: backend)
            }
        case .rmsNorm:
            let statistics = try rmsNormWithStatistics(x).statistics
            expected = try rmsNormTangent(v, x: x, weight: weight, weightOffset: 1, statistics: statistics)
            try rmsNormTangent(
                v, x: x, weight: weight, weightOffset: 1, statistics: statistics, into: &tangent, backend: backend)
            expectedGradients = try rmsNormDoubleBackward(
                inputCotangent: v, outputGradient: dy, x: x, weight: weight, weightOffset: 1, statistics: statistics)
            for accumulating in [false, true] {
                try rmsNormDoubleBackward(
                    inputCotangent: v, outputGradient: dy, x: x, weight: weight, weightOffset: 1,
                    statistics: statistics, into: &gradients, accumulating: accumulating, backend: backend)
            }
        }
        #expect(tangent == expected)
        #expect(gradients.outputGradient == expectedGradients.outputGradient)
        #expect(gradients.input == expectedGradients.input)
        #expect(gradients.weight.array == expectedGradients.weight.array.map { $0 + $0 })
    }

    /// Lines along an axis are rows of a transposed copy.
    @Test(arguments: 0...2)
    func rmsNormAlongAnAxis(axis: Int) throws {
        let (x, dy) = (try numbers([4, 5, 6]), try numbers([4, 5, 6], seed: 2))
        let weight = try numbers([x.shape[axis]], seed: 3)
        let (y, statistics) = try rmsNormWithStatistics(x, axis: axis, weight: weight, weightOffset: 1)
        let gradients = try rmsNormBackward(
            dy, x: x, axis: axis, weight: weight, weightOffset: 1, statistics: statistics)
        let rows = try x.movingAxis(axis, to: 2).contiguous()
        let expected = try rmsNormWithStatistics(rows, weight: weight, weightOffset: 1)
        let expectedGradients = try rmsNormBackward(
            dy.movingAxis(axis, to: 2).contiguous(), x: rows, weight: weight, weightOffset: 1,
            statistics: expected.statistics)
        #expect(try y == expected.output.movingAxis(2, to: axis) && statistics == expected.statistics)
        #expect(try gradients.input == expectedGradients.input.movingAxis(2, to: axis))
        #expect(gradients.weight == expectedGradients.weight && gradients.bias == expectedGradients.bias)
        #expect(try rmsNorm(x, axis: axis) == rmsNorm(rows).movingAxis(2, to: axis))
    }

    @Test(arguments: [Backend.automatic, .reference])
    func conversions(backend: Backend) throws {
        let x = try numbers([6, 50])
        var y = try Tensor<BFloat16>(repeating: .zero, shape: x.shape)
        try x.convert(into: &y, backend: backend)
        #expect(y == Tensor<BFloat16>(rounding: x))
        var wide = try Tensor<Float>(repeating: 0, shape: [50, 6])
        try y.transposed(0, 1).convert(into: &wide, backend: backend)
        #expect(wide == (try y.transposed(0, 1).widened()))
        expectError(.shapeMismatch, "result") { () throws(NormalizationError) in try x.convert(into: &wide) }
    }

    @Test func badInputIsNamed() throws {
        let x = try numbers([3, 4])
        let segments = try SegmentOffsets([0, 1, 4])
        let weight: Tensor<Float>? = nil
        let statistics = try layerNormWithStatistics(x).statistics
        let parts = try segmentedLayerNormWithStatistics(x, segments: segments, weight: weight).statistics
        var short = Tensor<Float>(untouched(4))
        expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
            try segmentedLayerNorm(x, segments: segments, weight: weight, into: &short)
        }
        expectError(.shapeMismatch, "tangent") { () throws(NormalizationError) in
            try layerNormTangent(x, x: x, weight: weight, statistics: statistics, into: &short)
        }
        expectUntouched(short.array)
        var columns = try Tensor<Float>(untouched(12), shape: [4, 3]).transposed(0, 1)
        expectError(.unsupportedLayout, "y") { () throws(NormalizationError) in
            try segmentedLayerNorm(x, segments: segments, weight: weight, into: &columns)
        }
        expectError(.unsupportedLayout, "tangent") { () throws(NormalizationError) in
            try layerNormTangent(x, x: x, weight: weight, statistics: statistics, into: &columns)
        }
        expectUntouched(try columns.transposed(0, 1).array)
        var gradients = try SegmentNormGradients<Float>(shape: [2, 4], segments: segments)
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try segmentedLayerNormBackward(
                x, x: x, segments: segments, weight: weight, statistics: parts, into: &gradients)
        }
        var second = try NormSecondGradients<Float>(shape: [4, 3])
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try layerNormDoubleBackward(
                inputCotangent: x, outputGradient: x, x: x, weight: weight, statistics: statistics, into: &second)
        }
        expectError(.invalidOffsets, "segments") { () throws(NormalizationError) in
            try SegmentNormGradients<Float>(shape: x.shape, segments: segments, parameters: .shared)
        }
        expectError(.outOfRange, "axis") { () throws(NormalizationError) in try rmsNorm(x, axis: 2) }
        expectError(.outOfRange, "axis") { () throws(NormalizationError) in
            try rmsNormWithStatistics(x, axis: -1, weight: weight)
        }
    }
}
