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

    /// The state of every row of `x`, which is contiguous.
    package static func states<Element: KernelElement>(
        _ x: Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) -> [SoftmaxState] {
        var arguments = unsafe arguments(x, logarithmic: false)
        let columns = x.shape[x.shape.rank - 1]
        var states = [ck_softmax_state](repeating: ck_softmax_state(), count: x.count / columns)
        let status = unsafe states.withUnsafeMutableBufferPointer { states in
            unsafe arguments.rows = Int64(states.count)
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = arguments.cols
            unsafe arguments.states = states.baseAddress
            return unsafe ck_softmax(&arguments, run.run)
        }
        try check(status)
        return states.map { SoftmaxState(max: $0.max, sum: $0.sum) }
    }

    /// Rows of `x` by the state of each, into `y`, which has the same shape; both are contiguous.
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, states: [SoftmaxState], logarithmic: Bool, into y: inout Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        let output = y
        let columns = Int64(x.shape[x.shape.rank - 1])
        let status = unsafe states.map(ck_softmax_state.init).withUnsafeBufferPointer { states in
            var arguments = unsafe ck_softmax_with_states_args()
            unsafe arguments.rows = Int64(states.count)
            unsafe arguments.cols = columns
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = columns
            unsafe arguments.states = states.baseAddress
            unsafe arguments.y = UnsafeMutableRawPointer(output.mutablePointer)
            unsafe arguments.y_stride = columns
            unsafe arguments.logarithmic = logarithmic ? 1 : 0
            return unsafe ck_softmax_with_states(&arguments, run.run)
        }
        try check(status)
    }

    /// As `Sequence.merged()`, by the kernels.
    package static func merged(_ parts: [SoftmaxState]) throws(NormalizationError) -> SoftmaxState {
        var result = ck_softmax_state()
        let status = unsafe parts.map(ck_softmax_state.init).withUnsafeBufferPointer { parts in
            unsafe ck_softmax_states_merge(parts.baseAddress, Int64(parts.count), &result)
        }
        try check(status)
        return SoftmaxState(max: result.max, sum: result.sum)
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

extension ck_softmax_state {
    init(_ state: SoftmaxState) { self.init(max: state.max, sum: state.sum) }
}
