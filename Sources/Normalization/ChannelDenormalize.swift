internal import KernelBridge
internal import ReferenceKernels
public import Tensors

// The inverse of channel normalization, and its pullback.

/// The inverse of ``channelNorm(_:over:weight:bias:epsilon:layout:backend:)``, back to the scale of its input:
///
/// ```
/// x = (y - bias) * (sqrt(variance + epsilon) / weight) + mean
/// ```
///
/// - Parameters:
///   - y: Samples and channels of the normalized tensor, with any number of positions.
///   - statistics: What the normalization saved.
/// - Throws: `NormalizationError` for shapes that do not fit, a weight with a 0, or a backend that is not here.
///
/// Precision: float32. Source: Kim et al., "Reversible Instance Normalization", 2022.
public func channelDenormalize<Element: KernelElement>(
    _ y: Tensor<Element>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil, statistics: ChannelStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var x = Tensor<Element>(uninitializedLike: y.shape)
    try channelDenormalize(y, weight: weight, bias: bias, statistics: statistics, into: &x, backend: backend)
    return x
}

/// As ``channelDenormalize(_:weight:bias:statistics:backend:)``, into an existing tensor of the shape of `y`.
///
/// - Throws: `NormalizationError`, before `x` is touched; also if `x` is not contiguous.
public func channelDenormalize<Element: KernelElement>(
    _ y: Tensor<Element>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil, statistics: ChannelStatistics,
    into x: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let shape = try statistics.shape(of: y.shape, argument: "y")
    try validateInverse(weight: weight, bias: bias, channels: shape.channels)
    try validate(output: x, like: y, argument: "x")
    let run = try backend.kernelRun()
    if shape.samples == 0 { return }
    if let run {
        _ = try writing(&x) { (output) throws(NormalizationError) in
            try ChannelNormKernels.forward(
                y.contiguous(), shape: shape, given: statistics.moments, weight: weight?.contiguous(),
                bias: bias?.contiguous(), epsilon: statistics.epsilon, direction: .invert, into: &output, run: run)
        }
        return
    }
    let result = ChannelNormReference<Float>(
        shape, weight: weight?.array, bias: bias?.array, epsilon: statistics.epsilon
    ).inverse(y.widened().array, given: statistics.moments)
    x.assign(rounding: result)
}

/// The pullback of ``channelDenormalize(_:weight:bias:statistics:backend:)``. The statistics are constants to it. With
/// `r = sqrt(variance + epsilon) / weight`:
///
/// ```
/// input  = outputGradient * r
/// weight = sum over samples and positions of -outputGradient * (y - bias) * r / weight
/// bias   = sum over samples and positions of -outputGradient * r
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `y`. A view that is not contiguous costs one copy, `y` likewise.
///   - y: The input of the inverse.
///   - weight: That of the inverse.
///   - bias: That of the inverse.
///   - statistics: Those that the inverse was given.
/// - Throws: `NormalizationError` for shapes that do not fit, a weight with a 0, or a backend that is not here.
///
/// Precision: float32; parts are centred before they are summed, and merged in float64.
public func channelDenormalizeBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, y: Tensor<Element>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    statistics: ChannelStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> ChannelNormGradients<Element> {
    var gradients = try ChannelNormGradients(uninitializedLike: y, channels: statistics.shape.channels)
    try channelDenormalizeBackward(
        outputGradient, y: y, weight: weight, bias: bias, statistics: statistics, into: &gradients, backend: backend)
    return gradients
}

/// As ``channelDenormalizeBackward(_:y:weight:bias:statistics:backend:)``, into existing gradients, which say by their
/// nils what is wanted.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is
///   always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func channelDenormalizeBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, y: Tensor<Element>, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    statistics: ChannelStatistics, into gradients: inout ChannelNormGradients<Element>, accumulating: Bool = false,
    backend: Backend = .automatic
) throws(NormalizationError) {
    let shape = try statistics.shape(of: y.shape, argument: "y")
    try validate(shape: outputGradient.shape, is: y.shape, argument: "outputGradient")
    try validateInverse(weight: weight, bias: bias, channels: shape.channels)
    try gradients.validate(for: y.shape, channels: shape.channels)
    let run = try backend.kernelRun()
    if shape.samples > 0, let run {
        try ChannelNormKernels.backward(
            outputGradient.contiguous(), x: y.contiguous(), shape: shape, moments: statistics.moments,
            areConstant: true, weight: weight?.contiguous(), bias: bias?.contiguous(), epsilon: statistics.epsilon,
            direction: .invert, inputGradient: &gradients.input, weightGradient: &gradients.weight,
            biasGradient: &gradients.bias, accumulating: accumulating, run: run)
        return
    }
    let result = ChannelNormReference<Float>(
        shape, weight: weight?.array, bias: bias?.array, epsilon: statistics.epsilon
    ).inverseBackward(outputGradient.widened().array, x: y.widened().array, given: statistics.moments)
    gradients.input.assign(rounding: result.dx)
    gradients.weight?.put(result.dweight, accumulating: accumulating)
    gradients.bias?.put(result.dbias, accumulating: accumulating)
}

private func validateInverse(
    weight: Tensor<Float>?, bias: Tensor<Float>?, channels: Int
) throws(NormalizationError) {
    try validate(parameter: weight, columns: channels, argument: "weight")
    try validate(parameter: bias, columns: channels, argument: "bias")
    if let weight, weight.array.contains(0) {
        throw NormalizationError(.invalidParameter, argument: "weight", expected: "no 0", given: "0")
    }
}
