internal import CKernels
package import Tensors

/// The door to `ck_layer_norm`: shapes have been checked, pointers are made here.
package enum LayerNormKernels {
    /// Rows of `x` into `y`, which has the same shape; both have contiguous rows.
    package static func forward(
        _ x: Tensor<Float>, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float,
        into y: inout Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        try forward(x, weight: weight, bias: bias, epsilon: epsilon, output: y, statistics: nil, run: run)
    }

    /// As above, and saves the statistics, one element a row.
    package static func forward(
        _ x: Tensor<Float>, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float,
        into y: inout Tensor<Float>, statistics: inout RowStatistics, run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        statistics.mean.makeUniqueForOverwriting()
        statistics.meanLow.makeUniqueForOverwriting()
        statistics.reciprocalDeviation.makeUniqueForOverwriting()
        try forward(x, weight: weight, bias: bias, epsilon: epsilon, output: y, statistics: statistics, run: run)
    }

    /// Rows of `x`, replaced by their normalized values.
    package static func forward(
        inPlace x: inout Tensor<Float>, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float, run: KernelRun
    ) throws(NormalizationError) {
        x.makeUnique()
        try forward(x, weight: weight, bias: bias, epsilon: epsilon, output: x, statistics: nil, run: run)
    }

    private static func forward(
        _ x: Tensor<Float>, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float, output y: Tensor<Float>,
        statistics: RowStatistics?, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe ck_layer_norm_args()
        unsafe arguments.cols = Int64(x.shape[x.shape.rank - 1])
        unsafe arguments.weight = weight.pointer
        unsafe arguments.bias = bias.pointer
        unsafe arguments.epsilon = epsilon
        let (source, destination) = unsafe (x.storage.base, y.storage.base)
        try x.forEachRowRun(with: y) { (rows: RowRun) throws(NormalizationError) in
            unsafe arguments.rows = Int64(rows.rows)
            unsafe arguments.x = UnsafePointer(source + rows.source.start)
            unsafe arguments.x_stride = Int64(rows.source.stride)
            unsafe arguments.y = destination + rows.destination.start
            unsafe arguments.y_stride = Int64(rows.destination.stride)
            if let statistics {
                unsafe arguments.mean = statistics.mean.mutablePointer + rows.firstRow
                unsafe arguments.mean_low = statistics.meanLow.mutablePointer + rows.firstRow
                unsafe arguments.rstd = statistics.reciprocalDeviation.mutablePointer + rows.firstRow
            }
            try check(unsafe ck_layer_norm(&arguments, run.run))
        }
    }

    /// Dense rows of `columns` elements.
    package static func forward(
        _ x: Span<Float>, columns: Int, weight: Span<Float>?, bias: Span<Float>?, epsilon: Float,
        into y: inout MutableSpan<Float>, run: KernelRun
    ) throws(NormalizationError) {
        let status = unsafe x.withUnsafeBufferPointer { x in
            unsafe weight.withPointer { weight in
                unsafe bias.withPointer { bias in
                    unsafe y.withUnsafeMutableBufferPointer { y in
                        var arguments = unsafe ck_layer_norm_args()
                        unsafe arguments.rows = Int64(x.count / columns)
                        unsafe arguments.cols = Int64(columns)
                        unsafe arguments.x = x.baseAddress
                        unsafe arguments.x_stride = Int64(columns)
                        unsafe arguments.weight = weight
                        unsafe arguments.bias = bias
                        unsafe arguments.epsilon = epsilon
                        unsafe arguments.y = y.baseAddress
                        unsafe arguments.y_stride = Int64(columns)
                        return unsafe ck_layer_norm(&arguments, run.run)
                    }
                }
            }
        }
        try check(status)
    }
}

extension Optional where Wrapped == Span<Float> {
    /// Calls `body` with the address of the first element, or nil without a span.
    func withPointer<Result>(_ body: (UnsafePointer<Float>?) -> Result) -> Result {
        guard let span = self else { return body(nil) }
        return unsafe span.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
    }
}
