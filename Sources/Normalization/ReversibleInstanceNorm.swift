public import Tensors

/// Reversible instance normalization (RevIN): removes level and scale of each feature of each time series before a
/// model, and gives them back to its forecast.
///
/// ```swift
/// let norm = try ReversibleInstanceNorm(featureCount: 7)
/// let (series, statistics) = try norm.normalize(x)      // x: [batch, time, feature]
/// let forecast = model(series)                          // [batch, horizon, feature]
/// let y = try norm.denormalize(forecast, statistics)    // on the scale of x
/// ```
///
/// ```
/// normalize:    (x - mean) / sqrt(variance + epsilon) * weight + bias
/// denormalize:  (y - bias) * (sqrt(variance + epsilon) / weight) + mean
/// ```
///
/// It erases what is constant over the window: a label that is the level cannot be learned behind it. It normalizes over
/// the whole window, which for a forecast must hold the past alone. Source: Kim et al., "Reversible Instance
/// Normalization for Accurate Time-Series Forecasting against Distribution Shift", ICLR 2022.
public struct ReversibleInstanceNorm: Sendable {
    /// One factor a feature, none 0.
    public var weight: Tensor<Float>
    /// One summand a feature.
    public var bias: Tensor<Float>
    public var epsilon: Float
    public var backend: Backend

    /// A layer that has learned nothing: weight 1, bias 0.
    ///
    /// - Throws: `NormalizationError` if `featureCount` is less than 1 or `epsilon` is not a finite
    ///   number of at least 0.
    public init(featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) {
        try validate(featureCount: featureCount, argument: "featureCount")
        try validate(epsilon: epsilon)
        weight = try Tensor(repeating: 1, shape: [featureCount])
        bias = try Tensor(repeating: 0, shape: [featureCount])
        self.epsilon = epsilon
        self.backend = backend
    }

    /// Each feature of each series, normalized over time, and the moments that were removed.
    ///
    /// - Parameter x: [batch, time, feature].
    public func normalize<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> (output: Tensor<Element>, statistics: ChannelStatistics) {
        try channelNormWithStatistics(
            x, over: .instances, weight: weight, bias: bias, epsilon: epsilon, layout: .channelsLast, backend: backend)
    }

    /// A function from the gradient of an output to the gradients of input, weight and bias.
    public typealias Pullback<Element: KernelElement> =
        @Sendable (Tensor<Element>) throws(NormalizationError) -> ChannelNormGradients<Element>

    /// ``normalize(_:)`` with its pullback. The moments are constants to it, as they are in the authors' code.
    public func normalizeWithPullback<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> (
        output: Tensor<Element>, statistics: ChannelStatistics, pullback: Pullback<Element>
    ) {
        let (output, statistics) = try normalize(x)
        let constants = ChannelStatistics(
            moments: statistics.moments, epsilon: statistics.epsilon, shape: statistics.shape, areConstant: true)
        let pullback: Pullback<Element> = { [weight, backend] (gradient) throws(NormalizationError) in
            try channelNormBackward(gradient, x: x, weight: weight, statistics: constants, backend: backend)
        }
        return (output, statistics, pullback)
    }

    /// ``denormalize(_:_:)`` with its pullback.
    public func denormalizeWithPullback<Element: KernelElement>(
        _ y: Tensor<Element>, _ statistics: ChannelStatistics
    ) throws(NormalizationError) -> (output: Tensor<Element>, pullback: Pullback<Element>) {
        let pullback: Pullback<Element> = { [weight, bias, backend] (gradient) throws(NormalizationError) in
            try channelDenormalizeBackward(
                gradient, y: y, weight: weight, bias: bias, statistics: statistics, backend: backend)
        }
        return (try denormalize(y, statistics), pullback)
    }

    /// A normalized series, or a forecast of any length, on the scale of the series that `statistics` come from.
    ///
    /// - Throws: `NormalizationError` for shapes that do not fit, or a weight with a 0.
    public func denormalize<Element: KernelElement>(
        _ y: Tensor<Element>, _ statistics: ChannelStatistics
    ) throws(NormalizationError) -> Tensor<Element> {
        try channelDenormalize(y, weight: weight, bias: bias, statistics: statistics, backend: backend)
    }
}
