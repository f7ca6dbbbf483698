internal import CKernels
package import Tensors

/// The door to `ck_score_softmax` and `ck_score_softmax_backward`: masks have been fitted, tensors are views of their
/// scores' shape with contiguous keys.
package enum ScoreSoftmaxKernels {
    /// `y` may be `x` itself; it is not shared, nor is `logSumExp`.
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, scale: Float, mask: ScoreMask, output y: Tensor<Element>, logSumExp: Tensor<Float>?,
        run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe arguments(x, scale: scale, mask: mask, output: y)
        unsafe arguments.log_sum_exp = logSumExp.map { unsafe $0.mutablePointer }
        try check(unsafe ck_score_softmax(&arguments, run.run))
    }

    /// Valid while the tensors and the mask live.
    private static func arguments<Element: KernelElement>(
        _ x: Tensor<Element>, scale: Float, mask: ScoreMask, output y: Tensor<Element>
    ) -> ck_score_softmax_args {
        let shape = mask.shape
        var arguments = unsafe ck_score_softmax_args()
        unsafe arguments.batch = Int64(shape.batch)
        unsafe arguments.heads = Int64(shape.heads)
        unsafe arguments.queries = Int64(shape.queries)
        unsafe arguments.keys = Int64(shape.keys)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.scale = scale
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_strides = x.scoreStrides
        unsafe arguments.y = UnsafeMutableRawPointer(y.mutablePointer)
        unsafe arguments.y_strides = y.scoreStrides
        unsafe arguments.mask = mask.kernelMask
        return unsafe arguments
    }

    /// `y` may be `x` itself; it is not shared.
    package static func maskedScores<Element: KernelElement>(
        _ x: Tensor<Element>, scale: Float, mask: ScoreMask, output y: Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe arguments(x, scale: scale, mask: mask, output: y)
        try check(unsafe ck_masked_scores(&arguments, run.run))
    }

    /// Where gradients go; none is shared, and those of parameters are contiguous.
    package struct Gradients<Element: KernelElement> {
        let scores: Tensor<Element>
        let bias, slopes, sinks: Tensor<Float>?

        package init(scores: Tensor<Element>, bias: Tensor<Float>?, slopes: Tensor<Float>?, sinks: Tensor<Float>?) {
            self.scores = scores
            self.bias = bias
            self.slopes = slopes
            self.sinks = sinks
        }
    }

    package static func backward<Element: KernelElement>(
        _ dy: Tensor<Element>, output y: Tensor<Element>, scores x: Tensor<Element>?, logSumExp: Tensor<Float>?,
        scale: Float, mask: ScoreMask, into gradients: Gradients<Element>, run: KernelRun
    ) throws(NormalizationError) {
        let shape = mask.shape
        var arguments = unsafe ck_score_softmax_backward_args()
        unsafe arguments.batch = Int64(shape.batch)
        unsafe arguments.heads = Int64(shape.heads)
        unsafe arguments.queries = Int64(shape.queries)
        unsafe arguments.keys = Int64(shape.keys)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.scale = scale
        unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
        unsafe arguments.dy_strides = dy.scoreStrides
        unsafe arguments.y = UnsafeRawPointer(y.pointer)
        unsafe arguments.y_strides = y.scoreStrides
        unsafe arguments.x = x.rawPointer()
        if let x { unsafe arguments.x_strides = x.scoreStrides }
        unsafe arguments.log_sum_exp = logSumExp.map { unsafe $0.pointer }
        unsafe arguments.dx = UnsafeMutableRawPointer(gradients.scores.mutablePointer)
        unsafe arguments.dx_strides = gradients.scores.scoreStrides
        unsafe arguments.dbias = gradients.bias.map { unsafe $0.mutablePointer }
        if let bias = gradients.bias {
            unsafe arguments.dbias_strides = try bias.broadcast(
                to: shape.scores, wholeRows: true, argument: "mask.bias"
            ).scoreStrides
        }
        unsafe arguments.dslopes = gradients.slopes.map { unsafe $0.mutablePointer }
        unsafe arguments.dsinks = gradients.sinks.map { unsafe $0.mutablePointer }
        unsafe arguments.mask = mask.kernelMask
        let bytes = unsafe ck_score_softmax_backward_workspace(&arguments)
        let workspace = Tensor<Float>(uninitializedLike: [bytes / MemoryLayout<Float>.stride])
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = bytes
        try check(unsafe ck_score_softmax_backward(&arguments, run.run))
    }
}

extension Tensor {
    /// Strides of batch entries, heads and rows.
    var scoreStrides: ck_strides {
        ck_strides(batch: Int64(strides[0]), head: Int64(strides[1]), row: Int64(strides[2]))
    }
}

extension ScoreMask {
    /// The mask as the kernels see it; valid while this one lives.
    var kernelMask: ck_mask {
        var mask = unsafe ck_mask()
        unsafe mask.softcap = softcap
        if let bias {
            func add<Bias: ScoreTensor>(_ bias: Bias) {
                unsafe mask.bias = UnsafeRawPointer(bias.tensor.pointer)
                unsafe mask.bias_type = Bias.Element.storageType.code
                unsafe mask.bias_strides = bias.tensor.scoreStrides
            }
            add(bias)
        }
        if let boolean {
            unsafe mask.boolean = UnsafeRawPointer(boolean.pointer).assumingMemoryBound(to: UInt8.self)
            unsafe mask.boolean_strides = boolean.scoreStrides
        }
        unsafe mask.slopes = slopes.map { unsafe $0.pointer }
        unsafe mask.causal = isCausal ? 1 : 0
        unsafe mask.windowed = window == nil ? 0 : 1
        unsafe mask.window_left = Int64(window?.left ?? -1)
        unsafe mask.window_right = Int64(window?.right ?? -1)
        unsafe mask.offset = Int64(offset)
        unsafe mask.offsets = offsets.map { unsafe $0.pointer }
        if let lengths {
            unsafe mask.lengths = lengths.pointer
            unsafe mask.length_strides = lengths.scoreStrides
        }
        unsafe mask.sinks = sinks.map { unsafe $0.pointer }
        return unsafe mask
    }
}
