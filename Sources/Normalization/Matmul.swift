internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Who multiplies matrices.
public enum MatrixProducts: Hashable, Sendable {
    /// The package's own kernels: the same bits for every backend.
    case oneAnswer
    /// The BLAS that the package's trait OpenBLAS links: within the rounding errors of another order of the sums, which
    /// may change with the machine and the number of threads. It runs on the threads of the call alone: while it does,
    /// OpenBLAS's own count, which is one of the process, is 1. ``Backend/reference`` does without it.
    case blas

    /// Those of this build.
    public static let available: [MatrixProducts] = KernelLibrary.blas == "none" ? [.oneAnswer] : [.oneAnswer, .blas]
}

/// The product of matrices.
///
/// ```
/// c[i, j] = scale * sum(a[i, t] * b[t, j])
/// ```
///
/// - Parameters:
///   - a: [batch, heads, rows, depth], or without leading axes, which are 1 then. Any strides: a transpose costs no
///     copy.
///   - b: [batch, bHeads, depth, columns], likewise. heads is a multiple of bHeads: as many matrices `a` as that says,
///     which follow each other, meet the same `b`, as queries meet keys in grouped attention. Without leading axes, or
///     with a batch of 1, it is shared by all.
///   - scale: What sums are multiplied by.
///   - products: Who computes it.
///   - backend: As whom; the result of `.oneAnswer` has the same bits for all of them.
/// - Returns: [batch, heads, rows, columns], with as many axes as `a`.
/// - Throws: `NormalizationError` for shapes that do not fit, a scale that is not finite, products or a backend that
///   are not here.
///
/// Precision: float32, rounded once for the smaller types. Up to a depth of 512 a sum is one chain of fused
/// multiply-adds; longer ones are sums of such chains. A row's bits do not depend on the rows beside it.
public func matmul<A: KernelElement, B: KernelElement>(
    _ a: Tensor<A>, _ b: Tensor<B>, scale: Float = 1, products: MatrixProducts = .oneAnswer,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<A> {
    let call = try MatmulCall(a, b, scale: scale)
    let c: Tensor<A> = try call.product(products, backend: backend)
    return try c.reshaped(to: Shape(Array(c.shape.extents.suffix(a.shape.rank))))
}

/// Matrices that fit each other, as tensors of four axes.
struct MatmulCall<A: KernelElement, B: KernelElement> {
    private let a: Tensor<A>
    private let b: Tensor<B>
    private let scale: Float

    init(_ a: Tensor<A>, _ b: Tensor<B>, scale: Float) throws(NormalizationError) {
        self.a = try a.asMatrices(argument: "a")
        let matrices = try b.asMatrices(argument: "b")
        let (p, q) = (self.a.shape, matrices.shape)
        guard q[2] == p[3], q[0] == p[0] || q[0] == 1, q[1] > 0 ? p[1] % q[1] == 0 : p[1] == 0 else {
            throw NormalizationError(
                .shapeMismatch, argument: "b", expected: "[\(p[0]), a divisor of \(p[1]), \(p[3]), columns]",
                given: "\(b.shape)")
        }
        self.b = try matrices.broadcast(to: [p[0], q[1], q[2], q[3]], wholeRows: false, argument: "b")
        self.scale = scale
        try validate(finite: scale, argument: "scale")
        _ = try shape.validatedCount(argument: "b", elementSize: MemoryLayout<Float>.stride)
    }

    /// Of the result.
    var shape: Shape { [a.shape[0], a.shape[1], a.shape[2], b.shape[3]] }

    func product<C: KernelElement>(
        _ products: MatrixProducts, backend: Backend
    ) throws(NormalizationError) -> Tensor<C> {
        guard let run = try backend.kernelRun() else { return try reference() }
        if products == .blas {
            let c = try blasProduct(run)
            return c as? Tensor<C> ?? Tensor<C>(rounding: c)
        }
        let c = Tensor<C>(uninitializedLike: shape)
        try MatmulKernels(a, b, scale: scale).multiply(into: c, run: run)
        return c
    }

    private func blasProduct(_ run: KernelRun) throws(NormalizationError) -> Tensor<Float> {
        guard MatrixProducts.available.contains(.blas) else {
            throw NormalizationError(
                .unavailableBLAS, argument: "products", expected: "one of \(MatrixProducts.available)", given: "blas")
        }
        let c = Tensor<Float>(uninitializedLike: shape)
        try MatmulKernels(a.asFloats(), b.asFloats(), scale: scale).multiplyByBLAS(into: c, run: run)
        return c
    }

    private func reference<C: KernelElement>() throws(NormalizationError) -> Tensor<C> {
        let c = MatmulReference.multiply(
            a.widened().array, b.widened().array, scale: scale,
            MatmulReference.Shape(
                batch: a.shape[0], heads: a.shape[1], bHeads: b.shape[1], rows: a.shape[2], columns: b.shape[3],
                depth: a.shape[3]))
        return try Tensor(c.map(C.init(rounding:)), shape: shape)
    }
}

extension Tensor where Element: KernelElement {
    /// This tensor as [batch, heads, rows, columns], any of which may be 0.
    fileprivate func asMatrices(argument: String) throws(NormalizationError) -> Tensor {
        guard (2...4).contains(shape.rank) else {
            throw NormalizationError(
                .invalidShape, argument: argument, expected: "[batch, heads, rows, columns], or without leading axes",
                given: "shape \(shape)")
        }
        let extents = [Int](repeating: 1, count: 4 - shape.rank) + shape.extents
        return try broadcast(to: Shape(extents), wholeRows: false, argument: argument)
    }

    /// This tensor if its elements are floats, else widened.
    fileprivate func asFloats() -> Tensor<Float> { self as? Tensor<Float> ?? widened() }
}
