public import Normalization

/// LayerNorm of time series: over the features of each time step, so that a step's level and scale are gone.
///
/// ```swift
/// let norm = try TimeStepLayerNorm(featureCount: 16)
/// let y = try norm(x)                                   // x: [batch, time, 16]
/// ```
///
/// ```
/// y[n, t, i] = (x[n, t, i] - mean[n, t]) / sqrt(variance[n, t] + epsilon) * weight[i] + bias[i]
/// ```
/// The axis is the features of one step. There is no memory: a step's output depends on that step alone, so it is
/// causal and may be used in forecasting, and a common drift `a[t] x + b[t]` with `a[t] > 0` is removed however fast it
/// is. Not removed: offsets and scales of single features (``InstanceNormOverTime`` removes those), and changes of
/// sign. What only level and scale tell is lost (``LevelScaleSkip`` keeps it). With one feature the output is `bias`
/// whatever the input. The features must have one unit, or be standardised first.
///
/// Precision: that of ``LayerNorm``, which it is. Source: Ba, Kiros, Hinton, "Layer Normalization", 2016.
public struct TimeStepLayerNorm: Sendable {
    /// Weight [feature], bias [feature], epsilon and backend.
    public var norm: LayerNorm

    /// A layer that has learned nothing: weight 1, bias 0.
    ///
    /// - Throws: `NormalizationError` if `featureCount` is less than 1 or `epsilon` is not a finite number of at least
    ///   0.
    public init(featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) {
        norm = try LayerNorm(featureCount: featureCount, epsilon: epsilon, backend: backend)
    }

    /// - Parameter x: [batch, time, feature].
    /// - Throws: `NormalizationError` for another shape.
    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        try x.validateSeries(featureCount: norm.weight.count, argument: "x")
        return try norm(x)
    }

    /// The output and its pullback.
    ///
    /// - Throws: `NormalizationError` for another shape than [batch, time, feature].
    public func valueWithPullback<Element: KernelElement>(
        at x: Tensor<Element>
    ) throws(NormalizationError) -> (value: Tensor<Element>, pullback: LayerNorm.Pullback<Element>) {
        try x.validateSeries(featureCount: norm.weight.count, argument: "x")
        return try norm.valueWithPullback(at: x)
    }

    /// How much longer or shorter the normalized features of `a x + b` are than those of `x`, which epsilon alone
    /// causes:
    ///
    /// ```
    /// ratio = sqrt((1 + epsilon / variance) / (1 + epsilon / (a² variance)))
    /// ```
    /// Their direction is the same for a > 0. The ratio is 1 for epsilon 0, and within (epsilon / 2 variance) |1 -
    /// 1/a²| of 1 where epsilon is far below both variances.
    ///
    /// - Parameters:
    ///   - scale: a, not 0.
    ///   - variance: Of the features of x at this step, above 0.
    public static func outputRatio(scale: Double, variance: Double, epsilon: Double) -> Double {
        ((1 + epsilon / variance) / (1 + epsilon / (scale * scale * variance))).squareRoot()
    }
}
