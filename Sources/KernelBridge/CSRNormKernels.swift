internal import CKernels
package import Tensors

/// The door to LayerNorm over neighbourhoods. Scores are contiguous [heads, edges], statistics [heads, nodes]; outputs
/// are not shared.
package enum CSRNormKernels {
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, segments: SegmentOffsets, weight: Tensor<Float>?, bias: Tensor<Float>?, epsilon: Float,
        output y: Tensor<Element>, statistics: RowStatistics, run: KernelRun
    ) throws(NormalizationError) {
        let edges = segments.total
        let status = unsafe segments.withPointer { offsets in
            var arguments = unsafe ck_csr_layer_norm_args()
            unsafe arguments.heads = Int64(x.count / edges)
            unsafe arguments.edges = Int64(edges)
            unsafe arguments.nodes = Int64(segments.count)
            unsafe arguments.offsets = offsets
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(edges)
            unsafe arguments.weight = weight.map { unsafe $0.pointer }
            unsafe arguments.bias = bias.map { unsafe $0.pointer }
            unsafe arguments.epsilon = epsilon
            unsafe arguments.y = UnsafeMutableRawPointer(y.mutablePointer)
            unsafe arguments.y_stride = Int64(edges)
            unsafe arguments.mean = statistics.mean.mutablePointer
            unsafe arguments.mean_low = statistics.meanLow.mutablePointer
            unsafe arguments.rstd = statistics.reciprocalDeviation.mutablePointer
            return unsafe ck_csr_layer_norm(&arguments, run.run)
        }
        try check(status)
    }

    /// Floats of scratch memory for the sums over edges.
    package static func workspaceCount(heads: Int, nodes: Int) -> Int {
        ck_csr_layer_norm_backward_workspace(Int64(heads), Int64(nodes)) / MemoryLayout<Float>.stride
    }

    package static func backward<Element: KernelElement>(
        _ dy: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets, weight: Tensor<Float>?,
        statistics: RowStatistics, inputGradient: Tensor<Element>, weightGradient: Tensor<Float>,
        biasGradient: Tensor<Float>, accumulating: Bool, workspace: Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        let edges = segments.total
        let status = unsafe segments.withPointer { offsets in
            var arguments = unsafe ck_csr_layer_norm_backward_args()
            unsafe arguments.heads = Int64(x.count / edges)
            unsafe arguments.edges = Int64(edges)
            unsafe arguments.nodes = Int64(segments.count)
            unsafe arguments.offsets = offsets
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
            unsafe arguments.dy_stride = Int64(edges)
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(edges)
            unsafe arguments.weight = weight.map { unsafe $0.pointer }
            unsafe arguments.mean = statistics.mean.pointer
            unsafe arguments.mean_low = statistics.meanLow.pointer
            unsafe arguments.rstd = statistics.reciprocalDeviation.pointer
            unsafe arguments.dx = UnsafeMutableRawPointer(inputGradient.mutablePointer)
            unsafe arguments.dx_stride = Int64(edges)
            unsafe arguments.dweight = weightGradient.mutablePointer
            unsafe arguments.dbias = biasGradient.mutablePointer
            unsafe arguments.accumulate = accumulating ? 1 : 0
            unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
            unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
            return unsafe ck_csr_layer_norm_backward(&arguments, run.run)
        }
        try check(status)
    }
}
