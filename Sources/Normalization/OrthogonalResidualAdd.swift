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
    let rows = try scope.rows(x)
    var h = try scope.restored(Tensor<Element>(uninitializedLike: rows.shape), to: x.shape)
    try orthogonalResidualAdd(
        x, update: update, scope: scope, centred: centred, epsilon: epsilon, into: &h, backend: backend)
    return h
}

/// As ``orthogonalResidualAdd(_:update:scope:centred:epsilon:backend:)``, into an existing tensor of the shape of `x`, of any
/// layout. Vectors that do not lie in it one after the other cost a copy.
///
/// - Throws: `NormalizationError`, before `h` is touched.
public func orthogonalResidualAdd<Element: KernelElement>(
    _ x: Tensor<Element>, update: Tensor<Element>, scope: ProjectionScope = .feature, centred: Bool = false,
    epsilon: Float = 1e-6, into h: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try validate(x, update: update, epsilon: epsilon)
    try validate(shape: h.shape, is: x.shape, argument: "h")
    let rows = try scope.rows(x)
    let updateRows = try scope.rows(update)
    guard let run = try backend.kernelRun() else {
        let result = OrthogonalAddReference.forward(
            rows.widenedArray, update: updateRows.widenedArray, columns: rows.shape[rows.shape.rank - 1],
            centred: centred, epsilon: epsilon)
        return h.take(try scope.restored(Tensor(rounding: Tensor(result, shape: rows.shape)), to: x.shape))
    }
    h.makeUniqueForOverwriting()
    let output = try scope.rows(h)
    try OrthogonalAddKernels.forward(
        rows, update: updateRows, centred: centred, epsilon: epsilon, output: output, run: run)
    h.take(try scope.restored(output, to: x.shape))
}

/// Gradients of an orthogonal residual addition.
public struct OrthogonalAddGradients<Element: KernelElement>: Sendable {
    /// For `x`.
    public fileprivate(set) var input: Tensor<Element>
    /// For `update`.
    public fileprivate(set) var update: Tensor<Element>

    fileprivate init(input: Tensor<Element>, update: Tensor<Element>) {
        self.input = input
        self.update = update
    }

    /// Zero gradients for an input of `shape`, to be filled.
    ///
    /// - Throws: `NormalizationError` for a shape that is not one.
    public init(shape: Shape) throws(NormalizationError) {
        input = try Tensor(repeating: .zero, shape: shape)
        update = try Tensor(repeating: .zero, shape: shape)
    }
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
    let rows = try scope.rows(x)
    var gradients = OrthogonalAddGradients<Element>(
        input: try scope.restored(Tensor(uninitializedLike: rows.shape), to: x.shape),
        update: try scope.restored(Tensor(uninitializedLike: rows.shape), to: x.shape))
    try orthogonalResidualAddBackward(
        outputGradient, x: x, update: update, scope: scope, centred: centred, epsilon: epsilon, into: &gradients,
        backend: backend)
    return gradients
}

/// As ``orthogonalResidualAddBackward(_:x:update:scope:centred:epsilon:backend:)``, into existing gradients of any layout.
/// Vectors that do not lie in them one after the other cost a copy.
///
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func orthogonalResidualAddBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, update: Tensor<Element>, scope: ProjectionScope = .feature,
    centred: Bool = false, epsilon: Float = 1e-6, into gradients: inout OrthogonalAddGradients<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try validate(x, update: update, epsilon: epsilon)
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
    let rows = try scope.rows(x)
    let updateRows = try scope.rows(update)
    let gradientRows = try scope.rows(outputGradient)
    guard let run = try backend.kernelRun() else {
        let result = OrthogonalAddReference.backward(
            gradientRows.widenedArray, x: rows.widenedArray, update: updateRows.widenedArray,
            columns: rows.shape[rows.shape.rank - 1], centred: centred, epsilon: epsilon)
        func restored(_ elements: [Float]) throws(NormalizationError) -> Tensor<Element> {
            try scope.restored(Tensor(rounding: Tensor(elements, shape: rows.shape)), to: x.shape)
        }
        gradients.input.take(try restored(result.dx))
        gradients.update.take(try restored(result.dupdate))
        return
    }
    gradients.input.makeUniqueForOverwriting()
    gradients.update.makeUniqueForOverwriting()
    let (dx, dupdate) = (try scope.rows(gradients.input), try scope.rows(gradients.update))
    try OrthogonalAddKernels.backward(
        gradientRows, x: rows, update: updateRows, centred: centred, epsilon: epsilon, inputGradient: dx,
        updateGradient: dupdate, run: run)
    gradients.input.take(try scope.restored(dx, to: x.shape))
    gradients.update.take(try scope.restored(dupdate, to: x.shape))
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
        let rows = try vectors(x)
        _ = try validatedColumns(of: rows.shape, argument: "x")
        return rows.contiguous()
    }

    /// A view with these vectors as rows, if the tensor has one.
    private func vectors<Element>(_ x: Tensor<Element>) throws(NormalizationError) -> Tensor<Element> {
        switch self {
        case .feature: x
        case .token: try x.axisLast(x.shape.rank - 2)
        case .global: try x.reshaped(to: [x.shape[0], x.shape.extents.dropFirst().reduce(1, *)])
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
