internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// The state of every row (the last axis) of `x`, or of what a process holds of it: its largest score, and the sum of
/// the exponentials beside that one.
///
/// A row that is sharded over processes becomes probabilities in three steps: each finds the states of its part, all
/// merge them in one order, and each normalizes its part by the result.
/// ```swift
/// let states = try softmaxState(shard)                     // to be sent to the others
/// let whole = zip(mine, theirs).map { $0.merged(with: $1) }
/// let y = try softmax(shard, with: whole)
/// ```
///
/// - Parameter x: Any rank of at least 1. A view that is not contiguous costs one copy.
/// - Returns: One state a row, in row-major order.
/// - Throws: `NormalizationError` if there is no last axis or it is empty, or for a backend that is not here.
///
/// Precision: exponentials and their sum are those of ``softmax(_:backend:)``, the sum off by some 2⁻²³ of itself.
public func softmaxState<Element: KernelElement>(
    _ x: Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> [SoftmaxState] {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    if let run = try backend.kernelRun() { return try SoftmaxKernels.states(x.contiguous(), run: run) }
    return SoftmaxReference.rows(of: x, columns: columns, logarithmic: false).map(\.state)
}

/// Every row of `x`, or the same part of every row, by the states of the whole rows:
///
/// ```
/// y = exp(x - state.max) / state.sum
/// ```
///
/// With the states of `x` itself these are the bits of ``softmax(_:backend:)``; with merged ones the probabilities are
/// as accurate, but the bits of states depend on how rows were cut. For the same states it gives the same bits however
/// rows are cut.
///
/// - Parameter states: One state a row. An element above its row's max becomes a NaN.
/// - Throws: `NormalizationError` for a shape without a last axis, another number of states than rows, a max that is a
///   NaN, a sum that is negative or infinite, or a backend that is not here.
public func softmax<Element: KernelElement>(
    _ x: Tensor<Element>, with states: [SoftmaxState], backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    try forward(x, with: states, logarithmic: false, into: &y, backend: backend)
    return y
}

/// As ``softmax(_:with:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
public func softmax<Element: KernelElement>(
    _ x: Tensor<Element>, with states: [SoftmaxState], into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try forward(x, with: states, logarithmic: false, into: &y, backend: backend)
}

/// The natural logarithm of ``softmax(_:with:backend:)``, without forming it.
///
/// ```
/// y = (x - state.max) - log(state.sum)
/// ```
///
/// - Throws: `NormalizationError` as there.
public func logSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, with states: [SoftmaxState], backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    try forward(x, with: states, logarithmic: true, into: &y, backend: backend)
    return y
}

/// As ``logSoftmax(_:with:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
public func logSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, with states: [SoftmaxState], into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try forward(x, with: states, logarithmic: true, into: &y, backend: backend)
}

private func forward<Element: KernelElement>(
    _ x: Tensor<Element>, with states: [SoftmaxState], logarithmic: Bool, into y: inout Tensor<Element>, backend: Backend
) throws(NormalizationError) {
    let columns = try validatedColumns(of: x.shape, argument: "x")
    let count = x.count / columns
    guard states.count == count else {
        throw NormalizationError(
            .shapeMismatch, argument: "states", expected: "\(count) states", given: "\(states.count)")
    }
    try validate(states: states, argument: "states")
    try validate(output: y, like: x, argument: "y")
    if let run = try backend.kernelRun() {
        try SoftmaxKernels.forward(x.contiguous(), states: states, logarithmic: logarithmic, into: &y, run: run)
    } else {
        let elements = x.widenedArray
        y.assign(
            rounding: states.indices.flatMap {
                SoftmaxReference.forward(
                    elements[$0 * columns..<($0 + 1) * columns], with: states[$0], logarithmic: logarithmic)
            })
    }
}

func validate(states: [SoftmaxState], argument: String) throws(NormalizationError) {
    for state in states where state.max.isNaN || state.sum < 0 || state.sum == .infinity {
        throw NormalizationError(
            .invalidParameter, argument: argument, expected: "a max that is a number and a finite sum of at least 0",
            given: "max \(state.max), sum \(state.sum)")
    }
}
