internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Normalizes sets of elements to mean 0 and variance 1, then scales and shifts each channel: batch, group and
/// instance normalization.
///
/// ```
/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias
/// ```
///
/// - Parameters:
///   - x: [samples, channels, ...] or [samples, ..., channels]. A view that is not contiguous costs one copy.
///   - sets: Which elements share a mean and a variance.
///   - weight: One factor a channel, or nil for ones.
///   - bias: One summand a channel, or nil for zeros.
///   - epsilon: Added to the (biased) variance.
///   - layout: Where the channels are.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes, counts or moments that do not fit, an epsilon that is negative, infinite or
///   NaN, or a backend that is not here.
///
/// Precision: elements are float32 (16-bit ones widened exactly, and rounded once), moments are merged in float64.
/// Offsets and scales cost nothing. A set with a NaN or an infinity becomes NaN; a set without spread
/// becomes exactly `bias`. Sources: Ioffe, Szegedy, "Batch Normalization", 2015; Ulyanov, Vedaldi, Lempitsky,
/// "Instance Normalization", 2016; Wu, He, "Group Normalization", 2018.
public func channelNorm<Element: KernelElement>(
    _ x: Tensor<Element>, over sets: ChannelSets, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, layout: ChannelLayout = .channelsFirst, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try channelNormWithStatistics(
        x, over: sets, weight: weight, bias: bias, epsilon: epsilon, layout: layout, backend: backend
    ).output
}

/// As ``channelNorm(_:over:weight:bias:epsilon:layout:backend:)``, and the moments of every set.
public func channelNormWithStatistics<Element: KernelElement>(
    _ x: Tensor<Element>, over sets: ChannelSets, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, layout: ChannelLayout = .channelsFirst, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: ChannelStatistics) {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    let statistics = try channelNorm(
        x, over: sets, weight: weight, bias: bias, epsilon: epsilon, layout: layout, into: &y, backend: backend)
    return (y, statistics)
}

/// As ``channelNorm(_:over:weight:bias:epsilon:layout:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Returns: The moments of every set.
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
@discardableResult
public func channelNorm<Element: KernelElement>(
    _ x: Tensor<Element>, over sets: ChannelSets, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, layout: ChannelLayout = .channelsFirst, into y: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) -> ChannelStatistics {
    let shape = try sets.shape(of: x.shape, layout: layout)
    try validate(parameter: weight, columns: shape.channels, argument: "weight")
    try validate(parameter: bias, columns: shape.channels, argument: "bias")
    try validate(epsilon: epsilon)
    try validate(output: y, like: x, argument: "y")
    let moments: [Moments]
    if let run = try backend.kernelRun() {
        moments = try writing(&y) { (output) throws(NormalizationError) in
            try ChannelNormKernels.forward(
                x.contiguous(), shape: shape, given: sets.givenMoments, weight: weight?.contiguous(),
                bias: bias?.contiguous(), epsilon: epsilon, into: &output, run: run)
        }
    } else {
        let result = ChannelNormReference<Float>(shape, weight: weight?.array, bias: bias?.array, epsilon: epsilon)
            .forward(x.widened().array, given: sets.givenMoments)
        y.assign(result.y.map(Element.init(rounding:)))
        moments = result.moments
    }
    return ChannelStatistics(
        moments: moments, epsilon: epsilon, shape: shape, areConstant: sets.givenMoments != nil)
}

/// The moments of every set, as ``channelNormWithStatistics(_:over:weight:bias:epsilon:layout:backend:)`` saves them,
/// without an output: for a reference batch, or to be merged with those of other processes.
public func channelMoments<Element: KernelElement>(
    _ x: Tensor<Element>, over sets: ChannelSets = .batch(), layout: ChannelLayout = .channelsFirst,
    backend: Backend = .automatic
) throws(NormalizationError) -> [Moments] {
    let shape = try sets.shape(of: x.shape, layout: layout)
    if let given = sets.givenMoments { return given }
    guard let run = try backend.kernelRun() else {
        return ChannelNormReference<Float>(shape, weight: nil, bias: nil, epsilon: 0).moments(of: x.widened().array)
    }
    var nothing: Tensor<Element>?
    return try ChannelNormKernels.forward(
        x.contiguous(), shape: shape, given: nil, weight: nil, bias: nil, epsilon: 0, into: &nothing, run: run)
}

/// Lends `tensor` to `body` as an optional, so that it is not shared meanwhile.
func writing<Element, Result>(
    _ tensor: inout Tensor<Element>, _ body: (inout Tensor<Element>?) throws(NormalizationError) -> Result
) throws(NormalizationError) -> Result {
    var lent: Tensor<Element>? = tensor
    tensor = Tensor(uninitializedLike: [0])
    defer { if let lent { tensor = lent } }
    return try body(&lent)
}

extension ChannelStatistics {
    /// The shape of a tensor of the same samples and channels, cut as these statistics are.
    func shape(of x: Shape, argument: String) throws(NormalizationError) -> ChannelShape {
        var shape = shape
        let channelAxis = shape.layout == .channelsFirst ? 1 : x.rank - 1
        guard x.rank >= 2, x[0] == shape.samples, x[channelAxis] == shape.channels,
            x.extents.dropFirst().allSatisfy({ $0 > 0 })
        else {
            throw NormalizationError(
                .shapeMismatch, argument: argument,
                expected: "\(shape.samples) samples of \(shape.channels) channels, \(shape.layout)", given: "shape \(x)")
        }
        shape.positions = x.extents.dropFirst().reduce(1, *) / shape.channels
        return shape
    }
}
