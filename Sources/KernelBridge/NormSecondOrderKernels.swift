internal import CKernels
package import Tensors

/// The door to the tangents of the norms and the gradients of their gradients. Tensors are contiguous, outputs are not
/// shared.
package enum NormSecondOrderKernels {
    package static func tangent<Element: KernelElement, Parameter: KernelElement>(
        _ norm: RowNorm, _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?,
        weightOffset: Float, weightTangent: Tensor<Float>?, biasTangent: Tensor<Float>?, statistics: RowStatistics,
        output: Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        let columns = x.shape[x.shape.rank - 1]
        var arguments = unsafe ck_norm_tangent_args()
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.parameter_type = Parameter.storageType.code
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.x_tangent = UnsafeRawPointer(inputTangent.pointer)
        unsafe arguments.x_tangent_stride = Int64(columns)
        unsafe arguments.weight = weight.rawPointer()
        unsafe arguments.weight_offset = weightOffset
        unsafe arguments.weight_tangent = weightTangent.map { unsafe $0.pointer }
        unsafe arguments.bias_tangent = biasTangent.map { unsafe $0.pointer }
        unsafe arguments.mean = statistics.mean.pointer
        unsafe arguments.mean_low = statistics.meanLow.pointer
        unsafe arguments.rstd = statistics.reciprocalDeviation.pointer
        unsafe arguments.y_tangent = UnsafeMutableRawPointer(output.mutablePointer)
        unsafe arguments.y_tangent_stride = Int64(columns)
        switch norm {
        case .layerNorm: try check(unsafe ck_layer_norm_tangent(&arguments, run.run))
        case .rmsNorm: try check(unsafe ck_rms_norm_tangent(&arguments, run.run))
        }
    }

    /// Floats of scratch memory for the weight's gradient.
    package static func workspaceCount(rows: Int, columns: Int) -> Int {
        ck_norm_double_backward_workspace(Int64(rows), Int64(columns)) / MemoryLayout<Float>.stride
    }

    package struct Gradients<Element: KernelElement> {
        package var outputGradient, input: Tensor<Element>
        package var weight: Tensor<Float>

        package init(outputGradient: Tensor<Element>, input: Tensor<Element>, weight: Tensor<Float>) {
            self.outputGradient = outputGradient
            self.input = input
            self.weight = weight
        }
    }

    package static func doubleBackward<Element: KernelElement, Parameter: KernelElement>(
        _ norm: RowNorm, inputCotangent: Tensor<Element>, weightCotangent: Tensor<Float>?,
        biasCotangent: Tensor<Float>?,
        outputGradient dy: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        statistics: RowStatistics, gradients: Gradients<Element>, accumulating: Bool, workspace: Tensor<Float>,
        run: KernelRun
    ) throws(NormalizationError) {
        let columns = x.shape[x.shape.rank - 1]
        var arguments = unsafe ck_norm_double_backward_args()
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.parameter_type = Parameter.storageType.code
        unsafe arguments.dx_cotangent = UnsafeRawPointer(inputCotangent.pointer)
        unsafe arguments.dx_cotangent_stride = Int64(columns)
        unsafe arguments.dweight_cotangent = weightCotangent.map { unsafe $0.pointer }
        unsafe arguments.dbias_cotangent = biasCotangent.map { unsafe $0.pointer }
        unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
        unsafe arguments.dy_stride = Int64(columns)
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.weight = weight.rawPointer()
        unsafe arguments.weight_offset = weightOffset
        unsafe arguments.mean = statistics.mean.pointer
        unsafe arguments.mean_low = statistics.meanLow.pointer
        unsafe arguments.rstd = statistics.reciprocalDeviation.pointer
        unsafe arguments.dy_gradient = UnsafeMutableRawPointer(gradients.outputGradient.mutablePointer)
        unsafe arguments.dy_gradient_stride = Int64(columns)
        unsafe arguments.x_gradient = UnsafeMutableRawPointer(gradients.input.mutablePointer)
        unsafe arguments.x_gradient_stride = Int64(columns)
        unsafe arguments.weight_gradient = gradients.weight.mutablePointer
        unsafe arguments.accumulate = accumulating ? 1 : 0
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
        switch norm {
        case .layerNorm: try check(unsafe ck_layer_norm_double_backward(&arguments, run.run))
        case .rmsNorm: try check(unsafe ck_rms_norm_double_backward(&arguments, run.run))
        }
    }
}
