internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// The pullback of ``softmax(_:axis:backend:)``, from its output y.
///
/// ```
/// y * (outputGradient - sum(y * outputGradient))
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `output`. A view that is not contiguous costs one copy, `output` likewise.
///   - output: What the forward pass returned.
///   - axis: That of the forward pass.
/// - Throws: `NormalizationError` for shapes that do not fit, an axis that is not there, or a backend that is not here.
///
/// Precision: float32, rounded once for the smaller types. An element whose probability is 0 has gradient 0 and adds
/// nothing, whatever its outputGradient is. A common offset of outputGradient along the axis costs nothing.
public func softmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, axis: Int = -1, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try backward(outputGradient, output: output, axis: axis, logarithmic: false, backend: backend)
}

/// The pullback of ``logSoftmax(_:axis:backend:)``, from its output y.
///
/// ```
/// outputGradient - exp(y) * sum(outputGradient)
/// ```
///
/// Elements of -∞ have gradient 0 and add nothing. Otherwise as ``softmaxBackward(_:output:axis:backend:)``, but an
/// offset of outputGradient does count here.
public func logSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, axis: Int = -1, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try backward(outputGradient, output: output, axis: axis, logarithmic: true, backend: backend)
}

private func backward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, axis: Int, logarithmic: Bool, backend: Backend
) throws(NormalizationError) -> Tensor<Element> {
    try validate(shape: outputGradient.shape, is: output.shape, argument: "outputGradient")
    return try output.alongLast(axis, argument: "output") { (y) throws(NormalizationError) in
        let columns = try validatedColumns(of: y.shape, argument: "output")
        var dx = Tensor<Element>(uninitializedLike: y.shape)
        let y = y.contiguous()
        let dy = try outputGradient.withLast(axis).contiguous()
        if let run = try backend.kernelRun() {
            try SoftmaxKernels.backward(dy, output: y, logarithmic: logarithmic, into: &dx, run: run)
        } else {
            let (dys, ys) = (dy.array.map(\.widened), y.array.map(\.widened))
            dx.assign(
                stride(from: 0, to: ys.count, by: columns).flatMap { first in
                    let row = first..<first + columns
                    return SoftmaxReference.backward(dys[row], y: ys[row], logarithmic: logarithmic)
                        .map(Element.init(rounding:))
                })
        }
        return dx
    }
}

extension Tensor {
    /// This tensor with `axis`, counted from the end if negative, and the last axis exchanged. No copy.
    func withLast(_ axis: Int) throws(NormalizationError) -> Tensor {
        axis == -1 || axis == shape.rank - 1 || shape.rank == 0 ? self : try transposed(axis < 0 ? axis + shape.rank : axis, shape.rank - 1)
    }

    /// The result of `body` on this tensor with `axis` last, with the axes back in their places.
    func alongLast(
        _ axis: Int, argument: String = "x", _ body: (Tensor) throws(NormalizationError) -> Tensor
    ) throws(NormalizationError) -> Tensor {
        guard shape.rank == 0 || (-shape.rank..<shape.rank).contains(axis) else {
            throw NormalizationError(
                .outOfRange, argument: "axis", expected: "an axis of \(-shape.rank)..<\(shape.rank)", given: "\(axis)")
        }
        return try body(withLast(axis)).withLast(axis)
    }
}
