internal import CKernels
package import Tensors

extension NormKernels {
    /// Floats of scratch memory for the sums over rows.
    package static func workspaceCount(rows: Int, columns: Int, residual: Bool) -> Int {
        ck_norm_backward_workspace(Int64(rows), Int64(columns), residual ? 1 : 0) / MemoryLayout<Float>.stride
    }

    /// Gradients to be written, contiguous and not shared; nil where they are not wanted.
    package struct Gradients<Element: KernelElement> {
        package var input: Tensor<Element>?
        package var branch: Tensor<Element>?
        package var weight, bias, branchBias, branchScale: Tensor<Float>?

        package init(
            input: Tensor<Element>?, branch: Tensor<Element>? = nil, weight: Tensor<Float>?, bias: Tensor<Float>?,
            branchBias: Tensor<Float>? = nil, branchScale: Tensor<Float>? = nil
        ) {
            self.input = input
            self.branch = branch
            self.weight = weight
            self.bias = bias
            self.branchBias = branchBias
            self.branchScale = branchScale
        }
    }

    /// Gradients of contiguous tensors. `workspace` has `workspaceCount` elements and is not shared.
    package static func backward<Element: KernelElement, Parameter: KernelElement>(
        _ norm: RowNorm, _ dy: Tensor<Element>, sumGradient: Tensor<Element>?, x: Tensor<Element>,
        residual: ResidualTerms<Element, Parameter>?, weight: Tensor<Parameter>?, weightOffset: Float,
        statistics: RowStatistics, gradients: Gradients<Element>, accumulating: Bool, workspace: Tensor<Float>,
        run: KernelRun
    ) throws(NormalizationError) {
        let columns = x.shape[x.shape.rank - 1]
        var arguments = unsafe ck_norm_backward_args()
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.parameter_type = Parameter.storageType.code
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
        unsafe arguments.dy_stride = Int64(columns)
        unsafe arguments.dsum = sumGradient.rawPointer()
        unsafe arguments.dsum_stride = Int64(columns)
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.weight = weight.rawPointer()
        unsafe arguments.weight_offset = weightOffset
        unsafe arguments.mean = UnsafePointer(statistics.mean.pointer)
        unsafe arguments.mean_low = UnsafePointer(statistics.meanLow.pointer)
        unsafe arguments.rstd = UnsafePointer(statistics.reciprocalDeviation.pointer)
        unsafe arguments.dx = gradients.input.rawMutablePointer()
        unsafe arguments.dx_stride = Int64(columns)
        unsafe arguments.dbranch = gradients.branch.rawMutablePointer()
        unsafe arguments.dbranch_stride = Int64(columns)
        unsafe arguments.dweight = gradients.weight.map { unsafe $0.mutablePointer }
        unsafe arguments.dbias = gradients.bias.map { unsafe $0.mutablePointer }
        unsafe arguments.dbranch_bias = gradients.branchBias.map { unsafe $0.mutablePointer }
        unsafe arguments.dbranch_scale = gradients.branchScale.map { unsafe $0.mutablePointer }
        unsafe arguments.accumulate = accumulating ? 1 : 0
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
        guard let residual else { return try check(unsafe norm.runBackward(&arguments, run)) }
        let status = unsafe withUnsafePointer(to: residual.arguments(columns: columns)) { pointer in
            unsafe arguments.residual = pointer
            return unsafe norm.runBackward(&arguments, run)
        }
        try check(status)
    }
}

extension RowNorm {
    fileprivate func runBackward(_ arguments: UnsafePointer<ck_norm_backward_args>, _ run: KernelRun) -> ck_status {
        switch self {
        case .layerNorm: unsafe ck_layer_norm_backward(arguments, run.run)
        case .rmsNorm: unsafe ck_rms_norm_backward(arguments, run.run)
        }
    }
}
