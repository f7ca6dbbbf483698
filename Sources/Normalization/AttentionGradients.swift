internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of ``attention(query:key:value:scale:mask:backend:)``, each in the shape and type of what it is for.
public struct AttentionGradients<Element: KernelElement, KeyElement: KernelElement>: Sendable {
    public internal(set) var query: Tensor<Element>
    public internal(set) var key: Tensor<KeyElement>
    public internal(set) var value: Tensor<KeyElement>

    /// To be filled.
    init(like query: Tensor<Element>, _ key: Tensor<KeyElement>, _ value: Tensor<KeyElement>) {
        self.query = Tensor(uninitializedLike: query.shape)
        self.key = Tensor(uninitializedLike: key.shape)
        self.value = Tensor(uninitializedLike: value.shape)
    }
}

/// The pullback of ``attention(query:key:value:scale:mask:backend:)``, from its output and statistics.
/// Probabilities are computed again, block by block.
///
/// With p = exp(s - logSumExp):
/// ```
/// delta = sum(outputGradient * output)                       over the values of a query
/// ds    = p * (outputGradient · valueᵀ - delta)              with a softcap times 1 - tanh(scale * score / softcap)^2
/// value = pᵀ · outputGradient,   query = scale * ds · key,   key = scale * dsᵀ · query
/// ```
///
/// where gradients of key and value are sums over the query heads that share them, in the order of queries, heads
/// within. The mask's bias, slopes and sinks get no gradients.
///
/// - Parameters:
///   - outputGradient: The shape of `output`.
///   - query: As in the forward pass, and so `key`, `value`, `scale` and `mask`.
///   - output: What ``attentionWithStatistics(query:key:value:scale:mask:backend:)`` returned, and so `statistics`.
/// - Throws: `NormalizationError` for shapes that do not fit, and as the forward pass.
///
/// Precision: float32, rounded once for the smaller types. A query that sees no key has gradient 0 and adds nothing;
/// where a probability is 0 nothing is added, whatever stands there.
public func attentionBackward<Element: KernelElement, KeyElement: KernelElement>(
    _ outputGradient: Tensor<Element>, query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>,
    output: Tensor<Element>, statistics: AttentionStatistics, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), backend: Backend = .automatic
) throws(NormalizationError) -> AttentionGradients<Element, KeyElement> {
    let call = try AttentionCall(query: query, key: key, value: value, scale: scale, mask: mask)
    var gradients = AttentionGradients(like: query, key, value)
    try call.backward(outputGradient, output: output, statistics: statistics, into: &gradients, backend: backend)
    return gradients
}
