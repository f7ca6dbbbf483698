internal import CKernels
package import Tensors

/// The door to `ck_matmul` and `ck_matmul_blas`: shapes have been checked, all tensors have the axes batch, heads,
/// rows, columns.
package struct MatmulKernels<A: KernelElement, B: KernelElement> {
    private let a: Tensor<A>, b: Tensor<B>
    private let isATransposed, isBTransposed: Bool
    private let shape: (batch: Int, heads: Int, bHeads: Int, rows: Int, columns: Int, depth: Int)
    private let scale: Float

    /// Matrices may be transposes of what is in memory; others whose columns are not contiguous are copied.
    package init(_ a: Tensor<A>, _ b: Tensor<B>, scale: Float) throws(NormalizationError) {
        shape = (a.shape[0], a.shape[1], b.shape[1], a.shape[2], b.shape[3], a.shape[3])
        (self.a, isATransposed) = try a.asMatrices()
        (self.b, isBTransposed) = try b.asMatrices()
        self.scale = scale
    }

    /// Valid while the tensors live.
    private func arguments<C: KernelElement>(_ c: Tensor<C>) -> ck_matmul_args {
        var arguments = unsafe ck_matmul_args()
        unsafe arguments.batch = Int64(shape.batch)
        unsafe arguments.heads = Int64(shape.heads)
        unsafe arguments.b_heads = Int64(shape.bHeads)
        unsafe arguments.rows = Int64(shape.rows)
        unsafe arguments.columns = Int64(shape.columns)
        unsafe arguments.depth = Int64(shape.depth)
        unsafe arguments.scale = scale
        unsafe arguments.a = UnsafeRawPointer(a.pointer)
        unsafe arguments.a_type = A.storageType.code
        unsafe arguments.a_strides = a.scoreStrides
        unsafe arguments.a_transposed = isATransposed ? 1 : 0
        unsafe arguments.b = UnsafeRawPointer(b.pointer)
        unsafe arguments.b_type = B.storageType.code
        unsafe arguments.b_strides = b.scoreStrides
        unsafe arguments.b_transposed = isBTransposed ? 1 : 0
        unsafe arguments.c = UnsafeMutableRawPointer(c.mutablePointer)
        unsafe arguments.c_type = C.storageType.code
        unsafe arguments.c_strides = c.scoreStrides
        return unsafe arguments
    }

    /// `c` is not shared, and its columns are contiguous.
    package func multiply<C: KernelElement>(into c: Tensor<C>, run: KernelRun) throws(NormalizationError) {
        var arguments = unsafe arguments(c)
        let bytes = unsafe ck_matmul_workspace(&arguments, run.run)
        let workspace = Tensor<Float>(uninitializedLike: [bytes / MemoryLayout<Float>.stride])
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = bytes
        try check(unsafe ck_matmul(&arguments, run.run))
    }

    /// By BLAS, where A and B are Float.
    package func multiplyByBLAS(into c: Tensor<Float>, run: KernelRun) throws(NormalizationError) {
        var arguments = unsafe arguments(c)
        try check(unsafe ck_matmul_blas(&arguments, run.run))
    }
}

extension Tensor {
    /// These matrices as they lie in memory, and whether that is transposed.
    fileprivate func asMatrices() throws(NormalizationError) -> (Tensor, isTransposed: Bool) {
        if hasContiguousRows { return (self, false) }
        let turned = try transposed(2, 3)
        return turned.hasContiguousRows ? (turned, true) : (contiguous(), false)
    }
}
