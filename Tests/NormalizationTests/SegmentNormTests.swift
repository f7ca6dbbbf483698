// Norms of parts of rows, and of the neighbourhoods of a graph.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct SegmentNormTests {
    @Test(arguments: [false, true])
    func everyBackendGivesTheSameBits(isRMS: Bool) throws {
        var inputs: [OperatorCase] = []
        for widths in [[1], [64], [3, 0, 5], [1, 300, 0, 64, 17, 2], [1025, 7], [16, 128, 768]] {
            inputs.append(try .segments(Float.self, isRMS: isRMS, rows: 37, widths: widths))
            inputs.append(try .segments(BFloat16.self, isRMS: isRMS, rows: 5, widths: widths))
            inputs.append(try .segments(Float16.self, isRMS: isRMS, rows: 5, widths: widths, affine: false))
        }
        for (rows, width, count) in [(1, 64, 12), (37, 5, 3), (1100, 8, 4), (20, 128, 8)] {
            inputs.append(
                try .segments(
                    Float.self, isRMS: isRMS, rows: rows, widths: Array(repeating: width, count: count),
                    parameters: .shared))
        }
        inputs.append(
            try .segments(
                Float.self, isRMS: isRMS, rows: 32, widths: [100, 1, 30], patterns: RowPattern.hostile, affine: false,
                epsilon: 0))
        for input in inputs { try expectOneAnswer(input) }
    }

    /// Each segment has the bits of a layerNorm of its columns.
    @Test func segmentsAreRowsOfTheirOwn() throws {
        var random = RandomNumbers(seed: 5)
        let x = try Tensor(random.normals(7 * 100), shape: [7, 100])
        let (weight, bias) = (Tensor(random.normals(100)), Tensor(random.normals(100)))
        let segments = try SegmentOffsets([0, 30, 30, 31, 100])
        let y = try segmentedLayerNorm(x, segments: segments, weight: weight, bias: bias)
        for segment in [0, 2, 3] {
            let range = segments.range(segment)
            let part = try layerNorm(
                x.sliced(range, axis: 1), weight: weight.sliced(range), bias: bias.sliced(range))
            #expect(try y.sliced(range, axis: 1) == part)
        }
    }

    /// Equally wide segments with shared parameters are rows of a reshaped tensor.
    @Test func headsShareTheirNorm() throws {
        var random = RandomNumbers(seed: 5)
        let x = try Tensor(random.normals(6 * 48), shape: [2, 3, 48])
        let weight = Tensor(random.normals(16))
        let segments = try SegmentOffsets(widths: [16, 16, 16])
        let y = try segmentedRMSNorm(x, segments: segments, parameters: .shared, weight: weight)
        #expect(try y.reshaped(to: [2, 3, 3, 16]) == rmsNorm(x.reshaped(to: [2, 3, 3, 16]), weight: weight))
    }

    /// Columns of a whole row would be one segment.
    @Test func oneSegmentIsLayerNorm() throws {
        var random = RandomNumbers(seed: 5)
        let x = try Tensor(random.normals(300), shape: [3, 100])
        #expect(try segmentedLayerNorm(x, segments: SegmentOffsets([0, 100])) == layerNorm(x))
    }

    @Test(arguments: [[-1, 3], [1, 3], [0], [], [0, 4, 3], [0, 3, 2, 5]])
    func badOffsetsAreRefused(offsets: [Int]) {
        #expect(throws: NormalizationError.self) { try SegmentOffsets(offsets) }
    }

    @Test func badInputIsNamed() throws {
        let x = try Tensor<Float>(repeating: 1, shape: [2, 6])
        func failure(_ body: () throws -> Void) -> NormalizationError? {
            do { try body() } catch { return error as? NormalizationError }
            return nil
        }
        let none = Tensor<Float>?.none
        let short = try SegmentOffsets([0, 3, 5])
        let unequal = try SegmentOffsets([0, 3, 6, 6])
        let right = try SegmentOffsets([0, 2, 6])
        #expect(failure { _ = try segmentedLayerNorm(x, segments: short) }?.reason == .invalidOffsets)
        #expect(failure { _ = try segmentedLayerNorm(x, segments: SegmentOffsets([0, 7])) }?.reason == .invalidOffsets)
        #expect(
            failure { _ = try segmentedLayerNorm(x, segments: unequal, parameters: .shared, weight: none) }?.reason
                == .invalidOffsets)
        #expect(failure { _ = try segmentedLayerNorm(x, segments: right, epsilon: -1) }?.reason == .invalidEpsilon)
        #expect(
            failure { _ = try segmentedLayerNorm(x, segments: right, weight: Tensor<Float>([1, 2])) }?.argument
                == "weight")
        #expect(failure { _ = try SegmentOffsets(widths: [2, -1]) }?.argument == "widths")
        #expect(failure { _ = try SegmentOffsets(widths: [.max, 1]) }?.argument == "widths")
        #expect(
            failure {
                let statistics = try layerNormWithStatistics(x).statistics
                _ = try segmentedLayerNormBackward(x, x: x, segments: right, weight: none, statistics: statistics)
            }?.argument == "statistics")
    }
}

