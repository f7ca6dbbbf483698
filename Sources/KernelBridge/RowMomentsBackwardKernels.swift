internal import CKernels
package import Tensors

/// The door to `ck_row_gradient_moments`, `ck_normalize_rows_backward` and `ck_gradient_moments_merge`: shapes have been
/// checked, pointers are made here. Tensors are dense.
extension RowMomentsKernels {
    /// The gradient moments of every row.
    package static func gradientMoments<Element: KernelElement>(
        _ dy: Tensor<Element>, x: Tensor<Element>, columns: Int, moments: [Moments], weight: Tensor<Float>?,
        epsilon: Float, run: KernelRun
    ) throws(NormalizationError) -> [GradientMoments] {
        var result = [ck_gradient_moments](repeating: ck_gradient_moments(), count: moments.count)
        let status = unsafe result.withUnsafeMutableBufferPointer { result in
            unsafe moments.map(ck_moments.init).withUnsafeBufferPointer { moments in
                var arguments = unsafe ck_row_gradient_moments_args()
                unsafe arguments.rows = Int64(moments.count)
                unsafe arguments.cols = Int64(columns)
                unsafe arguments.type = Element.storageType.code
                unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
                unsafe arguments.dy_stride = Int64(columns)
                unsafe arguments.x = UnsafeRawPointer(x.pointer)
                unsafe arguments.x_stride = Int64(columns)
                unsafe arguments.moments = moments.baseAddress
                unsafe arguments.weight = weight.floatPointer
                unsafe arguments.epsilon = epsilon
                unsafe arguments.gradient_moments = result.baseAddress
                return unsafe ck_row_gradient_moments(&arguments, run.run)
            }
        }
        try check(status)
        return result.map(GradientMoments.init)
    }

    /// Gradients of rows; those of weight and bias are nil where they are not wanted. Outputs are not shared.
    package static func backward<Element: KernelElement>(
        _ dy: Tensor<Element>, x: Tensor<Element>, columns: Int, moments: [Moments], gradientMoments: [GradientMoments],
        weight: Tensor<Float>?, epsilon: Float, gradients: NormKernels.Gradients<Element>, accumulating: Bool,
        workspace: Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        let status = unsafe gradientMoments.map(ck_gradient_moments.init).withUnsafeBufferPointer { gradientMoments in
            unsafe moments.map(ck_moments.init).withUnsafeBufferPointer { moments in
                var arguments = unsafe ck_normalize_rows_backward_args()
                unsafe arguments.rows = Int64(moments.count)
                unsafe arguments.cols = Int64(columns)
                unsafe arguments.type = Element.storageType.code
                unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
                unsafe arguments.dy_stride = Int64(columns)
                unsafe arguments.x = UnsafeRawPointer(x.pointer)
                unsafe arguments.x_stride = Int64(columns)
                unsafe arguments.moments = moments.baseAddress
                unsafe arguments.gradient_moments = gradientMoments.baseAddress
                unsafe arguments.weight = weight.floatPointer
                unsafe arguments.epsilon = epsilon
                unsafe arguments.dx = gradients.input.rawMutablePointer()
                unsafe arguments.dx_stride = Int64(columns)
                unsafe arguments.dweight = gradients.weight.map { unsafe $0.mutablePointer }
                unsafe arguments.dbias = gradients.bias.map { unsafe $0.mutablePointer }
                unsafe arguments.accumulate = accumulating ? 1 : 0
                unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
                unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
                return unsafe ck_normalize_rows_backward(&arguments, run.run)
            }
        }
        try check(status)
    }

    /// As `Sequence.merged()`, by the kernels.
    package static func merged(_ parts: [GradientMoments]) throws(NormalizationError) -> GradientMoments {
        var result = ck_gradient_moments()
        let status = unsafe parts.map(ck_gradient_moments.init).withUnsafeBufferPointer { parts in
            unsafe ck_gradient_moments_merge(parts.baseAddress, Int64(parts.count), &result)
        }
        try check(status)
        return GradientMoments(result)
    }
}

extension ck_gradient_moments {
    init(_ moments: GradientMoments) {
        self.init(
            count: Int64(moments.count), gradient: moments.gradient, normalized: moments.normalized,
            comoment: moments.comoment)
    }
}

extension GradientMoments {
    init(_ moments: ck_gradient_moments) {
        self.init(
            count: Int(moments.count), gradient: moments.gradient, normalized: moments.normalized,
            comoment: moments.comoment)
    }
}
