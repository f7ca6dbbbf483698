// Attention: multi-head self-attention over the package's kernels.

package import Normalization

/// Multi-head self-attention of [batch, positions, width]: projections to queries, keys and values, attention,
/// projection of the joined heads. No biases.
package struct SelfAttention: Layer {
    package let query, key, value, output: Linear
    private let heads: Int
    private let isCausal: Bool
    private let backend: Backend

    /// - Parameters:
    ///   - isCausal: Whether a position sees itself and those before it alone.
    ///   - seesUniformly: Whether queries and keys begin as zeros, so that at first every position weighs alike what
    ///   it sees.
    ///   - deviation: Of the initial weights; nil: Xavier's.
    package init(
        width: Int, heads: Int, isCausal: Bool = true, seesUniformly: Bool = false, deviation: Double? = nil,
        name: String = "attention", random: inout RandomStream, backend: Backend
    ) throws {
        func projection(_ part: String, _ deviation: Double?) throws -> Linear {
            try Linear(
                inputs: width, outputs: width, deviation: deviation, hasBias: false, name: "\(name).\(part)",
                random: &random, backend: backend)
        }
        query = try projection("query", seesUniformly ? 0 : deviation)
        key = try projection("key", seesUniformly ? 0 : deviation)
        value = try projection("value", deviation)
        output = try projection("output", deviation)
        self.heads = heads
        self.isCausal = isCausal
        self.backend = backend
    }

    package var parameters: [Parameter] { query.parameters + key.parameters + value.parameters + output.parameters }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let (queries, keys, values) = (try query(x), try key(x), try value(x))
        let q = try queries.value.splittingHeads(heads)
        let k = try keys.value.splittingHeads(heads)
        let v = try values.value.splittingHeads(heads)
        let mask = isCausal ? AttentionMask.causal() : AttentionMask()
        let (y, statistics) = try attentionWithStatistics(query: q, key: k, value: v, mask: mask, backend: backend)
        let joined = try output(try y.joiningHeads())
        return Traced(joined.value) { [heads, backend] gradient in
            let gradients = try attentionBackward(
                try joined.pullback(gradient).splittingHeads(heads), query: q, key: k, value: v, output: y,
                statistics: statistics, mask: mask, backend: backend)
            let fromQuery = try queries.pullback(try gradients.query.joiningHeads())
            let fromKey = try keys.pullback(try gradients.key.joiningHeads())
            return fromQuery + fromKey + (try values.pullback(try gradients.value.joiningHeads()))
        }
    }
}
