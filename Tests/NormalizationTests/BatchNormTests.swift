// The layers: running statistics, training and inference, sources, reference batches; RevIN.

internal import Normalization
import Testing
internal import Verification

@Suite struct BatchNormTests {
    private func input(_ seed: UInt64, offset: Float = 0) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: seed)
        return try Tensor(random.normals(6 * 3 * 5).map { $0 + offset }, shape: [6, 3, 5])
    }

    /// By hand: the unbiased variance of 30 elements, mixed in with the momentum.
    @Test func runningStatistics() throws {
        var norm = try BatchNorm(channelCount: 3, momentum: 0.25)
        let x = try input(1, offset: 1e6)
        _ = try norm.train(x)
        for channel in 0..<3 {
            let values = try x.sliced(channel..<channel + 1, axis: 1).array.map(Double.init)
            let mean = values.reduce(0, +) / 30
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 29
            // A mean near 2.5e5 with 1e-7 of a deviation near 1, and a variance that is off by 1e-6 of itself.
            #expect(abs(norm.running.mean[channel] - 0.25 * mean) <= 1e-6)
            #expect(abs(norm.running.variance[channel] - (0.75 + 0.25 * variance)) <= 1e-6)
        }
    }

    /// Momentum 1 and inference give the training output but for the unbiased variance.
    @Test func inferenceUsesRunningStatistics() throws {
        var norm = try BatchNorm(channelCount: 3, momentum: 1, epsilon: 0)
        let x = try input(2, offset: 50)
        let trained = try norm.train(x).value.array
        let factor = (29.0 / 30.0).squareRoot()
        for (trained, inferred) in zip(trained, try norm(x).array) {
            #expect(abs(Double(trained) * factor - Double(inferred)) <= 3e-7 * 4)
        }
    }

    /// Each source by itself: the same bits as a call for each.
    @Test(arguments: ChannelLayout.allCases) func sourcesDoNotMeet(layout: ChannelLayout) throws {
        let x = try input(3)
        let (y, statistics) = try channelNormWithStatistics(x, over: .batch(.perSource([1, 3, 2])), layout: layout)
        var first = 0
        var moments: [Moments] = []
        for count in [1, 3, 2] {
            let source = try channelNormWithStatistics(x.sliced(first..<first + count), over: .batch(), layout: layout)
            expectSameBits(source.output.array, try y.sliced(first..<first + count).array, "source of \(count)")
            moments += source.statistics.moments
            first += count
        }
        #expect(moments == statistics.moments)
    }

    /// A reference batch: its own moments give its own bits, and any batch is a pointwise map of its input.
    @Test func referenceBatch() throws {
        let reference = try input(4)
        let moments = try channelMoments(reference)
        let sets = ChannelSets.batch(.reference(moments))
        expectSameBits(
            try channelNorm(reference, over: sets).array, try channelNorm(reference, over: .batch()).array, "itself")
        let x = try input(5)
        let whole = try channelNorm(x, over: sets)
        expectSameBits(try channelNorm(x.sliced(2..<3), over: sets).array, try whole.sliced(2..<3).array, "one sample")
    }

    /// An instance's result does not depend on the batch around it.
    @Test(arguments: ChannelLayout.allCases) func instancesDoNotMeet(layout: ChannelLayout) throws {
        let x = try input(6)
        for sets: ChannelSets in [.instances, .groups(1)] {
            let whole = try channelNorm(x, over: sets, layout: layout)
            expectSameBits(
                try channelNorm(x.sliced(4..<5), over: sets, layout: layout).array, try whole.sliced(4..<5).array, "\(sets)")
        }
    }

    @Test func gradientsAccumulate() throws {
        let x = try input(7)
        let (y, statistics) = try channelNormWithStatistics(x, over: .batch())
        for backend in [Backend.automatic, .reference] {
            var gradients = try channelNormBackward(y, x: x, statistics: statistics, backend: backend)
            let once = gradients
            try channelNormBackward(y, x: x, statistics: statistics, into: &gradients, accumulating: true, backend: backend)
            #expect(gradients.weight?.array == once.weight?.array.map { 2 * $0 })
            #expect(gradients.bias?.array == once.bias?.array.map { 2 * $0 })
            #expect(gradients.input == once.input)
        }
    }

    /// Back on the scale of the input, also for a forecast of another length.
    @Test(arguments: [Float(0), 1e3, 1e6]) func reversibleInstanceNorm(offset: Float) throws {
        var random = RandomNumbers(seed: 8)
        var norm = try ReversibleInstanceNorm(featureCount: 3)
        norm.weight = Tensor([2, 0.5, -1])
        norm.bias = Tensor([1, 0, -3])
        let x = try Tensor(random.normals(4 * 20 * 3).map { $0 * 3 + offset }, shape: [4, 20, 3])
        let (y, statistics) = try norm.normalize(x)
        let back = try norm.denormalize(y, statistics)
        // Half a unit in the last place of the input for the mean, another for the result; and 1e-6 of the values
        // near 10 on the way.
        let bound = abs(offset + 10) * 0x1p-23 + 1e-5
        for (back, x) in zip(back.array, x.array) { #expect(abs(back - x) <= bound) }
        let forecast = try norm.denormalize(y.sliced(15..<20, axis: 1), statistics)
        expectSameBits(forecast.array, try back.sliced(15..<20, axis: 1).array, "a part of the positions")
    }

    /// The pullbacks are those of the functions, with moments that do not move: normalizing and back again is the identity,
    /// whose gradient is the upstream one, but for four roundings of the two factors.
    @Test func reversibleInstanceNormPullbacks() throws {
        var random = RandomNumbers(seed: 10)
        var norm = try ReversibleInstanceNorm(featureCount: 3)
        norm.weight = Tensor([2, 0.5, -1])
        norm.bias = Tensor([1, 0, -3])
        let x = try Tensor(random.normals(4 * 20 * 3), shape: [4, 20, 3])
        let upstream = try Tensor(random.normals(4 * 20 * 3), shape: [4, 20, 3])
        let (y, statistics, normalizePullback) = try norm.normalizeWithPullback(x)
        let (back, denormalizePullback) = try norm.denormalizeWithPullback(y, statistics)
        #expect(try y == norm.normalize(x).output && back == norm.denormalize(y, statistics))
        let inner = try denormalizePullback(upstream)
        let outer = try normalizePullback(inner.input)
        for (given, upstream) in zip(outer.input.array, upstream.array) {
            #expect(abs(given - upstream) <= 4 * 0x1p-24 * abs(upstream))
        }
        // What weight and bias do on the way in is undone on the way out.
        let inverse = try channelDenormalizeBackward(
            upstream, y: y, weight: norm.weight, bias: norm.bias, statistics: statistics)
        #expect(inner.weight == inverse.weight && inner.bias == inverse.bias)
        for (into, out) in [(outer.weight, inner.weight), (outer.bias, inner.bias)] {
            for (into, out) in zip(try #require(into).array, try #require(out).array) {
                // Sums of 80 terms of size 1, in another order.
                #expect(abs(into + out) <= 80 * 0x1p-22)
            }
        }
    }

    /// Invariant to level and positive scale of each feature, which denormalization gives back. (Powers of two, which
    /// are exact, without epsilon.)
    @Test func reversibleInstanceNormIsEquivariant() throws {
        var random = RandomNumbers(seed: 9)
        let norm = try ReversibleInstanceNorm(featureCount: 2, epsilon: 0)
        let x = try Tensor(random.normals(3 * 30 * 2), shape: [3, 30, 2])
        let scaled = try Tensor(x.array.map { $0 * 1024 }, shape: x.shape)
        let (y, statistics) = try norm.normalize(x)
        let (same, scaledStatistics) = try norm.normalize(scaled)
        expectSameBits(same.array, y.array, "scaled")
        expectSameBits(
            try norm.denormalize(same, scaledStatistics).array, try norm.denormalize(y, statistics).array.map { $0 * 1024 },
            "scaled back")
    }
}
