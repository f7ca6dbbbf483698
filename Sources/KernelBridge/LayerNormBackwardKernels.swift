internal import CKernels
package import Tensors

extension LayerNormKernels {
    /// Floats of scratch memory for the sums over rows.
    package static func workspaceCount(rows: Int, columns: Int) -> Int {
        ck_layer_norm_backward_workspace(Int64(rows), Int64(columns)) / MemoryLayout<Float>.stride
    }

    /// Gradients of dense tensors. `inputGradient` has the shape of `x`; `weightGradient` and
    /// `biasGradient` are nil where they are not wanted; `workspace` has `workspaceCount` elements.
    package static func backward(
        _ dy: Tensor<Float>, x: Tensor<Float>, weight: Tensor<Float>?, statistics: RowStatistics,
        inputGradient: inout Tensor<Float>, weightGradient: inout Tensor<Float>?, biasGradient: inout Tensor<Float>?,
        accumulating: Bool, workspace: inout Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        inputGradient.makeUniqueForOverwriting()
        weightGradient?.makeUnique()
        biasGradient?.makeUnique()
        workspace.makeUniqueForOverwriting()
        let columns = x.shape[x.shape.rank - 1]
        var arguments = unsafe ck_layer_norm_backward_args()
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.dy = dy.pointer
        unsafe arguments.dy_stride = Int64(columns)
        unsafe arguments.x = x.pointer
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.weight = weight.pointer
        unsafe arguments.mean = statistics.mean.pointer
        unsafe arguments.mean_low = statistics.meanLow.pointer
        unsafe arguments.rstd = statistics.reciprocalDeviation.pointer
        unsafe arguments.dx = inputGradient.mutablePointer
        unsafe arguments.dx_stride = Int64(columns)
        unsafe arguments.dweight = weightGradient.map { unsafe $0.mutablePointer }
        unsafe arguments.dbias = biasGradient.map { unsafe $0.mutablePointer }
        unsafe arguments.accumulate = accumulating ? 1 : 0
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
        try check(unsafe ck_layer_norm_backward(&arguments, run.run))
    }
}
