internal import CKernels
package import Tensors

/// The door to `ck_layer_norm` and `ck_rms_norm`: shapes have been checked, pointers are made here.
package enum NormKernels {
    /// Rows of `x` into `y`, which has the same shape and is not shared; both have contiguous rows. Parameters are
    /// contiguous. Statistics get one element a row.
    @_specialize(where Element == Float, Parameter == Float)
    @_specialize(where Element == BFloat16, Parameter == Float)
    @_specialize(where Element == BFloat16, Parameter == BFloat16)
    package static func forward<Element: KernelElement, Parameter: KernelElement>(
        _ norm: RowNorm, _ x: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>?,
        weightOffset: Float, epsilon: Float, output y: Tensor<Element>, statistics: RowStatistics?, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe ck_norm_args()
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.parameter_type = Parameter.storageType.code
        unsafe arguments.cols = Int64(x.shape[x.shape.rank - 1])
        unsafe arguments.weight = weight.rawPointer()
        unsafe arguments.bias = bias.rawPointer()
        unsafe arguments.weight_offset = weightOffset
        unsafe arguments.epsilon = epsilon
        let (source, destination) = unsafe (x.storage.base, y.storage.base)
        try x.forEachRowRun(with: y) { (rows: RowRun) throws(NormalizationError) in
            unsafe arguments.rows = Int64(rows.rows)
            unsafe arguments.x = UnsafeRawPointer(source + rows.source.start)
            unsafe arguments.x_stride = Int64(rows.source.stride)
            unsafe arguments.y = UnsafeMutableRawPointer(destination + rows.destination.start)
            unsafe arguments.y_stride = Int64(rows.destination.stride)
            if let statistics {
                unsafe arguments.mean = statistics.mean.mutablePointer + rows.firstRow
                unsafe arguments.mean_low = statistics.meanLow.mutablePointer + rows.firstRow
                unsafe arguments.rstd = statistics.reciprocalDeviation.mutablePointer + rows.firstRow
            }
            try check(unsafe norm.run(&arguments, run))
        }
    }

    /// What a call may write besides or instead of `output`. Every tensor is contiguous and not shared.
    package struct Outputs<Element: KernelElement> {
        package var output: Tensor<Element>?
        package var sum: Tensor<Element>?
        package var quantized: QuantizedRows?
        package var statistics: RowStatistics?

        package init(
            output: Tensor<Element>? = nil, sum: Tensor<Element>? = nil, quantized: QuantizedRows? = nil,
            statistics: RowStatistics? = nil
        ) {
            self.output = output
            self.sum = sum
            self.quantized = quantized
            self.statistics = statistics
        }
    }

    /// Everything that the kernels offer, on contiguous tensors.
    package static func forward<Element: KernelElement, Parameter: KernelElement>(
        _ terms: NormTerms<Parameter>, _ x: Tensor<Element>, residual: ResidualTerms<Element, Parameter>? = nil,
        addend: Tensor<Element>? = nil, outputs: Outputs<Element>, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe ck_norm_args()
        let columns = x.shape[x.shape.rank - 1]
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.parameter_type = Parameter.storageType.code
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.weight = terms.weight.rawPointer()
        unsafe arguments.bias = terms.bias.rawPointer()
        unsafe arguments.weight_offset = terms.weightOffset
        unsafe arguments.epsilon = terms.epsilon
        unsafe arguments.addend = addend.rawPointer()
        unsafe arguments.addend_stride = Int64(columns)
        unsafe arguments.y = outputs.output.rawMutablePointer()
        unsafe arguments.y_stride = Int64(columns)
        unsafe arguments.quantized = outputs.quantized.map { unsafe $0.values.mutablePointer }
        unsafe arguments.quantized_stride = Int64(columns)
        unsafe arguments.quantized_scale = outputs.quantized.map { unsafe $0.scales.mutablePointer }
        unsafe arguments.mean = outputs.statistics.map { unsafe $0.mean.mutablePointer }
        unsafe arguments.mean_low = outputs.statistics.map { unsafe $0.meanLow.mutablePointer }
        unsafe arguments.rstd = outputs.statistics.map { unsafe $0.reciprocalDeviation.mutablePointer }
        guard let residual else { return try check(unsafe terms.norm.run(&arguments, run)) }
        var sum = unsafe residual.arguments(columns: columns)
        unsafe sum.sum = outputs.sum.rawMutablePointer()
        unsafe sum.sum_stride = Int64(columns)
        let status = unsafe withUnsafePointer(to: sum) { pointer in
            unsafe arguments.residual = pointer
            return unsafe terms.norm.run(&arguments, run)
        }
        try check(status)
    }

    /// Dense rows of `columns` elements.
    package static func forward(
        _ norm: RowNorm, _ x: Span<Float>, columns: Int, weight: Span<Float>?, bias: Span<Float>?, weightOffset: Float,
        epsilon: Float, into y: inout MutableSpan<Float>, run: KernelRun
    ) throws(NormalizationError) {
        let status = unsafe x.withUnsafeBufferPointer { x in
            unsafe weight.withPointer { weight in
                unsafe bias.withPointer { bias in
                    unsafe y.withUnsafeMutableBufferPointer { y in
                        var arguments = unsafe ck_norm_args()
                        unsafe arguments.rows = Int64(x.count / columns)
                        unsafe arguments.cols = Int64(columns)
                        unsafe arguments.x = UnsafeRawPointer(x.baseAddress)
                        unsafe arguments.x_stride = Int64(columns)
                        unsafe arguments.weight = UnsafeRawPointer(weight)
                        unsafe arguments.bias = UnsafeRawPointer(bias)
                        unsafe arguments.weight_offset = weightOffset
                        unsafe arguments.epsilon = epsilon
                        unsafe arguments.y = UnsafeMutableRawPointer(y.baseAddress)
                        unsafe arguments.y_stride = Int64(columns)
                        return unsafe norm.run(&arguments, run)
                    }
                }
            }
        }
        try check(status)
    }
}

extension RowNorm {
    fileprivate func run(_ arguments: UnsafePointer<ck_norm_args>, _ run: KernelRun) -> ck_status {
        switch self {
        case .layerNorm: unsafe ck_layer_norm(arguments, run.run)
        case .rmsNorm: unsafe ck_rms_norm(arguments, run.run)
        }
    }
}

extension ResidualTerms {
    /// Without the sum.
    func arguments(columns: Int) -> ck_residual {
        var arguments = unsafe ck_residual()
        unsafe arguments.branch = UnsafeRawPointer(branch.pointer)
        unsafe arguments.branch_stride = Int64(columns)
        unsafe arguments.branch_bias = branchBias.rawPointer()
        unsafe arguments.branch_scale = branchScale.rawPointer()
        unsafe arguments.scale = residualScale
        unsafe arguments.dropout = dropout?.probability ?? 0
        unsafe arguments.seed = dropout?.seed ?? 0
        return unsafe arguments
    }
}

extension Optional where Wrapped == Span<Float> {
    /// Calls `body` with the address of the first element, or nil without a span.
    func withPointer<Result>(_ body: (UnsafePointer<Float>?) -> Result) -> Result {
        guard let span = self else { return body(nil) }
        return unsafe span.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
    }
}
