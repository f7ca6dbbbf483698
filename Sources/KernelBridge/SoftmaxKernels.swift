internal import CKernels
package import Tensors

/// The door to `ck_softmax` and `ck_softmax_backward`: shapes have been checked, pointers are made here.
package enum SoftmaxKernels {
    /// Rows of `x` into `y`, which has the same shape; both have contiguous rows. `logSumExp` has one element a row.
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, logarithmic: Bool, into y: inout Tensor<Element>, logSumExp: inout Tensor<Float>?,
        run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        try forward(x, logarithmic: logarithmic, output: y, logSumExp: &logSumExp, run: run)
    }

    /// Rows of `x`, replaced by their softmax.
    package static func forward<Element: KernelElement>(
        inPlace x: inout Tensor<Element>, logarithmic: Bool, run: KernelRun
    ) throws(NormalizationError) {
        var none: Tensor<Float>?
        x.makeUnique()
        try forward(x, logarithmic: logarithmic, output: x, logSumExp: &none, run: run)
    }

    private static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, logarithmic: Bool, output y: Tensor<Element>, logSumExp: inout Tensor<Float>?,
        run: KernelRun
    ) throws(NormalizationError) {
        logSumExp?.makeUniqueForOverwriting()
        let sums = unsafe logSumExp.map { unsafe $0.mutablePointer }
        var arguments = unsafe arguments(x, logarithmic: logarithmic)
        let (source, destination) = unsafe (x.storage.base, y.storage.base)
        try x.forEachRowRun(with: y) { (rows: RowRun) throws(NormalizationError) in
            unsafe arguments.rows = Int64(rows.rows)
            unsafe arguments.x = UnsafeRawPointer(source + rows.source.start)
            unsafe arguments.x_stride = Int64(rows.source.stride)
            unsafe arguments.y = UnsafeMutableRawPointer(destination + rows.destination.start)
            unsafe arguments.y_stride = Int64(rows.destination.stride)
            unsafe arguments.log_sum_exp = sums.map { unsafe $0 + rows.firstRow }
            try check(unsafe ck_softmax(&arguments, run.run))
        }
    }

    /// The log-sum-exp of every row of `x` alone; both are contiguous.
    package static func logSumExp<Element: KernelElement>(
        _ x: Tensor<Element>, into logSumExp: inout Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        logSumExp.makeUniqueForOverwriting()
        var arguments = unsafe arguments(x, logarithmic: false)
        unsafe arguments.rows = Int64(logSumExp.count)
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = arguments.cols
        unsafe arguments.log_sum_exp = logSumExp.mutablePointer
        try check(unsafe ck_softmax(&arguments, run.run))
    }

    private static func arguments<Element: KernelElement>(_ x: Tensor<Element>, logarithmic: Bool) -> ck_softmax_args {
        var arguments = unsafe ck_softmax_args()
        unsafe arguments.cols = Int64(x.shape[x.shape.rank - 1])
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.logarithmic = logarithmic ? 1 : 0
        return unsafe arguments
    }

    /// Gradients of contiguous tensors of one shape.
    package static func backward<Element: KernelElement>(
        _ dy: Tensor<Element>, output y: Tensor<Element>, logarithmic: Bool, into dx: inout Tensor<Element>,
        run: KernelRun
    ) throws(NormalizationError) {
        dx.makeUniqueForOverwriting()
        let columns = y.shape[y.shape.rank - 1]
        var arguments = unsafe ck_softmax_backward_args()
        unsafe arguments.rows = Int64(y.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
        unsafe arguments.dy_stride = Int64(columns)
        unsafe arguments.y = UnsafeRawPointer(y.pointer)
        unsafe arguments.y_stride = Int64(columns)
        unsafe arguments.dx = UnsafeMutableRawPointer(dx.mutablePointer)
        unsafe arguments.dx_stride = Int64(columns)
        unsafe arguments.logarithmic = logarithmic ? 1 : 0
        try check(unsafe ck_softmax_backward(&arguments, run.run))
    }
}
