public import Tensors

/// Which matrix of attention is asked for: its scores after a step, in the order of the steps. (ONNX's Attention names
/// them by qk_matmul_output_mode, 0 to 3.)
public enum AttentionScores: Hashable, Sendable, CaseIterable {
    /// scale * query · keyᵀ
    case scaled
    /// After the mask's softcap.
    case softcapped
    /// After the whole mask: -∞ where a key takes no part.
    case masked
    /// What values are weighted by. Of a query that sees no key they are 0.
    case probabilities
}

/// Attention, and the matrix of its scores.
///
/// - Parameters:
///   - query, key, value, scale, mask, backend: As ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)`` has them.
///   - scores: Which matrix.
///   - products: Who computes the products. `.oneAnswer`: the output has the bits of attention, which is computed apart
///     from the matrix; so asking for the matrix does not change it. `.blas`: scores by sgemm, their softmax, the
///     output by sgemm from the probabilities, within the rounding errors of other orders of the sums. (Where a value
///     is not finite, the output comes from attention: a product with 0 would let it show.)
/// - Returns: The output, and [batch, queryHeads, queries, keys], with as many axes as `query`, in float32.
/// - Throws: `NormalizationError` as attention does, and for products that are not here.
///
/// Precision: the scores have the bits of ``matmul(_:_:scale:products:backend:)``, and then of
/// ``maskedScores(_:scale:mask:backend:)`` or ``scoreSoftmax(_:scale:mask:backend:)``. Where a key or a query is NaN,
/// so are its scores before the mask. Memory: the matrix; with `.blas` two where it is not that of the probabilities.
public func attentionWithScores<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), scores: AttentionScores = .probabilities,
    products: MatrixProducts = .oneAnswer, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, scores: Tensor<Float>) {
    let call = try AttentionCall(query: query, key: key, value: value, scale: scale, mask: mask)
    var matrix: Tensor<Float> = try MatmulCall(call.query, call.key.transposed(2, 3), scale: call.scale)
        .product(products, backend: backend)
    let weighs = products == .blas && backend != .reference && matrix.count > 0 && call.value.isFinite
    var weights = weighs && scores != .probabilities ? try scoreSoftmax(matrix, mask: mask, backend: backend) : nil
    switch scores {
    case _ where matrix.count == 0: break
    case .scaled: break
    case .softcapped:
        if let limit = mask.softcap { try maskedScores(inPlace: &matrix, mask: .softcap(limit), backend: backend) }
    case .masked: try maskedScores(inPlace: &matrix, mask: mask, backend: backend)
    case .probabilities:
        try scoreSoftmax(inPlace: &matrix, mask: mask, backend: backend)
        weights = weighs ? matrix : nil
    }
    let output: Tensor<Element>
    if let weights {
        let product: Tensor<Element> = try MatmulCall(weights, call.value, scale: 1).product(.blas, backend: backend)
        output = try product.reshaped(to: call.outputShape)
    } else {
        output = try attention(query: query, key: key, value: value, scale: scale, mask: mask, backend: backend)
    }
    return (output, try matrix.reshaped(to: Shape(call.rowShape.extents + [call.key.shape[2]])))
}

extension Tensor where Element: KernelElement {
    fileprivate var isFinite: Bool { withSpan { span in span.indices.allSatisfy { span[$0].widened.isFinite } } }
}
