internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of a channel normalization.
public struct ChannelNormGradients<Element: KernelElement>: Sendable {
    /// For the input: the shape of `x`.
    public internal(set) var input: Tensor<Element>
    /// For `weight`, or nil if not wanted.
    public internal(set) var weight: Tensor<Float>?
    /// For `bias`, or nil if not wanted.
    public internal(set) var bias: Tensor<Float>?

    /// Zero gradients for an input of `shape` with so many channels, to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for shapes that are not one.
    public init(
        shape: Shape, channels: Int, weight: Bool = true, bias: Bool = true
    ) throws(NormalizationError) {
        input = try Tensor(repeating: .zero, shape: shape)
        self.weight = weight ? try Tensor(repeating: 0, shape: [channels]) : nil
        self.bias = bias ? try Tensor(repeating: 0, shape: [channels]) : nil
    }

    init(uninitializedLike x: Tensor<Element>, channels: Int) throws(NormalizationError) {
        input = Tensor(uninitializedLike: x.shape)
        weight = try Tensor(repeating: 0, shape: [channels])
        bias = try Tensor(repeating: 0, shape: [channels])
    }

    func validate(for x: Shape, channels: Int) throws(NormalizationError) {
        try Normalization.validate(shape: input.shape, is: x, argument: "gradients")
        try Normalization.validate(parameter: weight, columns: channels, argument: "gradients")
        try Normalization.validate(parameter: bias, columns: channels, argument: "gradients")
    }
}

/// The pullback of ``channelNormWithStatistics(_:over:weight:bias:epsilon:layout:backend:)``.
///
/// With `xhat = (x - mean) / deviation`, `deviation = sqrt(variance + epsilon)` and `g = outputGradient * weight`, means
/// being taken over each set:
/// ```
/// input  = (g - mean(g) - xhat * mean(g * xhat)) / deviation
/// weight = sum over samples and positions of outputGradient * xhat
/// bias   = sum over samples and positions of outputGradient
/// ```
/// Moments of a reference batch do not depend on the input: there `input = g / deviation`.
///
/// - Parameters:
///   - outputGradient: The shape of `x`. A view that is not contiguous costs one copy, `x` likewise.
///   - x: The input of the forward pass.
///   - weight: The weight of the forward pass.
///   - statistics: What the forward pass saved.
/// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
///
/// Precision: float32; parts are centred before they are summed and merged in float64, so that an offset of `x` or of
/// `outputGradient` costs nothing. Sets of one element give exactly 0.
public func channelNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Float>? = nil, statistics: ChannelStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> ChannelNormGradients<Element> {
    var gradients = try ChannelNormGradients(uninitializedLike: x, channels: statistics.shape.channels)
    try channelNormBackward(
        outputGradient, x: x, weight: weight, statistics: statistics, into: &gradients, backend: backend)
    return gradients
}

/// As ``channelNormBackward(_:x:weight:statistics:backend:)``, into existing gradients, which say by their nils what is
/// wanted.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is
///   always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func channelNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Float>? = nil, statistics: ChannelStatistics,
    into gradients: inout ChannelNormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    let shape = try statistics.shape(of: x.shape, argument: "x")
    guard shape == statistics.shape else {
        throw NormalizationError(
            .shapeMismatch, argument: "x", expected: "\(statistics.shape.positions) positions",
            given: "\(shape.positions)")
    }
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    try gradients.validate(for: x.shape, channels: shape.channels)
    try validate(parameter: weight, columns: shape.channels, argument: "weight")
    if let run = try backend.kernelRun() {
        try ChannelNormKernels.backward(
            outputGradient.contiguous(), x: x.contiguous(), shape: shape, moments: statistics.moments,
            areConstant: statistics.areConstant, weight: weight?.contiguous(), epsilon: statistics.epsilon,
            inputGradient: &gradients.input, weightGradient: &gradients.weight, biasGradient: &gradients.bias,
            accumulating: accumulating, run: run)
        return
    }
    let result = ChannelNormReference<Float>(
        shape, weight: weight?.array, bias: nil, epsilon: statistics.epsilon
    ).backward(
        outputGradient.widened().array, x: x.widened().array, moments: statistics.moments,
        areConstant: statistics.areConstant)
    gradients.input.assign(result.dx.map(Element.init(rounding:)))
    gradients.weight?.put(result.dweight, accumulating: accumulating)
    gradients.bias?.put(result.dbias, accumulating: accumulating)
}
