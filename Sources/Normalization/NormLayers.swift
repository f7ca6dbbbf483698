public import Tensors

/// A layer that normalizes over the last axis: ``LayerNorm`` or ``RMSNorm``.
public protocol NormLayer: Sendable {
    /// The normalized input, of the same shape.
    func callAsFunction<Element: KernelElement>(_ x: Tensor<Element>) throws(NormalizationError) -> Tensor<Element>

    /// `x + branch` and its normalization, in one pass over memory.
    func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>, adding branch: Tensor<Element>
    ) throws(NormalizationError) -> ResidualNormOutput<Element>

    /// `x` plus the normalized `branch`, rounded once.
    func callAsFunction<Element: KernelElement>(
        _ branch: Tensor<Element>, addedTo x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element>
}

/// A layer: learned weight and bias of a LayerNorm over the last axis.
///
/// ```swift
/// let norm = try LayerNorm(featureCount: 768)
/// let y = try norm(x)                                   // x: a tensor of shape [..., 768]
/// let (value, pullback) = try norm.valueWithPullback(at: x)
/// let gradients = try pullback(upstream)                // gradients.input, .weight, .bias
/// let (h, y) = try norm(x, adding: branch)              // .sum, .output
/// ```
public struct LayerNorm: NormLayer {
    /// One factor a feature.
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
        try validate(epsilon: epsilon)
        weight = try Tensor(repeating: 1, featureCount: featureCount)
        bias = try Tensor(repeating: 0, featureCount: featureCount)
        self.epsilon = epsilon
        self.backend = backend
    }

    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        try layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
    }

    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>, adding branch: Tensor<Element>
    ) throws(NormalizationError) -> ResidualNormOutput<Element> {
        try residualLayerNorm(x, adding: branch, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
    }

    public func callAsFunction<Element: KernelElement>(
        _ branch: Tensor<Element>, addedTo x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        try terms.normalized(branch, addedTo: x, backend: backend)
    }

    private var terms: NormTerms<Float> {
        NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
    }

    /// A function from the gradient of the output to the gradients of input, weight and bias.
    public typealias Pullback<Element: KernelElement> =
        @Sendable (Tensor<Element>) throws(NormalizationError) -> NormGradients<Element>

    /// The normalized input and its pullback, which holds on to `x` and the statistics of its rows.
    public func valueWithPullback<Element: KernelElement>(
        at x: Tensor<Element>
    ) throws(NormalizationError) -> (value: Tensor<Element>, pullback: Pullback<Element>) {
        let (output, statistics) = try layerNormWithStatistics(
            x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
        let pullback: Pullback<Element> = { [weight, backend] (gradient) throws(NormalizationError) in
            try layerNormBackward(gradient, x: x, weight: weight, statistics: statistics, backend: backend)
        }
        return (output, pullback)
    }
}

/// A layer: the learned weight of an RMSNorm over the last axis.
public struct RMSNorm: NormLayer {
    /// One factor a feature.
    public var weight: Tensor<Float>
    /// Added to each weight: 1 for models that store weight − 1.
    public var weightOffset: Float
    public var epsilon: Float
    public var backend: Backend

    /// A layer that has learned nothing: weight + weightOffset is 1.
    ///
    /// - Throws: `NormalizationError` if `featureCount` is less than 1, `epsilon` is not a finite number of at least 0, or
    ///   `weightOffset` is not finite.
    public init(
        featureCount: Int, weightOffset: Float = 0, epsilon: Float = 1e-5, backend: Backend = .automatic
    ) throws(NormalizationError) {
        try validate(epsilon: epsilon)
        try validate(finite: weightOffset, argument: "weightOffset")
        weight = try Tensor(repeating: 1 - weightOffset, featureCount: featureCount)
        self.weightOffset = weightOffset
        self.epsilon = epsilon
        self.backend = backend
    }

    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        try rmsNorm(x, weight: weight, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
    }

    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>, adding branch: Tensor<Element>
    ) throws(NormalizationError) -> ResidualNormOutput<Element> {
        try residualRMSNorm(
            x, adding: branch, weight: weight, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
    }

    public func callAsFunction<Element: KernelElement>(
        _ branch: Tensor<Element>, addedTo x: Tensor<Element>
    ) throws(NormalizationError) -> Tensor<Element> {
        let terms = NormTerms(.rmsNorm, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: epsilon)
        return try terms.normalized(branch, addedTo: x, backend: backend)
    }

    /// The normalized input and its pullback, which holds on to `x` and the statistics of its rows.
    public func valueWithPullback<Element: KernelElement>(
        at x: Tensor<Element>
    ) throws(NormalizationError) -> (value: Tensor<Element>, pullback: LayerNorm.Pullback<Element>) {
        let (output, statistics) = try rmsNormWithStatistics(
            x, weight: weight, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
        let pullback: LayerNorm.Pullback<Element> = { [weight, weightOffset, backend] (gradient) throws(NormalizationError) in
            try rmsNormBackward(
                gradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics, backend: backend)
        }
        return (output, pullback)
    }
}

extension Tensor<Float> {
    fileprivate init(repeating value: Float, featureCount: Int) throws(NormalizationError) {
        try validate(featureCount: featureCount, argument: "featureCount")
        try self.init(repeating: value, shape: [featureCount])
    }
}
