internal import CKernels
package import Tensors

/// The door to `ck_attention` and `ck_attention_backward`: shapes have been checked, all tensors have the axes batch,
/// heads, rows, columns (or what their layout has for them), and contiguous columns.
package struct AttentionKernels<Element: KernelElement, KeyElement: KernelElement> {
    private let query: Tensor<Element>
    private let key, value: Tensor<KeyElement>
    private let places: AttentionPlaces
    private let scale: Float
    private let mask: ScoreMask
    private let dropout: Dropout?
    private let firstQuery: Int

    package init(
        query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, queryLayout: BatchLayout,
        keyLayout: BatchLayout, scale: Float, mask: ScoreMask, dropout: Dropout?, firstQuery: Int
    ) {
        self.query = query
        self.key = key
        self.value = value
        places = AttentionPlaces(queries: queryLayout, keys: keyLayout)
        self.scale = scale
        self.mask = mask
        self.dropout = dropout
        self.firstQuery = firstQuery
    }

    /// Valid while the tensors live.
    private func arguments(
        output: Tensor<Element>, logSumExp: Tensor<Float>?, logSumExpLow: Tensor<Float>?
    ) -> ck_attention_args {
        var arguments = unsafe ck_attention_args()
        unsafe arguments.batch = Int64(mask.shape.batch)
        unsafe arguments.query_heads = Int64(query.shape[1])
        unsafe arguments.key_heads = Int64(key.shape[1])
        unsafe arguments.queries = Int64(mask.shape.queries)
        unsafe arguments.keys = Int64(mask.shape.keys)
        unsafe arguments.head_size = Int64(query.shape[3])
        unsafe arguments.value_size = Int64(value.shape[3])
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.key_type = KeyElement.storageType.code
        unsafe arguments.query = UnsafeRawPointer(query.pointer)
        unsafe arguments.query_strides = query.scoreStrides
        unsafe arguments.key = UnsafeRawPointer(key.pointer)
        unsafe arguments.key_strides = key.scoreStrides
        unsafe arguments.value = UnsafeRawPointer(value.pointer)
        unsafe arguments.value_strides = value.scoreStrides
        unsafe arguments.scale = scale
        unsafe arguments.mask = mask.kernelMask
        unsafe arguments.output = UnsafeMutableRawPointer(output.mutablePointer)
        unsafe arguments.output_strides = output.scoreStrides
        unsafe arguments.log_sum_exp = logSumExp.map { unsafe $0.mutablePointer }
        unsafe arguments.log_sum_exp_low = logSumExpLow.map { unsafe $0.mutablePointer }
        let (heads, queries) = (Int64(query.shape[1]), Int64(query.shape[2]))
        unsafe arguments.log_sum_exp_strides = ck_strides(batch: heads * queries, head: queries, row: 1)
        unsafe places.set(in: &arguments, pages: key.shape[0])
        unsafe arguments.dropout = dropout?.probability ?? 0
        unsafe arguments.seed = dropout?.seed ?? 0
        unsafe arguments.first_query = Int64(firstQuery)
        return unsafe arguments
    }

    /// Outputs are not shared; sums are dense.
    package func forward(
        output: Tensor<Element>, logSumExp: Tensor<Float>?, logSumExpLow: Tensor<Float>?, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe arguments(output: output, logSumExp: logSumExp, logSumExpLow: logSumExpLow)
        let bytes = unsafe ck_attention_workspace(&arguments, run.run)
        let workspace = Tensor<Float>(uninitializedLike: [bytes / MemoryLayout<Float>.stride])
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = bytes
        try check(unsafe ck_attention(&arguments, run.run))
    }

    /// Where gradients go, dense and not shared; those of the mask's parameters are nil where they are not wanted.
    package struct Gradients {
        let query: Tensor<Element>
        let key, value: Tensor<KeyElement>
        let bias, slopes, sinks: Tensor<Float>?

        package init(
            query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, bias: Tensor<Float>?,
            slopes: Tensor<Float>?, sinks: Tensor<Float>?
        ) {
            self.query = query
            self.key = key
            self.value = value
            self.bias = bias
            self.slopes = slopes
            self.sinks = sinks
        }
    }

    package func backward(
        _ outputGradient: Tensor<Element>, output: Tensor<Element>, logSumExp: Tensor<Float>,
        logSumExpLow: Tensor<Float>, into gradients: Gradients, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe ck_attention_backward_args()
        unsafe arguments.forward = self.arguments(output: output, logSumExp: logSumExp, logSumExpLow: logSumExpLow)
        unsafe arguments.doutput = UnsafeRawPointer(outputGradient.pointer)
        unsafe arguments.doutput_strides = outputGradient.scoreStrides
        unsafe arguments.dquery = UnsafeMutableRawPointer(gradients.query.mutablePointer)
        unsafe arguments.dquery_strides = gradients.query.scoreStrides
        unsafe arguments.dkey = UnsafeMutableRawPointer(gradients.key.mutablePointer)
        unsafe arguments.dkey_strides = gradients.key.scoreStrides
        unsafe arguments.dvalue = UnsafeMutableRawPointer(gradients.value.mutablePointer)
        unsafe arguments.dvalue_strides = gradients.value.scoreStrides
        unsafe arguments.dbias = gradients.bias.map { unsafe $0.mutablePointer }
        if let bias = gradients.bias {
            unsafe arguments.dbias_strides = try bias.broadcast(
                to: mask.shape.scores, wholeRows: true, argument: "mask.bias"
            ).scoreStrides
        }
        unsafe arguments.dslopes = gradients.slopes.map { unsafe $0.mutablePointer }
        unsafe arguments.dsinks = gradients.sinks.map { unsafe $0.mutablePointer }
        let bytes = unsafe ck_attention_backward_workspace(&arguments, run.run)
        let workspace = Tensor<Float>(uninitializedLike: [bytes / MemoryLayout<Float>.stride])
        unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
        unsafe arguments.workspace_size = bytes
        try check(unsafe ck_attention_backward(&arguments, run.run))
    }
}