@Suite struct NeighbourhoodNormTests {
    @Test func everyBackendGivesTheSameBits() throws {
        var inputs: [OperatorCase] = []
        let degrees = (0..<300).map { [0, 1, 2, 3, 7, 16, 17, 70][($0 * $0 + 3) % 8] }
        for heads in [nil, 1, 3, 8] {
            inputs.append(try .neighbourhoods(Float.self, degrees: degrees + [2000], heads: heads))
            inputs.append(try .neighbourhoods(BFloat16.self, degrees: degrees, heads: heads))
            inputs.append(try .neighbourhoods(Float16.self, degrees: degrees, heads: heads, affine: false))
        }
        for pattern in RowPattern.hostile {
            inputs.append(
                try .neighbourhoods(
                    Float.self, degrees: [5, 1, 0, 90, 3], heads: 2, pattern: pattern, affine: false, epsilon: 0))
        }
        for input in inputs { try expectOneAnswer(input) }
    }

    @Test(arguments: TestedBackends.kernels + [.reference])
    func degreesZeroOneAndTwo(backend: Backend) throws {
        let x = Tensor<Float>([7, 1, 5, -3, -3])  // node 0: nothing; 1: 7; 2: 1 and 5; 3: equal scores
        let offsets = try SegmentOffsets([0, 0, 1, 3, 5])
        let (weight, bias) = (Tensor<Float>([2]), Tensor<Float>([0.5]))
        let (y, statistics) = try neighbourhoodLayerNormWithStatistics(
            x, offsets: offsets, weight: weight, bias: bias, epsilon: 0, backend: backend)
        #expect(y.array == [0.5, -1.5, 2.5, 0.5, 0.5])
        #expect(statistics.mean.array == [0, 7, 3, -3])
        #expect(statistics.reciprocalDeviation.array == [0, 0, 0.5, 0])
        let gradients = try neighbourhoodLayerNormBackward(
            Tensor([1, 2, 3, 4, 5]), x: x, offsets: offsets, weight: weight, statistics: statistics, backend: backend)
        #expect(gradients.input.array == [0, 0, 0, 0, 0])
        #expect(gradients.weight.array == [1] && gradients.bias.array == [15])
    }

    /// Heads do not meet, and are what each gives by itself.
    @Test func headsAreApart() throws {
        var random = RandomNumbers(seed: 8)
        let x = try Tensor(random.normals(60), shape: [20, 3])
        let offsets = try SegmentOffsets(widths: [4, 0, 9, 7])
        let weight = Tensor(random.normals(3))
        let y = try neighbourhoodLayerNorm(x, offsets: offsets, weight: weight)
        for head in 0..<3 {
            let own = try x.sliced(head..<head + 1, axis: 1).reshaped(to: [20])
            let alone = try neighbourhoodLayerNorm(own, offsets: offsets, weight: weight.sliced(head..<head + 1))
            #expect(try y.sliced(head..<head + 1, axis: 1).array == alone.array)
        }
    }

