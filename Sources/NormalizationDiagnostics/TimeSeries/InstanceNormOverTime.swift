public import Normalization

/// Instance normalization of time series: each feature of each series over its window of time.
///
/// ```swift
/// let norm = try InstanceNormOverTime(featureCount: 16)
/// let y = try norm(x)                                   // x: [batch, time, 16]
/// ```
///
/// ```
/// y[n, t, i] = (x[n, t, i] - mean[n, i]) / sqrt(variance[n, i] + epsilon) * weight[i] + bias[i]
/// ```
/// The axis is the time of one feature. It removes what ``TimeStepLayerNorm`` keeps, an offset and a positive scale of
/// each feature that are constant over the window, and erases whatever else is constant over the window. It keeps what
/// that one removes. Every output depends on the whole window, the future of a step included: for a forecast the window
/// must hold the past alone. The gradient goes through the moments; ``ReversibleInstanceNorm``, its form for forecasts,
/// takes them as constants and gives level and scale back.
///
/// Precision: that of ``channelNorm(_:over:weight:bias:epsilon:layout:backend:)``. Source: Ulyanov, Vedaldi, Lempitsky,
/// "Instance Normalization", 2016.
public struct InstanceNormOverTime: Sendable {
    /// One factor a feature.
    public var weight: Tensor<Float>
    /// One summand a feature.
    public var bias: Tensor<Float>
    public var epsilon: Float
    public var backend: Backend

    /// A layer that has learned nothing: weight 1, bias 0.
    ///
    /// - Throws: `NormalizationError` if `featureCount` is less than 1 or `epsilon` is not a finite number of at least
    ///   0.
    public init(featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) {
        let parameters = try ReversibleInstanceNorm(featureCount: featureCount, epsilon: epsilon, backend: backend)
        weight = parameters.weight
        bias = parameters.bias
        self.epsilon = epsilon
        self.backend = backend
    }

    /// - Parameter x: [batch, time, feature].
    /// - Throws: `NormalizationError` for another shape.
    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        try valueWithPullback(at: x).value
    }

    /// A function from the gradient of the output to the gradients of input, weight and bias.
    public typealias Pullback<Element: KernelElement> =
        @Sendable (Tensor<Element>) throws(NormalizationError) -> ChannelNormGradients<Element>

    /// The output and its pullback.
    ///
    /// - Throws: `NormalizationError` for another shape than [batch, time, feature].
    public func valueWithPullback<Element: KernelElement>(
        at x: Tensor<Element>
    ) throws(NormalizationError) -> (value: Tensor<Element>, pullback: Pullback<Element>) {
        try x.validateSeries(featureCount: weight.count, argument: "x")
        let (output, statistics) = try channelNormWithStatistics(
            x, over: .instances, weight: weight, bias: bias, epsilon: epsilon, layout: .channelsLast, backend: backend)
        let pullback: Pullback<Element> = { [weight, backend] (gradient) throws(NormalizationError) in
            try channelNormBackward(gradient, x: x, weight: weight, statistics: statistics, backend: backend)
        }
        return (output, pullback)
    }
}
