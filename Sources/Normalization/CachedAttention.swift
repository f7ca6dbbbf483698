// Attention of new queries over a cache of keys and values: prefill in chunks, and decode.

public import Tensors

/// ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)`` over the keys and values of a cache.
///
/// The queries are those of the last rows of each entry: append the rows first, then ask. Whether a sequence comes as a
/// whole, in chunks or token by token, and in which kind of cache, its outputs have the same bits.
///
/// - Parameters:
///   - query: [batch, queryHeads, queries, headSize] with the same number of queries for each entry of the cache, or
///     without leading axes, which are 1 then. With `queryOffsets`, [queryHeads, queries of all entries, headSize].
///   - cache: Its keyHeads divide queryHeads. Its elements may have another type than the queries.
///   - queryOffsets: Cumulative numbers of queries, of as many entries as the cache has, for packed queries: entry b has
///     the queries `queryOffsets.range(b)`, none if that is empty. nil: queries are not packed.
///   - scale: nil: 1 / sqrt(headSize).
///   - mask: By default a query sees the rows up to its own. Where a mask does not say where query 0 of an entry stands,
///     the entry's last query stands at its last row. Key lengths of the mask cut entries further. Bias and boolean mask
///     broadcast to [batch, queryHeads, queries, keys], with as many keys as the longest entry has rows, and as many
///     queries as the entry with the most.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: The shape of `query`, with valueSize for headSize. A query of an entry without rows is 0.
/// - Throws: `NormalizationError` for shapes that do not fit the cache, and as the function above.
///
/// Precision: as above.
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, cache: KeyValueCache<KeyElement>, queryOffsets: SegmentOffsets? = nil,
    scale: Float? = nil, mask: AttentionMask = .causal(), backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try AttentionCall(query: query, cache: cache, queryOffsets: queryOffsets, scale: scale, mask: mask)
        .output(backend: backend)
}

/// As ``attention(query:cache:queryOffsets:scale:mask:backend:)``, into an existing tensor.
///
/// - Throws: `NormalizationError`, before `output` is touched; also if it has another shape or its last axis is not
///   contiguous.
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, cache: KeyValueCache<KeyElement>, queryOffsets: SegmentOffsets? = nil,
    scale: Float? = nil, mask: AttentionMask = .causal(), into output: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try AttentionCall(query: query, cache: cache, queryOffsets: queryOffsets, scale: scale, mask: mask)
        .write(into: &output, backend: backend)
}

/// As ``attention(query:cache:queryOffsets:scale:mask:backend:)``, and the logarithms of the sums.
public func attentionWithStatistics<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, cache: KeyValueCache<KeyElement>, queryOffsets: SegmentOffsets? = nil,
    scale: Float? = nil, mask: AttentionMask = .causal(), backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: AttentionStatistics) {
    try AttentionCall(query: query, cache: cache, queryOffsets: queryOffsets, scale: scale, mask: mask)
        .outputWithStatistics(backend: backend)
}

extension AttentionCall {
    fileprivate init(
        query: Tensor<Element>, cache: KeyValueCache<KeyElement>, queryOffsets: SegmentOffsets?, scale: Float?,
        mask: AttentionMask
    ) throws(NormalizationError) {
        let four = try query.withFourAxes(argument: "query")
        let (batch, heads, queries) = (queryOffsets == nil ? cache.batch : 1, four.shape[1], four.shape[2])
        try validate(
            shape: query.shape, is: [batch, heads, queries, cache.headSize], rank: query.shape.rank, argument: "query")
        if let queryOffsets {
            try validate(queryOffsets, end: queries, argument: "queryOffsets")
            try validate(queryOffsets, entries: cache.batch, argument: "queryOffsets")
        }
        let counts = queryOffsets?.widths ?? [Int](repeating: queries, count: batch)
        let scores = ScoreShape(heads: heads, queryCounts: counts, keyCounts: cache.lengths)
        let (keys, values) = try cache.rows(upTo: scores.keys)
        try self.init(
            query: four, key: keys, value: values, queryLayout: queryOffsets.map { .packed($0) } ?? .padded,
            keyLayout: cache.layout, scores: scores, rows: query.shape, scale: scale, mask: mask)
    }
}

extension KeyValueCache {
    /// Keys and values in their layout: of a contiguous cache only the first rows, of a paged one all pages.
    fileprivate func rows(upTo count: Int) throws(NormalizationError) -> (Tensor<Element>, Tensor<Element>) {
        if pageSize != nil { return (keys, values) }
        return (try keys.sliced(0..<count, axis: 2), try values.sliced(0..<count, axis: 2))
    }
}
