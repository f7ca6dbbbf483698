internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Which vectors of a tensor are projected onto each other.
public enum ProjectionScope: Hashable, Sendable {
    /// Each vector along the last axis: the features of one token.
    case feature
    /// Each vector along the last axis but one: one feature of all tokens.
    case token
    /// All of a sample at once: every axis but the first.
    case global
}

/// Adds to `x` the part of `update` that is orthogonal to `x`: h = x + u with
/// ```
/// u = f - a x,   a = <x, f> / (<x, x> + epsilon)          f: the update
/// ```
/// over each vector of `scope`. Since u is orthogonal to x (but for epsilon), ‖h‖² = ‖x‖² + ‖u‖². Centred, vectors are
/// taken without their means: u = f~ - a x~, which is orthogonal to the constant vector too, and so uncorrelated with x.
///
/// - Parameters:
///   - x: The residual stream. A view that is not contiguous costs one copy, `update` likewise; scope `.token` costs one
///     of each unless the last axis is.
///   - update: The output of a branch, of the shape of `x`.
///   - scope: Which vectors. `.token` and `.global` need at least two axes.
///   - centred: Whether means are taken off.
///   - epsilon: Added to <x, x>.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or NaN, or a backend
///   that is not here.
///
/// Precision: float32, whatever the storage; 16-bit results are rounded once. Nothing over- or underflows on the way for
/// numbers from 1e-30 to 1e30. A vector of zeros as x gives exactly f, unless centred. Source: Oh, Cho, Kim, Choi, Yu,
/// "Revisiting Residual Connections: Orthogonal Updates for Stable and Efficient Deep Networks", 2025.
public func orthogonalResidualAdd<Element: KernelElement>(
    _ x: Tensor<Element>, update: Tensor<Element>, scope: ProjectionScope = .feature, centred: Bool = false,
    epsilon: Float = 1e-6, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try validate(x, update: update, epsilon: epsilon)
    let rows = try scope.rows(x)
    let updateRows = try scope.rows(update)
    var h = Tensor<Element>(uninitializedLike: rows.shape)
    if let run = try backend.kernelRun() {
        try OrthogonalAddKernels.forward(
            rows, update: updateRows, centred: centred, epsilon: epsilon, output: h, run: run)
    } else {
        h.assign(
            rounding: OrthogonalAddReference.forward(
                rows.widenedArray, update: updateRows.widenedArray, columns: rows.shape[rows.shape.rank - 1],
                centred: centred, epsilon: epsilon))
    }
    return try scope.restored(h, to: x.shape)
}

/// Gradients of an orthogonal residual addition.
public struct OrthogonalAddGradients<Element: KernelElement>: Sendable {
    /// For `x`.
    public let input: Tensor<Element>
    /// For `update`.
    public let update: Tensor<Element>
}

/// The pullback of ``orthogonalResidualAdd(_:update:scope:centred:epsilon:backend:)``, exact: `a` depends on x, and that is
/// part of the gradient. With g the gradient of h and b = <x, g> / (<x, x> + epsilon),
/// ```
/// update = g - b x                               (centred: g~ - b x~)
/// input  = g - a (g - b x) - b (f - a x)         (centred: likewise, but for the first g)
/// ```
///
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or NaN, or a backend
///   that is not here.
public func orthogonalResidualAddBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, update: Tensor<Element>, scope: ProjectionScope = .feature,
    centred: Bool = false, epsilon: Float = 1e-6, backend: Backend = .automatic
) throws(NormalizationError) -> OrthogonalAddGradients<Element> {
    try validate(x, update: update, epsilon: epsilon)
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    let rows = try scope.rows(x)
    let updateRows = try scope.rows(update)
    let gradientRows = try scope.rows(outputGradient)
    var dx = Tensor<Element>(uninitializedLike: rows.shape)
    var dupdate = Tensor<Element>(uninitializedLike: rows.shape)
    if let run = try backend.kernelRun() {
        try OrthogonalAddKernels.backward(
            gradientRows, x: rows, update: updateRows, centred: centred, epsilon: epsilon, inputGradient: dx,
            updateGradient: dupdate, run: run)
    } else {
        let result = OrthogonalAddReference.backward(
            gradientRows.widenedArray, x: rows.widenedArray, update: updateRows.widenedArray,
            columns: rows.shape[rows.shape.rank - 1], centred: centred, epsilon: epsilon)
        dx.assign(rounding: result.dx)
        dupdate.assign(rounding: result.dupdate)
    }
    return OrthogonalAddGradients(
        input: try scope.restored(dx, to: x.shape), update: try scope.restored(dupdate, to: x.shape))
}

private func validate<Element>(
    _ x: Tensor<Element>, update: Tensor<Element>, epsilon: Float
) throws(NormalizationError) {
    _ = try validatedColumns(of: x.shape, argument: "x")
    try validate(shape: update.shape, is: x.shape, argument: "update")
    try validate(epsilon: epsilon)
}

extension ProjectionScope {
    /// The tensor with the vectors of this scope as contiguous rows.
    fileprivate func rows<Element>(_ x: Tensor<Element>) throws(NormalizationError) -> Tensor<Element> {
        guard self == .feature || x.shape.rank >= 2 else {
            throw NormalizationError(
                .invalidShape, argument: "x", expected: "at least two axes for scope \(self)", given: "shape \(x.shape)"
            )
        }
        switch self {
        case .feature: return x.contiguous()
        case .token:
            let tokensLast = try x.axisLast(x.shape.rank - 2)
            _ = try validatedColumns(of: tokensLast.shape, argument: "x")
            return tokensLast.contiguous()
        case .global:
            let columns = x.shape.extents.dropFirst().reduce(1, *)
            let flat = try x.reshaped(to: [x.shape[0], columns])
            _ = try validatedColumns(of: flat.shape, argument: "x")
            return flat
        }
    }

    /// Such rows as a tensor of the original shape.
    fileprivate func restored<Element>(
        _ rows: Tensor<Element>, to shape: Shape
    ) throws(NormalizationError) -> Tensor<Element> {
        switch self {
        case .feature: rows
        case .token: try rows.movingAxis(shape.rank - 1, to: shape.rank - 2)
        case .global: try rows.reshaped(to: shape)
        }
    }
}
