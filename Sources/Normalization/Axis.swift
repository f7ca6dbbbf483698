// Axis: normalization along any axis of a tensor with any strides. Kernels work on rows, the last axis; another axis is
// made the last one by a view, which costs one copy unless its elements lie side by side. The result is a view as well.

public import Tensors

extension Tensor {
    /// What `body` makes of this tensor with `axis` as the last one, with that axis back at its place.
    func along<Result>(
        axis: Int, _ body: (Tensor) throws(NormalizationError) -> Tensor<Result>
    ) throws(NormalizationError) -> Tensor<Result> {
        try body(axisLast(axis)).movingAxis(shape.rank - 1, to: axis)
    }

    /// A view of this tensor with `axis` as the last one.
    func axisLast(_ axis: Int) throws(NormalizationError) -> Tensor {
        guard axis >= 0, axis < shape.rank else {
            throw NormalizationError(
                .outOfRange, argument: "axis", expected: "an axis of 0..<\(shape.rank)", given: "\(axis)")
        }
        return try movingAxis(axis, to: shape.rank - 1)
    }
}

extension Tensor {
    /// Takes the elements of `result` unless they lie in this tensor's memory anyway, as a view of it that a kernel wrote.
    mutating func take(_ result: Tensor) {
        if result.storage !== storage { assign(result.array) }
    }
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, along any axis: every line of elements along `axis` is normalized.
///
/// - Parameters:
///   - x: Any rank of at least 1, with any strides. Unless the elements along `axis` lie side by side, the input is copied
///     once, so that they do; nothing else is copied, since the result is a view of memory in which they do as well.
///   - axis: 0 for the outermost, as in ``Shape``.
///   - weight: One factor for each index of `axis`, or nil for ones.
///   - bias: One summand for each index of `axis`, or nil for zeros.
/// - Throws: `NormalizationError` as the function above; also for an axis outside `x`.
public func layerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, axis: Int, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try x.along(axis: axis) { (x) throws(NormalizationError) in
        try layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
    }
}

/// ``layerNorm(_:axis:weight:bias:epsilon:backend:)`` with weight 1 and bias 0.
public func layerNorm<Element: KernelElement>(
    _ x: Tensor<Element>, axis: Int, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try layerNorm(x, axis: axis, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// As ``layerNorm(_:axis:weight:bias:epsilon:backend:)``, and the statistics that the backward pass needs: those of
/// each line along `axis`, shaped like `x` without that axis.
public func layerNormWithStatistics<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, axis: Int, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    let (output, statistics) = try layerNormWithStatistics(
        x.axisLast(axis), weight: weight, bias: bias, epsilon: epsilon, backend: backend)
    return (try output.movingAxis(x.shape.rank - 1, to: axis), statistics)
}

/// The pullback of ``layerNormWithStatistics(_:axis:weight:bias:epsilon:backend:)``: that of
/// ``layerNormBackward(_:x:weight:statistics:backend:)`` for each line along `axis`. Copies as the forward pass does.
///
/// - Throws: `NormalizationError` for shapes that do not fit, an axis outside `x`, or a backend that is not here.
public func layerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, axis: Int, weight: Tensor<Parameter>?,
    statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    var gradients = try layerNormBackward(
        outputGradient.axisLast(axis), x: x.axisLast(axis), weight: weight, statistics: statistics, backend: backend)
    gradients.input = try gradients.input.movingAxis(x.shape.rank - 1, to: axis)
    return gradients
}

/// As ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)``, along any axis; copies as
/// ``layerNorm(_:axis:weight:bias:epsilon:backend:)`` does.
///
/// - Throws: `NormalizationError` as the function above; also for an axis outside `x`.
public func rmsNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, axis: Int, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil,
    weightOffset: Float = 0,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try x.along(axis: axis) { (x) throws(NormalizationError) in
        try rmsNorm(x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
    }
}

/// ``rmsNorm(_:axis:weight:bias:weightOffset:epsilon:backend:)`` with weight 1 and bias 0.
public func rmsNorm<Element: KernelElement>(
    _ x: Tensor<Element>, axis: Int, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try rmsNorm(x, axis: axis, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// As ``rmsNorm(_:axis:weight:bias:weightOffset:epsilon:backend:)``, and the statistics that the backward pass needs: those
/// of each line along `axis`, shaped like `x` without that axis.
public func rmsNormWithStatistics<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, axis: Int, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil,
    weightOffset: Float = 0, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    let (output, statistics) = try rmsNormWithStatistics(
        x.axisLast(axis), weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
    return (try output.movingAxis(x.shape.rank - 1, to: axis), statistics)
}

/// The pullback of ``rmsNormWithStatistics(_:axis:weight:bias:weightOffset:epsilon:backend:)``: that of
/// ``rmsNormBackward(_:x:weight:weightOffset:statistics:backend:)`` for each line along `axis`. Copies as the forward pass
/// does.
///
/// - Throws: `NormalizationError` for shapes that do not fit, an axis outside `x`, an offset that is not finite, or a
///   backend that is not here.
public func rmsNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, axis: Int, weight: Tensor<Parameter>?,
    weightOffset: Float = 0, statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> NormGradients<Element> {
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    var gradients = try rmsNormBackward(
        outputGradient.axisLast(axis), x: x.axisLast(axis), weight: weight, weightOffset: weightOffset,
        statistics: statistics, backend: backend)
    gradients.input = try gradients.input.movingAxis(x.shape.rank - 1, to: axis)
    return gradients
}
