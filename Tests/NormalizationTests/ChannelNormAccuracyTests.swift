// Right answers of channel normalization: against float64, and edge cases by name.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct ChannelNormAccuracyTests {
    private typealias Case = ChannelNormVerification.Case

    /// Five roundings of 2^-24 = 6e-8: of x - mean, of the low part of the mean, of the factor, of the product with the
    /// bias, and one for the sums of a part. As for layer normalization.
    private static let bound = 3e-7

    private static let patterns: [RowPattern] = [
        .offset(0), .offset(1e3), .offset(1e6), .offset(-1e7), .outlier(1e7), .scale(1e-30), .scale(1e-20), .scale(1e20),
        .scale(1e30), .constant(1234), .outlier(1e4), .misleading(1e6),
    ]

    private static let sets: [ChannelSets] = [.batch(), .batch(.perSource([2, 3, 1])), .groups(12), .instances]

    private static func shape(_ input: Case) throws -> ChannelShape {
        try channelNormWithStatistics(input.x, over: input.sets, layout: input.layout).statistics.shape
    }

    /// The largest error of any set, relative to the largest result of the set.
    private func worstError(_ given: [Float], _ truth: [Double], _ sets: [[(element: Int, channel: Int)]]) -> Double {
        sets.map { set in
            let distance = set.map { abs(Double(given[$0.element]) - truth[$0.element]) }.max() ?? 0
            let largest = set.map { abs(truth[$0.element]) }.max() ?? 0
            return distance.isNaN ? .infinity : largest > 0 ? distance / largest : distance
        }.max() ?? .infinity
    }

    @Test(arguments: sets, ChannelLayout.allCases)
    func forward(sets: ChannelSets, layout: ChannelLayout) throws {
        for epsilon: Float in [1e-5, 0] {
            for positions in [1, 30, 1500] {
                let input = try Case(
                    sets, samples: 6, channels: Self.patterns.count, positions: [positions], layout: layout,
                    patterns: Self.patterns, affine: false, epsilon: epsilon)
                let plain = PlainChannelNorm<Double>(
                    try Self.shape(input), weight: nil, bias: nil, epsilon: Double(epsilon))
                // A set without spread and without epsilon is 0/0 in the formula; it must be the bias.
                let truth = plain.forward(input.x.array.map(Double.init)).map { $0.isNaN ? 0 : $0 }
                let y = try channelNorm(input.x, over: sets, epsilon: epsilon, layout: layout).array
                let error = worstError(y, truth, plain.sets)
                #expect(error <= Self.bound, "\(input.name), epsilon \(epsilon)")
            }
        }
    }

    /// Sets of many parts: a batch of 20,000 rows of each kind.
    @Test func manyParts() throws {
        let input = try Case(
            .batch(), samples: 20000, channels: Self.patterns.count, positions: [], patterns: Self.patterns, affine: false)
        let plain = PlainChannelNorm<Double>(try Self.shape(input), weight: nil, bias: nil, epsilon: 1e-5)
        let error = worstError(
            try channelNorm(input.x, over: .batch()).array, plain.forward(input.x.array.map(Double.init)), plain.sets)
        #expect(error <= Self.bound)
    }

    /// No worse than twice a naive evaluation on friendly data; and under an offset of x or dy as good as without.
    @Test(arguments: sets, ChannelLayout.allCases)
    func gradients(sets: ChannelSets, layout: ChannelLayout) throws {
        func errors(xOffset: Float, dyOffset: Float) throws -> (given: [Double], naive: [Double]) {
            let input = try Case(
                sets, samples: 6, channels: 12, positions: [40], layout: layout, patterns: [.offset(xOffset)],
                affine: dyOffset == 0)
            let x = input.x.array
            let dy = input.outputGradient.array.map { $0 + dyOffset }
            let shape = try Self.shape(input)
            let weight = input.weight?.array
            let (_, statistics) = try channelNormWithStatistics(input.x, over: sets, weight: input.weight, layout: layout)
            let ours = try channelNormBackward(
                Tensor(dy, shape: input.x.shape), x: input.x, weight: input.weight, statistics: statistics)
            let plain = PlainChannelNorm<Double>(shape, weight: weight?.map(Double.init), bias: nil, epsilon: 1e-5)
            let truth = plain.backward(dy.map(Double.init), x: x.map(Double.init))
            let naive = PlainChannelNorm<Float>(shape, weight: weight, bias: nil, epsilon: 1e-5).backward(dy, x: x)
            let channels = [truth.dweight.indices.map { (element: $0, channel: $0) }]
            func pair(_ given: [Float], _ naive: [Float], _ truth: [Double], _ sets: [[(element: Int, channel: Int)]])
                -> (Double, Double)
            {
                (worstError(given, truth, sets), worstError(naive, truth, sets))
            }
            let all = [
                pair(ours.input.array, naive.dx, truth.dx, plain.sets),
                pair(ours.weight?.array ?? [], naive.dweight, truth.dweight, channels),
                pair(ours.bias?.array ?? [], naive.dbias, truth.dbias, channels),
            ]
            return (all.map(\.0), all.map(\.1))
        }
        let friendly = try errors(xOffset: 0, dyOffset: 0)
        for (error, naive) in zip(friendly.given, friendly.naive) { #expect(error <= 2 * naive) }
        for offset: Float in [1e3, 1e6] {
            for (error, naive) in zip(try errors(xOffset: offset, dyOffset: 0).given, friendly.naive) {
                #expect(error <= 2 * naive, "offset \(offset) of x")
            }
            let shifted = try errors(xOffset: 0, dyOffset: offset)
            #expect(shifted.given[0] <= 2 * friendly.naive[0], "offset \(offset) of dy")
        }
    }

    /// From the public bug reports: exactly the bias, whatever epsilon is.
    @Test(arguments: [Float(1234), 0, 0.1, -1e6, 1e30, 0x1p-133], [Float(1e-5), 0])
    func channelsWithoutSpreadAreTheBias(value: Float, epsilon: Float) throws {
        for layout in ChannelLayout.allCases {
            for sets in Self.sets {
                for positions in [[], [3], [200]] {
                    let input = try Case(
                        sets, samples: 6, channels: 12, positions: positions, layout: layout,
                        patterns: [.constant(value)], epsilon: epsilon)
                    let y = try channelNorm(
                        input.x, over: sets, bias: input.bias, epsilon: epsilon, layout: layout)
                    let zero = try Tensor<Float>(repeating: value, shape: input.x.shape)
                    let weightless = try channelNorm(
                        zero, over: sets, weight: Tensor(repeating: 0, shape: [12]), bias: input.bias, layout: layout)
                    #expect(y == weightless, "\(input.name), \(value), epsilon \(epsilon)")
                }
            }
        }
    }

    /// [40000 ... 40003], a channel of a large mean and little spread.
    @Test func smallSpreadOnALargeMean() throws {
        let x = try Tensor<Float>([40000, 40001, 40002, 40003], shape: [4, 1])
        let y = try channelNorm(x, over: .batch(), epsilon: 1e-5).array
        let deviation = (1.25 + 1e-5).squareRoot()
        for (y, truth) in zip(y, [-1.5, -0.5, 0.5, 1.5].map { $0 / deviation }) {
            #expect(abs(Double(y) - truth) <= 3e-7 * 1.5)
        }
    }

    /// Sets of one element have no gradient, and are the bias.
    @Test(arguments: [Float(1e-5), 0]) func setsOfOneElement(epsilon: Float) throws {
        let input = try Case(
            .instances, samples: 5, channels: 7, positions: [], patterns: [.offset(3), .scale(1e30)], epsilon: epsilon)
        let result = try ChannelNormVerification.Result(input, as: Float.self, backend: .automatic)
        #expect(result.dx.array.allSatisfy { $0 == 0 })
        #expect(result.dweight?.array.allSatisfy { $0 == 0 } == true)
        #expect(result.y.array == (0..<35).map { input.bias?[$0 % 7] ?? .nan })
    }

    /// A NaN or an infinity stays in its set.
    @Test(arguments: [Float.nan, .infinity, -.infinity], ChannelLayout.allCases)
    func poisonStaysInItsSet(poison: Float, layout: ChannelLayout) throws {
        let patterns: [RowPattern] = [.offset(0), .poisoned(poison), .offset(1)]
        for sets: ChannelSets in [.batch(), .groups(3), .instances] {
            let input = try Case(sets, samples: 3, channels: 3, positions: [50], layout: layout, patterns: patterns)
            let plain = PlainChannelNorm<Double>(try Self.shape(input), weight: nil, bias: nil, epsilon: 1e-5)
            let y = try channelNorm(input.x, over: sets, layout: layout).array
            for set in plain.sets {
                let isPoisoned = set.contains { !input.x.array[$0.element].isFinite }
                #expect(set.allSatisfy { y[$0.element].isNaN == isPoisoned }, "\(input.name)")
            }
        }
    }

    /// Moments of halves, merged, are those of the whole to float32 rounding; under an offset of 1e6, too.
    @Test(arguments: [Float(0), 1e6], ChannelLayout.allCases)
    func momentsOfHalvesMerge(offset: Float, layout: ChannelLayout) throws {
        let input = try Case(
            .batch(), samples: 8, channels: 5, positions: [77], layout: layout, patterns: [.offset(offset)])
        let whole = try channelMoments(input.x, layout: layout)
        let halves = try [0..<3, 3..<8].map { try channelMoments(input.x.sliced($0), layout: layout) }
        for channel in 0..<5 {
            let merged = [halves[0][channel], halves[1][channel]].merged()
            #expect(merged.count == whole[channel].count)
            // Sums of 2^-24 relative error, of deviations near 1.
            #expect(abs(merged.mean - whole[channel].mean) <= 1e-6)
            #expect(abs(merged.variance / whole[channel].variance - 1) <= 1e-6)
        }
    }
}
