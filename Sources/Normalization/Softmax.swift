internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// The exponentials of every row (the last axis) of `x`, divided by their sum.
///
/// ```
/// y = exp(x) / sum(exp(x))
/// ```
///
/// - Parameters:
///   - x: Any rank of at least 1. Leading axes may have any strides; a last axis that is not contiguous costs one copy.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` if there is no last axis or it is empty, or for a backend that is not here.
///
/// Precision: float32, rounded once for the smaller types; small probabilities are as accurate as large ones. A row of
/// nothing but -∞ is 0. A row with ∞ or a NaN becomes NaN. A row with one element above -∞ is exactly 1 there.
public func softmax<Element: KernelElement>(
    _ x: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try forward(x, logarithmic: false, backend: backend)
}

/// As ``softmax(_:backend:)``, of every line of elements along `axis` (0 for the outermost). Unless they lie side by side,
/// `x` is copied once; the result is a view.
///
/// - Throws: `NormalizationError` as the function above; also for an axis outside `x`.
public func softmax<Element: KernelElement>(
    _ x: Tensor<Element>, axis: Int, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try x.along(axis: axis) { (x) throws(NormalizationError) in try softmax(x, backend: backend) }
}

/// The natural logarithm of ``softmax(_:backend:)``, without forming it.
///
/// ```
/// y = x - log(sum(exp(x)))
/// ```
///
/// Elements of -∞ stay -∞, also where there is nothing else. Otherwise as there.
public func logSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try forward(x, logarithmic: true, backend: backend)
}

/// As ``logSoftmax(_:backend:)``, of every line of elements along `axis`; copies as ``softmax(_:axis:backend:)`` does.
public func logSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, axis: Int, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try x.along(axis: axis) { (x) throws(NormalizationError) in try logSoftmax(x, backend: backend) }
}

/// The natural logarithm of the sum of the exponentials along the last axis: one element a row.
///
/// - Throws: `NormalizationError` if there is no last axis or it is empty, or for a backend that is not here.
///
/// A row of nothing but -∞ gives -∞, one with ∞ or a NaN gives NaN.
public func logSumExp<Element: KernelElement>(
    _ x: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Float> {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    var result = Tensor<Float>(uninitializedLike: rows(of: x.shape))
    if let run = try backend.kernelRun() {
        try SoftmaxKernels.logSumExp(x.contiguous(), into: &result, run: run)
    } else {
        result.assign(SoftmaxReference.rows(of: x, columns: columns, logarithmic: false).map(\.state.logSumExp))
    }
    return result
}

/// As ``softmax(_:backend:)``, and ``logSumExp(_:backend:)``, in one pass.
public func softmaxWithLogSumExp<Element: KernelElement>(
    _ x: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, logSumExp: Tensor<Float>) {
    _ = try validatedColumns(of: x.shape, argument: "x")
    var y = Tensor<Element>(uninitializedLike: x.shape)
    var sums: Tensor<Float>? = Tensor(uninitializedLike: rows(of: x.shape))
    try forward(x, logarithmic: false, into: &y, logSumExp: &sums, backend: backend)
    return (y, sums!)
}

/// As ``softmax(_:backend:)``, into an existing tensor of the shape of `x`. Allocates nothing if
/// `y` is not shared and both have contiguous rows.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the last axis of `y` is not contiguous.
public func softmax<Element: KernelElement>(
    _ x: Tensor<Element>, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    var none: Tensor<Float>?
    try forward(x, logarithmic: false, into: &y, logSumExp: &none, backend: backend)
}

/// As ``logSoftmax(_:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the last axis of `y` is not contiguous.
public func logSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    var none: Tensor<Float>?
    try forward(x, logarithmic: true, into: &y, logSumExp: &none, backend: backend)
}

/// As ``softmax(_:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched; also if the last axis of `x` is not contiguous.
public func softmax<Element: KernelElement>(
    inPlace x: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try forward(inPlace: &x, logarithmic: false, backend: backend)
}

/// As ``logSoftmax(_:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched; also if the last axis of `x` is not contiguous.
public func logSoftmax<Element: KernelElement>(
    inPlace x: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try forward(inPlace: &x, logarithmic: true, backend: backend)
}

// MARK: - Both of them

private func forward<Element: KernelElement>(
    _ x: Tensor<Element>, logarithmic: Bool, backend: Backend
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    var none: Tensor<Float>?
    try forward(x, logarithmic: logarithmic, into: &y, logSumExp: &none, backend: backend)
    return y
}

private func forward<Element: KernelElement>(
    _ x: Tensor<Element>, logarithmic: Bool, into y: inout Tensor<Element>, logSumExp: inout Tensor<Float>?,
    backend: Backend
) throws(NormalizationError) {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    try validate(shape: y.shape, is: x.shape, argument: "y")
    guard y.hasContiguousRows else { throw .rowsNotContiguous(argument: "y", strides: y.strides) }
    if let run = try backend.kernelRun() {
        try SoftmaxKernels.forward(
            x.hasContiguousRows ? x : x.contiguous(), logarithmic: logarithmic, into: &y, logSumExp: &logSumExp,
            run: run)
    } else {
        let rows = SoftmaxReference.rows(of: x, columns: columns, logarithmic: logarithmic)
        y.assign(rows.flatMap(\.y).map(Element.init(rounding:)))
        logSumExp?.assign(rows.map(\.state.logSumExp))
    }
}

private func forward<Element: KernelElement>(
    inPlace x: inout Tensor<Element>, logarithmic: Bool, backend: Backend
) throws(NormalizationError) {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    guard x.hasContiguousRows else { throw .rowsNotContiguous(argument: "x", strides: x.strides) }
    if let run = try backend.kernelRun() {
        try SoftmaxKernels.forward(inPlace: &x, logarithmic: logarithmic, run: run)
    } else {
        let rows = SoftmaxReference.rows(of: x, columns: columns, logarithmic: logarithmic)
        x.assign(rows.flatMap(\.y).map(Element.init(rounding:)))
    }
}

/// The shape of one element a row.
private func rows(of shape: Shape) -> Shape { Shape(Array(shape.extents.dropLast())) }

extension SoftmaxReference {
    /// Every row of `x`.
    static func rows<Element: KernelElement>(
        of x: Tensor<Element>, columns: Int, logarithmic: Bool
    ) -> [Row] {
        let elements = x.array.map(\.widened)
        return stride(from: 0, to: elements.count, by: columns).map {
            forward(elements[$0..<$0 + columns], logarithmic: logarithmic)
        }
    }
}
