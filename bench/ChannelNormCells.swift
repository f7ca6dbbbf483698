// ChannelNormCells: what is measured of batch, group and instance normalization, in both layouts.

internal import Normalization

extension Cell {
    /// Rows are those of memory: channels of samples where channels are first, positions where they are last. A batch is
    /// read twice, since these do not fit the caches.
    static var channelNorms: [Cell] {
        let first = ChannelCut(channels: 64, layout: .channelsFirst)
        let last = ChannelCut(channels: 64, layout: .channelsLast)
        let batch = ChannelCut(channels: 256, layout: .channelsLast)
        return [
            channels("batchNorm", .batch(), batch, Float.self, (65536, 256)),
            channels("batchNorm", .batch(), batch, BFloat16.self, (65536, 256)),
            channels("batchNorm", .batch(), first, Float.self, (8192, 1024)),
            channels("groupNorm", .groups(8), first, Float.self, (8192, 1024)),
            channels("groupNorm", .groups(8), last, Float.self, (131072, 64)),
            channels("instanceNorm", .instances, first, Float.self, (8192, 1024)),
            channels("instanceNorm", .instances, last, Float.self, (131072, 64)),
            channelsBackward("batchNorm", .batch(), batch, (65536, 256)),
            channelsBackward("groupNorm", .groups(8), first, (8192, 1024)),
        ]
    }

    private static func channels<Element: KernelElement>(
        _ name: String, _ sets: ChannelSets, _ cut: ChannelCut, _: Element.Type, _ shape: (rows: Int, columns: Int)
    ) -> Cell {
        Cell(
            operation: "\(name) \(cut.name)", storage: Element.storageType, direction: .forward, rows: shape.rows,
            columns: shape.columns, isCold: false, tensorsRead: sets == .batch() ? 2 : 1, tensorsWritten: 1
        ) { try ChannelForward<Element>(sets, cut, shape: $0, sets: $1, backend: $2) }
    }

    private static func channelsBackward(
        _ name: String, _ sets: ChannelSets, _ cut: ChannelCut, _ shape: (rows: Int, columns: Int)
    ) -> Cell {
        Cell(
            operation: "\(name) \(cut.name)", storage: .float32, direction: .backward, rows: shape.rows,
            columns: shape.columns, isCold: false, tensorsRead: 2, tensorsWritten: 1
        ) { try ChannelBackward(sets, cut, shape: $0, sets: $1, backend: $2) }
    }
}

/// How rows of a cell are samples, channels and positions.
private struct ChannelCut {
    let channels: Int
    let layout: ChannelLayout

    var name: String { layout == .channelsFirst ? "NCHW" : "NHWC" }

    /// Where channels are last, 1,024 positions are a sample.
    func shape(_ shape: Shape) -> Shape {
        layout == .channelsFirst
            ? [shape[0] / channels, channels, shape[1]]
            : [max(1, shape[0] / 1024), min(shape[0], 1024), channels]
    }
}

private struct ChannelForward<Element: KernelElement>: Workload {
    let channelSets: ChannelSets
    let layout: ChannelLayout
    let backend: Backend
    let weight, bias: Tensor<Float>
    let inputs: [Tensor<Element>]
    var outputs: [Tensor<Element>]

    init(_ channelSets: ChannelSets, _ cut: ChannelCut, shape: Shape, sets: Int, backend: Backend) throws {
        self.channelSets = channelSets
        layout = cut.layout
        self.backend = backend
        weight = try filled([cut.channels], seed: 1000)
        bias = try filled([cut.channels], seed: 1001)
        inputs = try (0..<sets).map { try filled(cut.shape(shape), seed: $0) }
        outputs = try inputs.map { _ in try filled(cut.shape(shape), seed: 0) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        try channelNorm(
            inputs[set], over: channelSets, weight: weight, bias: bias, layout: layout, into: &outputs[set],
            backend: backend)
    }
}

private struct ChannelBackward: Workload {
    let backend: Backend
    let weight: Tensor<Float>
    let inputs, outputGradients: [Tensor<Float>]
    let statistics: [ChannelStatistics]
    var gradients: [ChannelNormGradients<Float>]

    init(_ channelSets: ChannelSets, _ cut: ChannelCut, shape: Shape, sets: Int, backend: Backend) throws {
        self.backend = backend
        weight = try filled([cut.channels], seed: 1000)
        inputs = try (0..<sets).map { try filled(cut.shape(shape), seed: $0) }
        outputGradients = try (0..<sets).map { try filled(cut.shape(shape), seed: 2000 + $0) }
        statistics = try inputs.map {
            try channelNormWithStatistics($0, over: channelSets, layout: cut.layout).statistics
        }
        gradients = try inputs.map { _ in
            try ChannelNormGradients(shape: cut.shape(shape), channels: cut.channels)
        }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        try channelNormBackward(
            outputGradients[set], x: inputs[set], weight: weight, statistics: statistics[set], into: &gradients[set],
            backend: backend)
    }
}
