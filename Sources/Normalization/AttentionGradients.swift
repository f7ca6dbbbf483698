internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Gradients of ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)``, each in the shape and type of what it is for.
public struct AttentionGradients<Element: KernelElement, KeyElement: KernelElement>: Sendable {
    public internal(set) var query: Tensor<Element>
    public internal(set) var key: Tensor<KeyElement>
    public internal(set) var value: Tensor<KeyElement>
    /// For the mask's bias, in its shape: a sum over the axes that it shares. In float32 whatever its storage; nil if
    /// there is none, or if it was not wanted.
    public internal(set) var bias: Tensor<Float>?
    /// For the mask's slopes and sinks, one a head; nil as above.
    public internal(set) var slopes, sinks: Tensor<Float>?
}

/// The pullback of ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)``, from its output and statistics.
/// Probabilities are computed again, block by block.
///
/// With p = exp(s - logSumExp) and the dropout of the forward pass:
/// ```
/// delta = sum(outputGradient * output)                       over the values of a query
/// ds    = p * (dropout(outputGradient · valueᵀ) - delta)
/// dx    = ds                                                 with a softcap times 1 - tanh(scale * score / softcap)^2
/// value = dropout(p)ᵀ · outputGradient,   query = scale * dx · key,   key = scale * dxᵀ · query
/// bias  = ds,   slopes = ds * (j - position),   sinks = -exp(sink - logSumExp) * delta    summed over what shares one
/// ```
///
/// where gradients of key and value are sums over the query heads that share them, in the order of queries, heads
/// within. A bias that rows share costs two products more.
///
/// - Parameters:
///   - outputGradient: The shape of `output`.
///   - query: As in the forward pass, and so `key`, `value`, `scale`, `mask`, `dropout` and `firstQuery`.
///   - output: What ``attentionWithStatistics(query:key:value:scale:mask:dropout:firstQuery:backend:)`` returned, and so `statistics`.
///   - parameters: Whether gradients for the mask's bias, slopes and sinks are wanted.
/// - Throws: `NormalizationError` for shapes that do not fit, and as the forward pass.
///
/// Precision: float32, rounded once for the smaller types. A query that sees no key has gradient 0 and adds nothing;
/// where a probability is 0 nothing is added, whatever stands there.
public func attentionBackward<Element: KernelElement, KeyElement: KernelElement>(
    _ outputGradient: Tensor<Element>, query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>,
    output: Tensor<Element>, statistics: AttentionStatistics, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), dropout: Dropout? = nil, firstQuery: Int = 0, parameters: Bool = true,
    backend: Backend = .automatic
) throws(NormalizationError) -> AttentionGradients<Element, KeyElement> {
    let call = try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery)
    var gradients = try call.gradients(like: query, key, value, parameters: parameters)
    try call.backward(outputGradient, output: output, statistics: statistics, into: &gradients, backend: backend)
    return gradients
}
