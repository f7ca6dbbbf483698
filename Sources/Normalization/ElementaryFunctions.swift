// exp and tanh of every element, with their error bounds in their names.

internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// e to the power of every element, at most 1 unit in the last place (ULP) off.
///
/// Monotone; results below 2^-126 are subnormal, not 0. e^±0 is exactly 1, e^-∞ is 0, e^∞ is ∞, a NaN stays one.
/// Checked on all 2^32 floats: the largest error is 0.93 ULP.
///
/// - Parameters:
///   - x: Any shape and strides; one that is not contiguous costs one copy.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Throws: `NormalizationError` for a backend that is not here.
public func exp1ULP(_ x: Tensor<Float>, backend: Backend = .automatic) throws(NormalizationError) -> Tensor<Float> {
    try ElementaryFunction.exp(x, backend: backend)
}

/// As ``exp1ULP(_:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched.
public func exp1ULP(inPlace x: inout Tensor<Float>, backend: Backend = .automatic) throws(NormalizationError) {
    try ElementaryFunction.exp(inPlace: &x, backend: backend)
}

/// As ``exp1ULP(_:backend:)``, on memory that the caller owns. Allocates nothing.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the counts differ.
public func exp1ULP(
    _ x: Span<Float>, into y: inout MutableSpan<Float>, backend: Backend = .automatic
) throws(NormalizationError) {
    try ElementaryFunction.exp(x, into: &y, backend: backend)
}

/// The hyperbolic tangent of every element, at most 2 units in the last place (ULP) off.
///
/// Odd and monotone. tanh(±0) is ±0, tanh(±∞) is ±1, a NaN stays one. The largest error on all 2³² floats is 1.2945 ULP
/// (bench/results/exhaustive.md); from 10 on the result is 1.
///
/// - Parameters:
///   - x: Any shape and strides; one that is not contiguous costs one copy.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Throws: `NormalizationError` for a backend that is not here.
public func tanh2ULP(_ x: Tensor<Float>, backend: Backend = .automatic) throws(NormalizationError) -> Tensor<Float> {
    try ElementaryFunction.tanh(x, backend: backend)
}

/// As ``tanh2ULP(_:backend:)``, replacing `x` by its result.
///
/// - Throws: `NormalizationError`, before `x` is touched.
public func tanh2ULP(inPlace x: inout Tensor<Float>, backend: Backend = .automatic) throws(NormalizationError) {
    try ElementaryFunction.tanh(inPlace: &x, backend: backend)
}

/// As ``tanh2ULP(_:backend:)``, on memory that the caller owns. Allocates nothing.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if the counts differ.
public func tanh2ULP(
    _ x: Span<Float>, into y: inout MutableSpan<Float>, backend: Backend = .automatic
) throws(NormalizationError) {
    try ElementaryFunction.tanh(x, into: &y, backend: backend)
}

/// A function of one number: by the kernels, and in Swift.
private struct ElementaryFunction {
    let kernel: MathKernels.Function
    let reference: @Sendable (Float) -> Float

    static let exp = ElementaryFunction(kernel: .exp1ULP, reference: ElementaryReference.exp)
    static let tanh = ElementaryFunction(kernel: .tanh2ULP, reference: ElementaryReference.tanh)

    func callAsFunction(_ x: Tensor<Float>, backend: Backend) throws(NormalizationError) -> Tensor<Float> {
        var y = Tensor<Float>(uninitializedLike: x.shape)
        if let run = try backend.kernelRun() {
            try MathKernels.map(kernel, x.contiguous(), into: &y, run: run)
        } else {
            y.assign(x.array.map(reference))
        }
        return y
    }

    func callAsFunction(inPlace x: inout Tensor<Float>, backend: Backend) throws(NormalizationError) {
        guard let run = try backend.kernelRun() else { return x.assign(x.array.map(reference)) }
        if !x.isContiguous { x = x.contiguous() }
        try MathKernels.map(kernel, inPlace: &x, run: run)
    }

    func callAsFunction(
        _ x: Span<Float>, into y: inout MutableSpan<Float>, backend: Backend
    ) throws(NormalizationError) {
        try validate(count: y.count, is: x.count, argument: "y")
        if let run = try backend.kernelRun() {
            try MathKernels.map(kernel, x, into: &y, run: run)
        } else {
            for index in x.indices { y[index] = reference(x[index]) }
        }
    }
}