    /// A neighbourhood has the bits of a layerNorm of its scores.
    @Test func neighbourhoodsAreRows() throws {
        var random = RandomNumbers(seed: 8)
        let x = Tensor(random.normals(200))
        let y = try neighbourhoodLayerNorm(x, offsets: SegmentOffsets([0, 90, 200]))
        #expect(try y.sliced(90..<200) == layerNorm(x.sliced(90..<200)))
    }

    /// sum(dy * y) by central differences in Double. Scores of size 1, epsilon 0.1: both errors are below 1e-8 times the
    /// 40 terms.
    @Test func gradientsAreThoseOfDifferences() throws {
        var random = RandomNumbers(seed: 21)
        let segments = try SegmentOffsets(widths: [0, 1, 2, 3, 14])
        var x = random.normals(40).map(Double.init)
        let dy = random.normals(40).map(Double.init)
        var weight = random.normals(2).map(Double.init)
        func output() -> NormReference<Double>.Output {
            NormReference.forwardOverEdges(x, heads: 2, segments: segments, weight: weight, bias: nil, epsilon: 0.1)
        }
        func loss() -> Double { zip(dy, output().y).reduce(0) { $0 + $1.0 * $1.1 } }
        let saved = output()
        let gradients = NormReference.backwardOverEdges(
            dy, x: x, heads: 2, segments: segments, weight: weight, mean: saved.mean, meanLow: saved.meanLow,
            rstd: saved.rstd)
        let step = 0x1p-17
        for index in x.indices {
            let kept = x[index]
            x[index] = kept + step
            let above = loss()
            x[index] = kept - step
            #expect(abs((above - loss()) / (2 * step) - gradients.dx[index]) <= 1e-7)
            x[index] = kept
        }
        for head in 0..<2 {
            let kept = weight[head]
            weight[head] = kept + 1
            let above = loss()
            weight[head] = kept - 1
            #expect(abs((above - loss()) / 2 - gradients.dweight[head]) <= 1e-12)
            weight[head] = kept
        }
    }

    @Test func noEdgesGiveNothing() throws {
        let offsets = try SegmentOffsets([0, 0, 0])
        let (y, statistics) = try neighbourhoodLayerNormWithStatistics(Tensor<Float>([]), offsets: offsets)
        #expect(y.shape == [0] && statistics.mean.shape == [1, 2])
        let gradients = try neighbourhoodLayerNormBackward(
            Tensor<Float>([]), x: Tensor<Float>([]), offsets: offsets, statistics: statistics)
        #expect(gradients.input.shape == [0] && gradients.weight.array == [0])
    }

    @Test func badInputIsNamed() throws {
        let x = Tensor<Float>([1, 2, 3])
        let right = try SegmentOffsets([0, 1, 3])
        func failure(_ body: () throws -> Void) -> NormalizationError? {
            do { try body() } catch { return error as? NormalizationError }
            return nil
        }
        #expect(
            failure { _ = try neighbourhoodLayerNorm(x, offsets: SegmentOffsets([0, 2])) }?.reason == .invalidOffsets)
        #expect(
            failure { _ = try neighbourhoodLayerNorm(x, offsets: SegmentOffsets([0, 4])) }?.reason == .invalidOffsets)
        #expect(failure { _ = try neighbourhoodLayerNorm(x, offsets: right, weight: x) }?.argument == "weight")
        #expect(failure { _ = try neighbourhoodLayerNorm(x, offsets: right, epsilon: .nan) }?.reason == .invalidEpsilon)
        let cube = try Tensor<Float>(repeating: 0, shape: [3, 1, 1])
        #expect(failure { _ = try neighbourhoodLayerNorm(cube, offsets: right) }?.reason == .invalidShape)
        let statistics = try layerNormWithStatistics(x).statistics
        #expect(
            failure { _ = try neighbourhoodLayerNormBackward(x, x: x, offsets: right, statistics: statistics) }?
                .argument
                == "statistics")
    }
}
