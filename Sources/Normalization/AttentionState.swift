public import Tensors

/// What is known of attention after some of the keys; can be merged with what is known of others.
///
/// ```
/// output = exp(s) · value / sum(exp(s))                 over the keys so far, and max + log(sum) of their exp(s) as a
///                                                       SoftmaxState for each query
/// ```
///
/// Keys that are sharded over processes (ring attention), or that come in pieces, give a state each:
/// ```swift
/// let mask = AttentionMask.causal(offset: firstQuery - firstKey)      // positions count from the shard's first key
/// let mine = try attentionState(query: q, key: shard.key, value: shard.value, mask: mask)
/// let whole = try mine.merged(with: theirs)                           // which other processes sent
/// let y = whole.output
/// ```
///
/// Sinks belong to one of the shards. For gradients each process calls
/// ``attentionBackward(_:query:key:value:output:statistics:scale:mask:dropout:firstQuery:parameters:backend:)`` with its shard and the output and
/// statistics of the whole: the gradients of its keys and values are then right, those of the queries are sums over the
/// shards.
///
/// Precision: a merge is computed in `Double` and rounds the output once: each adds 2⁻²⁴ of the output to its error. The
/// shares are off by 2⁻³⁵ of themselves for scores up to 1e4, and by 2⁻²⁸ for scores of 1e6: this is what two floats
/// keep of a logarithm. How keys are cut, and the order of more than two merges, show in the last bits. Source of the
/// method: online softmax (Milakov and Gimelshein, 2018), Ring Attention (Liu et al., 2023).
public struct AttentionState: Sendable {
    /// The attention over the keys so far; 0 for queries that saw none.
    public let output: Tensor<Float>
    /// Of each query, in the order of the output's rows. Their max is near the largest score.
    public let sums: [SoftmaxState]

    /// A state that was computed elsewhere.
    ///
    /// - Parameters:
    ///   - output: Any rank of at least 1; its rows are queries.
    ///   - sums: One a row; a max that is a number and a finite sum of at least 0 (or a NaN for a broken row).
    /// - Throws: `NormalizationError` if `output` has no last axis or an empty one, for another number of sums than
    ///   rows, a max that is a NaN, or a sum that is negative or infinite.
    public init(output: Tensor<Float>, sums: [SoftmaxState]) throws(NormalizationError) {
        let columns = try validatedColumns(of: output.shape, argument: "output")
        try validate(count: sums.count, is: output.count / columns, argument: "sums")
        try validate(states: sums, argument: "sums")
        self.output = output
        self.sums = sums
    }

    /// The state that attention left, for instance over a cache that is sharded, or over packed sequences.
    ///
    /// - Throws: `NormalizationError` for statistics of another shape than the output's rows.
    public init(output: Tensor<Float>, statistics: AttentionStatistics) throws(NormalizationError) {
        let columns = try validatedColumns(of: output.shape, argument: "output")
        for sums in [statistics.logSumExp, statistics.logSumExpLow] {
            try validate(count: sums.count, is: output.count / columns, argument: "statistics")
        }
        self.output = output
        self.sums = zip(statistics.logSumExp.array, statistics.logSumExpLow.array).map {
            SoftmaxState(logSumExp: $0, low: $1)
        }
    }

    /// The state of these keys and the others'. Exchanged, the result is the same; with that of no keys it is this one.
    ///
    /// ```
    /// sums   = as SoftmaxState merges them
    /// output = output · share + other.output · other's share,    share = exp(log(sum) - log(merged sum))
    /// ```
    ///
    /// - Throws: `NormalizationError` if `other` has another shape.
    public func merged(with other: AttentionState) throws(NormalizationError) -> AttentionState {
        try validate(shape: other.output.shape, is: output.shape, argument: "other")
        let sums = zip(sums, other.sums).map { $0.merged(with: $1) }
        let columns = output.shape[output.shape.rank - 1]
        var merged = Tensor<Float>(uninitializedLike: output.shape)
        output.withSpan { (mine: Span<Float>) in
            other.output.withSpan { (theirs: Span<Float>) in
                merged.withMutableSpan { (result: inout MutableSpan<Float>) in
                    for row in sums.indices {
                        let (a, b) = (self.sums[row], other.sums[row])
                        let (share, otherShare) = (a.share(of: sums[row]), b.share(of: sums[row]))
                        for i in row * columns..<(row + 1) * columns {
                            let sum = Float(Double(mine[i]) * share + Double(theirs[i]) * otherShare)
                            result[i] = b.sum == 0 ? mine[i] : a.sum == 0 ? theirs[i] : sum
                        }
                    }
                }
            }
        }
        return try AttentionState(output: merged, sums: sums)
    }

    /// What the backward pass needs.
    public var statistics: AttentionStatistics {
        let pairs = sums.map(\.logSumExpPair)
        var statistics = AttentionStatistics(uninitializedFor: Shape(Array(output.shape.extents.dropLast())))
        statistics.logSumExp.assign(pairs.map(\.high))
        statistics.logSumExpLow.assign(pairs.map(\.low))
        return statistics
    }
}

/// The state of attention over some of the keys, for instance a shard of them.
///
/// - Parameters:
///   - query: As for ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)``, and so `key`, `value`, `scale` and `backend`.
///   - mask: Likewise. Positions count from the first key that is given here: for queries from number `firstQuery` and
///     keys from number `firstKey` on, it is `causal(offset: firstQuery - firstKey)`.
/// - Returns: The state. Its output is that of ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)`` for the query as
///   floats.
/// - Throws: `NormalizationError` as there.
public func attentionState<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), backend: Backend = .automatic
) throws(NormalizationError) -> AttentionState {
    let (output, statistics) = try attentionWithStatistics(
        query: query.converted(to: Float.self, backend: backend), key: key, value: value, scale: scale, mask: mask,
        backend: backend)
    return try AttentionState(output: output, statistics: statistics)
}
