internal import CKernels
package import Tensors

/// The door to `ck_row_moments`, `ck_normalize_rows` and `ck_moments_merge`: shapes have been checked, pointers are made
/// here. Tensors are dense.
package enum RowMomentsKernels {
    /// The moments of every row.
    package static func moments<Element: KernelElement>(
        _ x: Tensor<Element>, columns: Int, run: KernelRun
    ) throws(NormalizationError) -> [Moments] {
        var moments = [ck_moments](repeating: ck_moments(), count: x.count / columns)
        let status = unsafe moments.withUnsafeMutableBufferPointer { moments in
            var arguments = unsafe ck_row_moments_args()
            unsafe arguments.rows = Int64(moments.count)
            unsafe arguments.cols = Int64(columns)
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(columns)
            unsafe arguments.moments = moments.baseAddress
            return unsafe ck_row_moments(&arguments, run.run)
        }
        try check(status)
        return moments.map(Moments.init)
    }

    /// Rows of `x` into `y`, which has the same shape, by the moments of each row.
    package static func normalize<Element: KernelElement>(
        _ x: Tensor<Element>, columns: Int, moments: [Moments], weight: Tensor<Float>?, bias: Tensor<Float>?,
        epsilon: Float, into y: inout Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        let output = y
        let status = unsafe moments.map(ck_moments.init).withUnsafeBufferPointer { moments in
            var arguments = unsafe ck_normalize_rows_args()
            unsafe arguments.rows = Int64(moments.count)
            unsafe arguments.cols = Int64(columns)
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(columns)
            unsafe arguments.moments = moments.baseAddress
            unsafe arguments.weight = weight.floatPointer
            unsafe arguments.bias = bias.floatPointer
            unsafe arguments.epsilon = epsilon
            unsafe arguments.y = UnsafeMutableRawPointer(output.mutablePointer)
            unsafe arguments.y_stride = Int64(columns)
            return unsafe ck_normalize_rows(&arguments, run.run)
        }
        try check(status)
    }

    /// As `Sequence.merged()`, by the kernels.
    package static func merged(_ parts: [Moments]) throws(NormalizationError) -> Moments {
        var result = ck_moments()
        let status = unsafe parts.map(ck_moments.init).withUnsafeBufferPointer { parts in
            unsafe ck_moments_merge(parts.baseAddress, Int64(parts.count), &result)
        }
        try check(status)
        return Moments(result)
    }
}

extension ck_moments {
    init(_ moments: Moments) {
        self.init(count: Int64(moments.count), mean: moments.mean, m2: moments.sumOfSquaredDeviations)
    }
}

extension Moments {
    init(_ moments: ck_moments) {
        self.init(count: Int(moments.count), mean: moments.mean, sumOfSquaredDeviations: moments.m2)
    }
}
