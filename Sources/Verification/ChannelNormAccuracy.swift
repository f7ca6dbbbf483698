internal import Normalization
internal import ReferenceKernels

/// How far batch, group and instance normalization are from float64.
package struct ChannelNormAccuracy: Sendable {
    package let forward, gradients: AccuracyTable

    /// What is normalized together, in which layout.
    private struct Sets {
        let head: String
        let sets: ChannelSets
        let layout: ChannelLayout
        let samples: Int
        let positions: [Int]

        func problem(_ pattern: RowPattern, affine: Bool, epsilon: Float = 1e-5) throws -> ChannelNormVerification.Case
        {
            try ChannelNormVerification.Case(
                sets, samples: samples, channels: 12, positions: positions, layout: layout, patterns: [pattern],
                affine: affine, epsilon: epsilon)
        }
    }

    private static let all: [Sets] = [
        Sets(head: "batch of vectors", sets: .batch(), layout: .channelsFirst, samples: 1600, positions: []),
        Sets(head: "batch, channels first", sets: .batch(), layout: .channelsFirst, samples: 8, positions: [200]),
        Sets(head: "batch, channels last", sets: .batch(), layout: .channelsLast, samples: 8, positions: [200]),
        Sets(head: "3 groups, first", sets: .groups(3), layout: .channelsFirst, samples: 8, positions: [200]),
        Sets(head: "3 groups, last", sets: .groups(3), layout: .channelsLast, samples: 8, positions: [200]),
        Sets(head: "instances, first", sets: .instances, layout: .channelsFirst, samples: 8, positions: [200]),
        Sets(head: "instances, last", sets: .instances, layout: .channelsLast, samples: 8, positions: [200]),
    ]

    /// Measures all of it.
    package init() throws {
        forward = AccuracyTable(
            title: "Forward",
            text: """
                Channels of unit variance plus an offset, with one element replaced, or times a scale (there with
                epsilon 0). The errors are relative to the largest result of a set.
                """, data: "channels",
            rows: try [0, 1e3, 1e6, 1e7].map { try Self.forward(.offset($0), "offset \(AccuracyTable.short($0))") }
                + [1e4, 1e7].map { try Self.forward(.outlier($0), "outlier \(AccuracyTable.short($0))") }
                + [1e-30, 1e-20, 1e20, 1e30].map {
                    try Self.forward(.scale($0), "scale \(AccuracyTable.short($0))", epsilon: 0)
                })
        gradients = AccuracyTable(
            title: "Gradients",
            text: """
                An offset of x comes with random weights, an offset of dy (which changes nothing in exact arithmetic)
                with weights of 1. The errors of dweight and dbias are relative to their largest element.
                """, data: "gradient",
            rows: try AccuracyTable.gradients("x", sizes: Self.all) {
                try Self.gradients($1, xOffset: $0, dyOffset: 0)
            }
                + AccuracyTable.gradients("dy", sizes: Self.all) {
                    [try Self.gradients($1, xOffset: 0, dyOffset: $0, affine: false)[0]]
                })
    }

    private static func plain<Scalar: BinaryFloatingPoint>(
        _ input: ChannelNormVerification.Case, as type: Scalar.Type
    ) throws -> PlainChannelNorm<Scalar> {
        PlainChannelNorm(
            try channelNormWithStatistics(input.x, over: input.sets, layout: input.layout).statistics.shape,
            weight: input.weight?.array.map { Scalar($0) }, bias: nil, epsilon: Scalar(input.epsilon))
    }

    private static func cell(
        _ head: String, _ given: [Float], naive: [Float], truth: [Double], sets: [[Int]]
    ) -> AccuracyTable.Cell {
        AccuracyTable.Cell(
            head: head, columns: sets[0].count, error: AccuracyTable.worstError(given, truth, sets: sets),
            naiveError: AccuracyTable.worstError(naive, truth, sets: sets))
    }

    /// Bound: five roundings of 2^-24, of x - mean, of the low part of the mean, of the factor, of the product, and one
    /// for the sums of all parts, which are merged in float64.
    private static func forward(_ pattern: RowPattern, _ data: String, epsilon: Float = 1e-5) throws
        -> AccuracyTable.Row
    {
        let cells = try all.map { kind in
            let input = try kind.problem(pattern, affine: false, epsilon: epsilon)
            let y = try channelNorm(input.x, over: input.sets, epsilon: epsilon, layout: input.layout)
            let (naive, truth) = (try plain(input, as: Float.self), try plain(input, as: Double.self))
            return cell(
                kind.head, y.array, naive: naive.forward(input.x.array),
                truth: truth.forward(input.x.array.map(Double.init)), sets: truth.sets.map { $0.map(\.element) })
        }
        return AccuracyTable.Row(data, cells) { _ in 3e-7 }
    }

    private static func gradients(
        _ kind: Sets, xOffset: Float, dyOffset: Float, affine: Bool = true
    ) throws -> [AccuracyTable.Gradient] {
        let input = try kind.problem(.offset(xOffset), affine: affine)
        let x = input.x.array
        let dy = input.outputGradient.array.map { $0 + dyOffset }
        let statistics = try channelNormWithStatistics(
            input.x, over: input.sets, weight: input.weight, layout: input.layout
        ).statistics
        let given = try channelNormBackward(
            Tensor(dy, shape: input.x.shape), x: input.x, weight: input.weight, statistics: statistics)
        let plain = try plain(input, as: Double.self)
        let truth = plain.backward(dy.map(Double.init), x: x.map(Double.init))
        let naive = try Self.plain(input, as: Float.self).backward(dy, x: x)
        let channels = [Array(0..<12)]
        return [
            (
                "dx",
                cell(
                    kind.head, given.input.array, naive: naive.dx, truth: truth.dx,
                    sets: plain.sets.map { $0.map(\.element) })
            ),
            (
                "dweight",
                cell(kind.head, given.weight?.array ?? [], naive: naive.dweight, truth: truth.dweight, sets: channels)
            ),
            ("dbias", cell(kind.head, given.bias?.array ?? [], naive: naive.dbias, truth: truth.dbias, sets: channels)),
        ]
    }
}
