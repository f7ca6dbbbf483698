// One answer of channel normalization: every instruction set, thread count and storage type gives the reference's bits.

internal import KernelBridge
internal import Normalization
import Testing
internal import Verification

@Suite struct ChannelNormBitsTests {
    private func expectOneAnswer<Element: KernelElement>(
        _ input: ChannelNormVerification.Case, as type: Element.Type, _ backends: [Backend]
    ) throws {
        let expected = try ChannelNormVerification.Result(input, as: type, backend: .reference)
        for backend in backends {
            let given = try ChannelNormVerification.Result(input, as: type, backend: backend)
            for bits in [given.forwardComparison(with: expected), given.backwardComparison(with: expected)] {
                #expect(bits.compared > 0 && bits.different == 0, "\(input.name), \(type), \(backend): \(bits)")
            }
        }
    }

    private func expectOneAnswer(_ input: ChannelNormVerification.Case, _ backends: [Backend]) throws {
        try expectOneAnswer(input, as: Float.self, backends)
        try expectOneAnswer(input, as: BFloat16.self, backends)
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            try expectOneAnswer(input, as: Float16.self, backends)
        #endif
    }

    /// Kinds of sets, layouts, hostile channels; those of `normalize verify`.
    @Test func casesOfTheTool() throws {
        for input in try ChannelNormVerification.cases() { try expectOneAnswer(input, TestedBackends.kernels) }
    }

    /// Numbers of channels around vectors and strips, and of positions around blocks, chunks and parts.
    @Test(arguments: TestedSizes.thinned([1, 2, 3, 15, 16, 17, 31, 33, 64, 100, 511, 512, 513, 1030], debugStep: 3))
    func everyWidth(count: Int) throws {
        for layout in ChannelLayout.allCases {
            for sets: ChannelSets in [.batch(), .batch(.perSource([1, 2])), .groups(1), .instances] {
                try expectOneAnswer(
                    ChannelNormVerification.Case(sets, samples: 3, channels: count, positions: [3], layout: layout),
                    [.automatic, .kernels(.portable, threads: 3)])
                try expectOneAnswer(
                    ChannelNormVerification.Case(sets, samples: 3, channels: 3, positions: [count], layout: layout),
                    [.automatic, .kernels(.portable, threads: 3)])
            }
        }
    }

    /// Rows around the parts of 128, their tiles of 8 and their samples of 16.
    @Test(arguments: [1, 2, 7, 8, 9, 15, 16, 17, 18, 23, 127, 128, 129, 136, 255, 256, 257, 1000])
    func everyNumberOfRows(rows: Int) throws {
        let patterns: [RowPattern] = [.offset(0), .offset(1e6), .scale(1e30), .constant(3)]
        for channels in [1, 5, 16, 33] {
            try expectOneAnswer(
                ChannelNormVerification.Case(
                    .batch(), samples: rows, channels: channels, positions: [], patterns: patterns),
                TestedBackends.kernels)
        }
    }

    @Test(arguments: [Float(0), 1e-5, 1e-12, 1, 1e30])
    func hostileChannels(epsilon: Float) throws {
        for layout in ChannelLayout.allCases {
            for sets: ChannelSets in [.batch(), .groups(16), .instances] {
                try expectOneAnswer(
                    ChannelNormVerification.Case(
                        sets, samples: 4, channels: 32, positions: [70], layout: layout, patterns: RowPattern.hostile,
                        affine: epsilon != 1, epsilon: epsilon),
                    [.automatic, .kernels(.portable, threads: 2)])
            }
        }
    }

    /// More memory than half of a last cache of up to 64 MiB: outputs bypass the caches. (Portable stores do not.)
    @Test(arguments: ChannelLayout.allCases)
    func outputsLargerThanTheCache(layout: ChannelLayout) throws {
        for sets: ChannelSets in [.batch(), .instances] {
            let input = try ChannelNormVerification.Case(
                sets, samples: 66, channels: 64, positions: [1024], layout: layout)
            let expected = try ChannelNormVerification.Result(input, as: Float.self, backend: .kernels(.portable, threads: 1))
            for instructionSet in TestedBackends.instructionSets where instructionSet != .portable {
                let given = try ChannelNormVerification.Result(
                    input, as: Float.self, backend: .kernels(instructionSet, threads: 2))
                for bits in [given.forwardComparison(with: expected), given.backwardComparison(with: expected)] {
                    #expect(bits.compared > 0 && bits.different == 0, "\(input.name), \(instructionSet): \(bits)")
                }
            }
        }
    }

    /// A result in 16 bits is the result in 32 bits of the same input, rounded once.
    @Test(arguments: ChannelLayout.allCases)
    func briefResultsAreRoundedOnce(layout: ChannelLayout) throws {
        let input = try ChannelNormVerification.Case(
            .groups(2), samples: 3, channels: 6, positions: [33], layout: layout, patterns: [.offset(100)])
        let x = Tensor<BFloat16>(rounding: input.x)
        let wide = try channelNorm(
            x.widened(), over: input.sets, weight: input.weight, bias: input.bias, layout: layout)
        let brief = try channelNorm(x, over: input.sets, weight: input.weight, bias: input.bias, layout: layout)
        expectSameBits(brief.widened().array, Tensor<BFloat16>(rounding: wide).widened().array, "\(layout)")
    }

    /// The kernels' merge is Swift's.
    @Test func mergedMoments() throws {
        var random = RandomNumbers(seed: 3)
        for count in 0..<20 {
            let parts = (0..<count).map { _ in
                Moments(
                    count: Int(random.nextBits() % 5), mean: Double(random.nextNormal()) * 1e6,
                    sumOfSquaredDeviations: Double(random.nextUniform()))
            }
            var bits = BitComparison()
            bits.compare([try RowMomentsKernels.merged(parts)], [parts.merged()])
            #expect(bits.different == 0, "\(parts)")
        }
    }

    /// Transposed and sliced views, by a copy.
    @Test func viewsThatAreNotContiguous() throws {
        let input = try ChannelNormVerification.Case(.batch(), samples: 4, channels: 6, positions: [10])
        let last = try input.x.transposed(1, 2)
        let expected = try channelNorm(last.contiguous(), over: .batch(), layout: .channelsLast)
        #expect(try channelNorm(last, over: .batch(), layout: .channelsLast) == expected)
        let slice = try input.x.sliced(1..<5, axis: 2)
        #expect(try channelNorm(slice, over: .batch()) == channelNorm(slice.contiguous(), over: .batch()))
    }
}
