internal import CKernels
package import Tensors

/// The door to norms of parts of rows. Tensors are contiguous, outputs are not shared; statistics are [segments, rows].
package enum SegmentNormKernels {
    package static func forward<Element: KernelElement, Parameter: KernelElement>(
        _ terms: NormTerms<Parameter>, _ x: Tensor<Element>, segments: SegmentOffsets, shared: Bool,
        output y: Tensor<Element>, statistics: RowStatistics, run: KernelRun
    ) throws(NormalizationError) {
        let columns = segments.total
        let status = unsafe segments.withPointer { offsets in
            var arguments = unsafe ck_segment_norm_args()
            unsafe arguments.rows = Int64(x.count / columns)
            unsafe arguments.cols = Int64(columns)
            unsafe arguments.segments = Int64(segments.count)
            unsafe arguments.offsets = offsets
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.parameter_type = Parameter.storageType.code
            unsafe arguments.shared = shared ? 1 : 0
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(columns)
            unsafe arguments.weight = terms.weight.rawPointer()
            unsafe arguments.bias = terms.bias.rawPointer()
            unsafe arguments.weight_offset = terms.weightOffset
            unsafe arguments.epsilon = terms.epsilon
            unsafe arguments.y = UnsafeMutableRawPointer(y.mutablePointer)
            unsafe arguments.y_stride = Int64(columns)
            unsafe arguments.mean = statistics.mean.mutablePointer
            unsafe arguments.mean_low = statistics.meanLow.mutablePointer
            unsafe arguments.rstd = statistics.reciprocalDeviation.mutablePointer
            return switch terms.norm {
            case .layerNorm: unsafe ck_segment_layer_norm(&arguments, run.run)
            case .rmsNorm: unsafe ck_segment_rms_norm(&arguments, run.run)
            }
        }
        try check(status)
    }

    /// Floats of scratch memory for the sums over rows.
    package static func workspaceCount(rows: Int, segments: SegmentOffsets) -> Int {
        let bytes = unsafe segments.withPointer { offsets in
            unsafe ck_segment_norm_backward_workspace(
                Int64(rows), Int64(segments.total), Int64(segments.count), offsets)
        }
        return bytes / MemoryLayout<Float>.stride
    }

    package static func backward<Element: KernelElement, Parameter: KernelElement>(
        _ norm: RowNorm, _ dy: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets, shared: Bool,
        weight: Tensor<Parameter>?, weightOffset: Float, statistics: RowStatistics, inputGradient: Tensor<Element>,
        weightGradient: Tensor<Float>, biasGradient: Tensor<Float>, accumulating: Bool, workspace: Tensor<Float>,
        run: KernelRun
    ) throws(NormalizationError) {
        let columns = segments.total
        let status = unsafe segments.withPointer { offsets in
            var arguments = unsafe ck_segment_norm_backward_args()
            unsafe arguments.rows = Int64(x.count / columns)
            unsafe arguments.cols = Int64(columns)
            unsafe arguments.segments = Int64(segments.count)
            unsafe arguments.offsets = offsets
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.parameter_type = Parameter.storageType.code
            unsafe arguments.shared = shared ? 1 : 0
            unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
            unsafe arguments.dy_stride = Int64(columns)
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(columns)
            unsafe arguments.weight = weight.rawPointer()
            unsafe arguments.weight_offset = weightOffset
            unsafe arguments.mean = statistics.mean.pointer
            unsafe arguments.mean_low = statistics.meanLow.pointer
            unsafe arguments.rstd = statistics.reciprocalDeviation.pointer
            unsafe arguments.dx = UnsafeMutableRawPointer(inputGradient.mutablePointer)
            unsafe arguments.dx_stride = Int64(columns)
            unsafe arguments.dweight = weightGradient.mutablePointer
            unsafe arguments.dbias = biasGradient.mutablePointer
            unsafe arguments.accumulate = accumulating ? 1 : 0
            unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
            unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
            return switch norm {
            case .layerNorm: unsafe ck_segment_layer_norm_backward(&arguments, run.run)
            case .rmsNorm: unsafe ck_segment_rms_norm_backward(&arguments, run.run)
            }
        }
        try check(status)
    }
}

extension SegmentOffsets {
    /// Calls `body` with the address of the first offset.
    func withPointer<Result>(_ body: (UnsafePointer<Int64>) -> Result) -> Result {
        let wide = offsets.map(Int64.init)
        return unsafe wide.span.withUnsafeBufferPointer { buffer in
            unsafe body(buffer.baseAddress!)  // there are at least two offsets
        }
    }
}
