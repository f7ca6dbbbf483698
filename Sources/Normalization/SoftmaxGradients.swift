internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// The pullback of ``softmax(_:backend:)``, from its output y.
///
/// ```
/// y * (outputGradient - sum(y * outputGradient))
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `output`. A view that is not contiguous costs one copy, `output` likewise.
///   - output: What the forward pass returned.
/// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
///
/// Precision: float32, rounded once for the smaller types. An element whose probability is 0 has gradient 0 and adds
/// nothing, whatever its outputGradient is. A common offset of outputGradient in a row costs nothing.
public func softmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var dx = Tensor<Element>(uninitializedLike: output.shape)
    try backward(outputGradient, output: output, logarithmic: false, into: &dx, backend: backend)
    return dx
}

/// As ``softmaxBackward(_:output:backend:)``, into an existing tensor of the shape of `output`.
///
/// - Throws: `NormalizationError`, before `inputGradient` is touched; also if it is not contiguous.
public func softmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, into inputGradient: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try backward(outputGradient, output: output, logarithmic: false, into: &inputGradient, backend: backend)
}

/// The pullback of ``softmax(_:axis:backend:)``. Copies as the forward pass does.
///
/// - Throws: `NormalizationError` as the function above; also for an axis outside `output`.
public func softmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, axis: Int, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try backward(outputGradient, output: output, axis: axis, logarithmic: false, backend: backend)
}

/// The pullback of ``logSoftmax(_:backend:)``, from its output y.
///
/// ```
/// outputGradient - exp(y) * sum(outputGradient)
/// ```
///
/// Elements of -∞ have gradient 0 and add nothing. Otherwise as ``softmaxBackward(_:output:backend:)``, but an offset of
/// outputGradient does count here.
public func logSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var dx = Tensor<Element>(uninitializedLike: output.shape)
    try backward(outputGradient, output: output, logarithmic: true, into: &dx, backend: backend)
    return dx
}

/// As ``logSoftmaxBackward(_:output:backend:)``, into an existing tensor of the shape of `output`.
///
/// - Throws: `NormalizationError`, before `inputGradient` is touched; also if it is not contiguous.
public func logSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, into inputGradient: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try backward(outputGradient, output: output, logarithmic: true, into: &inputGradient, backend: backend)
}

/// The pullback of ``logSoftmax(_:axis:backend:)``. Copies as the forward pass does.
///
/// - Throws: `NormalizationError` as the function above; also for an axis outside `output`.
public func logSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, axis: Int, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try backward(outputGradient, output: output, axis: axis, logarithmic: true, backend: backend)
}

private func backward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, axis: Int, logarithmic: Bool, backend: Backend
) throws(NormalizationError) -> Tensor<Element> {
    try validate(shape: outputGradient.shape, is: output.shape, argument: "outputGradient")
    return try output.along(axis: axis) { (output) throws(NormalizationError) in
        var dx = Tensor<Element>(uninitializedLike: output.shape)
        try backward(
            outputGradient.axisLast(axis), output: output, logarithmic: logarithmic, into: &dx, backend: backend)
        return dx
    }
}

private func backward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, logarithmic: Bool, into dx: inout Tensor<Element>,
    backend: Backend
) throws(NormalizationError) {
    let columns = try validatedColumns(of: output.shape, argument: "output")
    try validate(shape: outputGradient.shape, is: output.shape, argument: "outputGradient")
    try validate(output: dx, like: output, argument: "inputGradient")
    let y = output.contiguous()
    let dy = outputGradient.contiguous()
    if let run = try backend.kernelRun() {
        try SoftmaxKernels.backward(dy, output: y, logarithmic: logarithmic, into: &dx, run: run)
        return
    }
    let (dys, ys) = (dy.array.map(\.widened), y.array.map(\.widened))
    dx.assign(
        stride(from: 0, to: ys.count, by: columns).flatMap { first in
            let row = first..<first + columns
            return SoftmaxReference.backward(dys[row], y: ys[row], logarithmic: logarithmic).map(
                Element.init(rounding:))
        })
}
