public import Normalization

/// A layer: LayerNorm of each segment of the last axis on its own, as where the features of several modalities lie
/// side by side in one row.
///
/// ```
/// y[i] = weight[i] (x[i] - mean_m) / sqrt(variance_m + epsilon) + bias[i],   m = the segment of i
/// ```
///
/// ```swift
/// let norm = try SegmentedLayerNorm(segments: SegmentOffsets(widths: [512, 256]))   // text, audio
/// let y = try norm(x)                                                               // x: [..., 768]
/// let (value, pullback) = try norm.valueWithPullback(at: x)
/// ```
///
/// No segment's output or gradient depends on another segment's input. What is lost is the scale of one segment beside
/// another's: if that carries information, give it to the net as a feature of its own. A segment of one column becomes
/// its bias, one of two columns keeps a sign only.
/// Precision and special rows: those of `layerNorm`. Source: Ba, Kiros, Hinton, "Layer Normalization", 2016.
public struct SegmentedLayerNorm: Sendable {
    public let segments: SegmentOffsets
    /// Whether each column of the row has its own weight and bias (each segment its own affine map), or the segments,
    /// which then are equally wide, share theirs.
    public let parameters: SegmentParameters
    /// One factor a column of the row or of a segment.
    public var weight: Tensor<Float>
    /// One summand a column of the row or of a segment.
    public var bias: Tensor<Float>
    public var epsilon: Float
    public var backend: Backend

    /// A layer that has learned nothing: weight 1, bias 0.
    ///
    /// - Throws: `NormalizationError` if there is no column, segments of different widths are to share parameters,
    ///   or `epsilon` is not a finite number of at least 0.
    public init(
        segments: SegmentOffsets, parameters: SegmentParameters = .perColumn, epsilon: Float = 1e-5,
        backend: Backend = .automatic
    ) throws(NormalizationError) {
        let ones = try SegmentNormGradients<Float>(shape: [segments.total], segments: segments, parameters: parameters)
        weight = try Tensor(repeating: 1, shape: ones.weight.shape)
        bias = ones.bias
        guard epsilon >= 0, epsilon.isFinite else {
            throw NormalizationError(
                .invalidEpsilon, argument: "epsilon", expected: "a finite number of at least 0", given: "\(epsilon)")
        }
        self.segments = segments
        self.parameters = parameters
        self.epsilon = epsilon
        self.backend = backend
    }

    /// The normalized input, of the same shape [..., segments.total].
    ///
    /// - Throws: `NormalizationError` for a last axis, a weight or a bias of another size.
    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        try segmentedLayerNorm(
            x, segments: segments, parameters: parameters, weight: weight, bias: bias, epsilon: epsilon,
            backend: backend)
    }

    /// A function from the gradient of the output to the gradients of input, weight and bias.
    public typealias Pullback<Element: KernelElement> =
        @Sendable (Tensor<Element>) throws(NormalizationError) -> SegmentNormGradients<Element>

    /// The normalized input and its pullback, which holds on to `x` and the statistics of its segments.
    ///
    /// - Throws: As the call.
    public func valueWithPullback<Element: KernelElement>(
        at x: Tensor<Element>
    ) throws(NormalizationError) -> (value: Tensor<Element>, pullback: Pullback<Element>) {
        let (output, statistics) = try segmentedLayerNormWithStatistics(
            x, segments: segments, parameters: parameters, weight: weight, bias: bias, epsilon: epsilon,
            backend: backend)
        let pullback: Pullback<Element> = { [self] (gradient) throws(NormalizationError) in
            try segmentedLayerNormBackward(
                gradient, x: x, segments: segments, parameters: parameters, weight: weight, statistics: statistics,
                backend: backend)
        }
        return (output, pullback)
    }
}
