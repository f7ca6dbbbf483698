// Attention of packed sequences: entries of a batch follow each other without padding.

public import Tensors

/// ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)`` of sequences of different lengths, packed one after the other:
/// queries of an entry see the keys of that entry.
///
/// ```swift
/// let offsets = try SegmentOffsets(widths: [512, 7, 90])     // cumulative lengths 0, 512, 519, 609
/// let y = try attention(
///     query: q, key: k, value: v, queryOffsets: offsets, keyOffsets: offsets, mask: .causal())
/// ```
///
/// - Parameters:
///   - query: [queryHeads, queries of all entries, headSize], or without heads. [queries, heads, headSize] needs no more
///     than `transposed(0, 1)`.
///   - key: [keyHeads, keys of all entries, headSize], likewise.
///   - value: [keyHeads, keys of all entries, valueSize].
///   - queryOffsets: Cumulative lengths: entry b has the queries `queryOffsets.range(b)`, none if that is empty.
///   - keyOffsets: Likewise, of as many entries.
///   - scale: nil: 1 / sqrt(headSize).
///   - mask: Its batch entries are those of the offsets, and positions and lengths count from each entry's own key 0. If
///     it does not say where query 0 stands, that is so that the last query of each entry stands at its last key. Bias
///     and boolean mask broadcast to [batch, queryHeads, queries, keys] with the largest number of queries and of keys.
///   - dropout: Drops weights after they are summed, nil none: as in the function above, each entry by itself.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: [queryHeads, queries of all entries, valueSize], with as many axes as `query`.
/// - Throws: `NormalizationError` for shapes that do not fit, offsets that end elsewhere than the rows or count other
///   entries, and as the function above.
///
/// Precision: as above; a row has the bits that it has alone. Source of the layout: FlashAttention's variable lengths.
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, queryOffsets: SegmentOffsets,
    keyOffsets: SegmentOffsets, scale: Float? = nil, mask: AttentionMask = AttentionMask(),
    dropout: Dropout? = nil, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try AttentionCall(
        query: query, key: key, value: value, queryOffsets: queryOffsets, keyOffsets: keyOffsets, scale: scale,
        mask: mask, dropout: dropout
    ).output(backend: backend)
}

/// As ``attention(query:key:value:queryOffsets:keyOffsets:scale:mask:dropout:backend:)``, into an existing tensor.
///
/// - Throws: `NormalizationError`, before `output` is touched; also if it has another shape or its last axis is not
///   contiguous.
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, queryOffsets: SegmentOffsets,
    keyOffsets: SegmentOffsets, scale: Float? = nil, mask: AttentionMask = AttentionMask(),
    dropout: Dropout? = nil, into output: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try AttentionCall(
        query: query, key: key, value: value, queryOffsets: queryOffsets, keyOffsets: keyOffsets, scale: scale,
        mask: mask, dropout: dropout
    ).write(into: &output, backend: backend)
}

/// As ``attention(query:key:value:queryOffsets:keyOffsets:scale:mask:dropout:backend:)``, and what its backward pass needs:
/// statistics of [queryHeads, queries of all entries].
public func attentionWithStatistics<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, queryOffsets: SegmentOffsets,
    keyOffsets: SegmentOffsets, scale: Float? = nil, mask: AttentionMask = AttentionMask(),
    dropout: Dropout? = nil, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: AttentionStatistics) {
    try AttentionCall(
        query: query, key: key, value: value, queryOffsets: queryOffsets, keyOffsets: keyOffsets, scale: scale,
        mask: mask, dropout: dropout
    ).outputWithStatistics(backend: backend)
}

/// The pullback of ``attention(query:key:value:queryOffsets:keyOffsets:scale:mask:dropout:backend:)``: that of each entry as
/// ``attentionBackward(_:query:key:value:output:statistics:scale:mask:dropout:firstQuery:parameters:backend:)`` states it.
public func attentionBackward<Element: KernelElement, KeyElement: KernelElement>(
    _ outputGradient: Tensor<Element>, query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>,
    queryOffsets: SegmentOffsets, keyOffsets: SegmentOffsets, output: Tensor<Element>,
    statistics: AttentionStatistics, scale: Float? = nil, mask: AttentionMask = AttentionMask(),
    dropout: Dropout? = nil, parameters: Bool = true, backend: Backend = .automatic
) throws(NormalizationError) -> AttentionGradients<Element, KeyElement> {
    let call = try AttentionCall(
        query: query, key: key, value: value, queryOffsets: queryOffsets, keyOffsets: keyOffsets, scale: scale,
        mask: mask, dropout: dropout)
    var gradients = try call.gradients(like: query, key, value, parameters: parameters)
    try call.backward(outputGradient, output: output, statistics: statistics, into: &gradients, backend: backend)
    return gradients
}

extension AttentionCall {
    fileprivate init(
        query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, queryOffsets: SegmentOffsets,
        keyOffsets: SegmentOffsets, scale: Float?, mask: AttentionMask, dropout: Dropout?
    ) throws(NormalizationError) {
        let queries = try query.withFourAxes(argument: "query")
        let (keys, values) = (try key.withFourAxes(argument: "key"), try value.withFourAxes(argument: "value"))
        let (q, k, v) = (queries.shape, keys.shape, values.shape)
        try validate(shape: query.shape, is: [1, q[1], q[2], q[3]], rank: query.shape.rank, argument: "query")
        try validate(shape: key.shape, is: [1, k[1], k[2], q[3]], rank: key.shape.rank, argument: "key")
        try validate(shape: value.shape, is: [1, k[1], k[2], v[3]], rank: value.shape.rank, argument: "value")
        try validate(queryOffsets, end: q[2], argument: "queryOffsets")
        try validate(keyOffsets, end: k[2], argument: "keyOffsets")
        try validate(keyOffsets, entries: queryOffsets.count, argument: "keyOffsets")
        try self.init(
            query: queries, key: keys, value: values, queryLayout: .packed(queryOffsets),
            keyLayout: .packed(keyOffsets),
            scores: ScoreShape(heads: q[1], queryCounts: queryOffsets.widths, keyCounts: keyOffsets.widths),
            rows: query.shape, scale: scale, mask: mask, dropout: dropout)
    }
}

func validate(_ offsets: SegmentOffsets, end: Int, argument: String) throws(NormalizationError) {
    guard offsets.total == end else {
        throw NormalizationError(
            .invalidOffsets, argument: argument, expected: "an end at \(end), the number of rows",
            given: "\(offsets.total)")
    }
}

func validate(_ offsets: SegmentOffsets, entries: Int, argument: String) throws(NormalizationError) {
    guard offsets.count == entries else {
        throw NormalizationError(
            .shapeMismatch, argument: argument, expected: "\(entries) entries", given: "\(offsets.count)")
    }
}
