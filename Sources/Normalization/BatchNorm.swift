public import Tensors

/// Running mean and variance of each channel, for inference.
///
/// ```
/// mean     = mean     + momentum * (batch mean - mean)
/// variance = variance + momentum * (unbiased batch variance - variance)
/// ```
///
/// `Double`, because a float cannot hold the mean of a channel with a large offset. The batch's variance is the
/// unbiased one here, though the batch itself is normalized by the biased one: so did Ioffe and Szegedy, and
/// so does PyTorch.
public struct RunningStatistics: Hashable, Sendable {
    /// One element a channel.
    public var mean: Tensor<Double>
    public var variance: Tensor<Double>
    /// The share of the newest batch.
    public var momentum: Double

    /// Mean 0 and variance 1.
    ///
    /// - Throws: `NormalizationError` if `channelCount` is less than 1 or `momentum` not within 0 ... 1.
    public init(channelCount: Int, momentum: Double = 0.1) throws(NormalizationError) {
        try validate(featureCount: channelCount, argument: "channelCount")
        guard momentum >= 0, momentum <= 1 else {
            throw NormalizationError(
                .outOfRange, argument: "momentum", expected: "a number of 0 ... 1", given: "\(momentum)")
        }
        mean = try Tensor(repeating: 0, shape: [channelCount])
        variance = try Tensor(repeating: 1, shape: [channelCount])
        self.momentum = momentum
    }

    /// Takes in a batch.
    ///
    /// - Parameter statistics: What a batch normalization saved. The moments of several sources are merged first.
    /// - Throws: `NormalizationError` if there are other channels, or fewer than two elements a channel.
    public mutating func update(with statistics: ChannelStatistics) throws(NormalizationError) {
        let channels = mean.count
        guard statistics.shape.groups == channels, statistics.moments.count % channels == 0 else {
            throw NormalizationError(
                .shapeMismatch, argument: "statistics", expected: "moments of \(channels) channels",
                given: "\(statistics.shape.groups) in each region")
        }
        let batch = (0..<channels).map { channel in
            stride(from: channel, to: statistics.moments.count, by: channels).map { statistics.moments[$0] }.merged()
        }
        guard batch.allSatisfy({ $0.count > 1 }) else {
            throw NormalizationError(
                .invalidMoments, argument: "statistics", expected: "at least 2 elements a channel",
                given: "\(batch.first?.count ?? 0)")
        }
        for (channel, moments) in batch.enumerated() {
            mean[channel] += momentum * (moments.mean - mean[channel])
            variance[channel] += momentum * (moments.unbiasedVariance - variance[channel])
        }
    }

    /// As moments to normalize by: a mean, and a variance of one element's weight.
    public var moments: [Moments] {
        zip(mean.array, variance.array).map { Moments(count: 1, mean: $0, sumOfSquaredDeviations: $1) }
    }
}

extension RunningStatistics {
    public static func == (a: RunningStatistics, b: RunningStatistics) -> Bool {
        a.mean == b.mean && a.variance == b.variance && a.momentum == b.momentum
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(mean.array) }
}

/// A layer: batch normalization with learned weight and bias, and running statistics.
///
/// ```swift
/// var norm = try BatchNorm(channelCount: 64)
/// let (value, pullback) = try norm.train(x)            // by the batch, and updates norm.running
/// let gradients = try pullback(upstream)               // gradients.input, .weight, .bias
/// let y = try norm(x)                                  // inference: by norm.running
/// ```
public struct BatchNorm: Sendable {
    /// One factor a channel.
    public var weight: Tensor<Float>
    /// One summand a channel.
    public var bias: Tensor<Float>
    public var running: RunningStatistics
    public var epsilon: Float
    public var layout: ChannelLayout
    public var backend: Backend

    /// A layer that has learned nothing: weight 1, bias 0, running mean 0 and variance 1.
    ///
    /// - Throws: `NormalizationError` if `channelCount` is less than 1, `epsilon` is not a finite number of at least 0, or
    ///   `momentum` not within 0 ... 1.
    public init(
        channelCount: Int, momentum: Double = 0.1, epsilon: Float = 1e-5, layout: ChannelLayout = .channelsFirst,
        backend: Backend = .automatic
    ) throws(NormalizationError) {
        running = try RunningStatistics(channelCount: channelCount, momentum: momentum)
        try validate(epsilon: epsilon)
        weight = try Tensor(repeating: 1, shape: [channelCount])
        bias = try Tensor(repeating: 0, shape: [channelCount])
        self.epsilon = epsilon
        self.layout = layout
        self.backend = backend
    }

    /// Inference: the input, normalized by the running statistics.
    public func callAsFunction<Element: KernelElement>(_ x: Tensor<Element>) throws(NormalizationError) -> Tensor<Element> {
        try channelNorm(
            x, over: .batch(.reference(running.moments)), weight: weight, bias: bias, epsilon: epsilon, layout: layout,
            backend: backend)
    }

    /// A function from the gradient of the output to the gradients of input, weight and bias.
    public typealias Pullback<Element: KernelElement> =
        @Sendable (Tensor<Element>) throws(NormalizationError) -> ChannelNormGradients<Element>

    /// Training: the input, normalized by moments of `scope`, and its pullback. Unless these are fixed ones, the running
    /// statistics take in the batch.
    ///
    /// - Throws: `NormalizationError`, before the running statistics change; also for a batch with less than two
    ///   elements a channel.
    public mutating func train<Element: KernelElement>(
        _ x: Tensor<Element>, scope: BatchScope = .joint
    ) throws(NormalizationError) -> (value: Tensor<Element>, pullback: Pullback<Element>) {
        let (output, statistics) = try channelNormWithStatistics(
            x, over: .batch(scope), weight: weight, bias: bias, epsilon: epsilon, layout: layout, backend: backend)
        if !statistics.areConstant { try running.update(with: statistics) }
        let pullback: Pullback<Element> = { [weight, backend] (gradient) throws(NormalizationError) in
            try channelNormBackward(gradient, x: x, weight: weight, statistics: statistics, backend: backend)
        }
        return (output, pullback)
    }
}
