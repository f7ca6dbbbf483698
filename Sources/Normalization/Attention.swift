internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// What the forward pass of attention knows of each query: ln(exp(sink) + sum(exp(s))), as two floats.
public struct AttentionStatistics: Sendable {
    /// [batch, queryHeads, queries] (or without the axes that the query lacks), rounded.
    public internal(set) var logSumExp: Tensor<Float>
    /// What the rounding lost, for gradients under large scores.
    public internal(set) var logSumExpLow: Tensor<Float>
}

/// Scaled-dot-product attention, without a matrix of scores.
///
/// ```
/// s      = scale * query · keyᵀ, changed by the mask in the order that AttentionMask states
/// output = dropout(exp(s) / (exp(sink) + sum(exp(s)))) · value      over the keys that take part; without sinks exp(sink) is 0
/// ```
///
/// - Parameters:
///   - query: [batch, queryHeads, queries, headSize], or without leading axes, which are 1 then. Leading axes may have
///     any strides, so that [batch, queries, heads, headSize] needs no more than `transposed(1, 2)`; a last axis that
///     is not contiguous costs one copy.
///   - key: [batch, keyHeads, keys, headSize], likewise. queryHeads is a multiple of keyHeads: as many query heads as
///     that says, which follow each other, share a key head. headSize is at most 512.
///   - value: [batch, keyHeads, keys, valueSize]; valueSize is at most 512.
///   - scale: nil: 1 / sqrt(headSize).
///   - mask: Which keys a query sees, and what is added to their scores; its heads are the query heads.
///   - dropout: Of the probabilities, or nil. Which ones are dropped depends on the seed, the batch entry, the query head, the
///     numbers of query and key alone.
///   - firstQuery: The number of query 0 in the whole sequence, for dropout: queries that come in several calls are then
///     dropped as in one. Numbers are less than 2^32.
///   - backend: Who computes; the result has the same bits for all of them.
/// - Returns: [batch, queryHeads, queries, valueSize], with as many axes as `query`.
/// - Throws: `NormalizationError` for shapes that do not fit, a scale that is not finite, a part of the mask that does
///   not fit, a firstQuery out of range, or a backend that is not here.
///
/// Precision: float32 throughout, rounded once for the smaller types; where all tensors are bfloat16, the weights exp(s)
/// are rounded to it before they meet the values. A row's bits do not depend on the rows beside
/// it: a decode step gives what a prefill gives. A query that sees no key is exactly 0; nothing of a key that takes no
/// part shows, even if it or its value is NaN. Memory beyond the output does not grow with the number of keys, unless
/// several threads share few queries: then by their sums for each 512 keys.
/// Source of the method: online softmax (Milakov and Gimelshein, 2018), FlashAttention (Dao et al., 2022).
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), dropout: Dropout? = nil, firstQuery: Int = 0, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery
    ).output(backend: backend)
}

/// As ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)``, into an existing tensor.
///
/// - Throws: `NormalizationError`, before `output` is touched; also if it has another shape or its last axis is not
///   contiguous.
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), dropout: Dropout? = nil, firstQuery: Int = 0,
    into output: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery
    ).write(into: &output, backend: backend)
}

/// As ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)``, and what ``attentionBackward`` needs.
public func attentionWithStatistics<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), dropout: Dropout? = nil, firstQuery: Int = 0, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: AttentionStatistics) {
    try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery
    ).outputWithStatistics(backend: backend)
}

/// Arguments that fit each other, as tensors of four axes.
struct AttentionCall<Element: KernelElement, KeyElement: KernelElement> {
    let query: Tensor<Element>
    let key, value: Tensor<KeyElement>
    let queryLayout, keyLayout: BatchLayout
    let scale: Float
    let mask: ScoreMask
    let dropout: Dropout?
    let firstQuery: Int
    /// With as many axes as the query was given.
    let outputShape, rowShape: Shape

    init(
        query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float?, mask: AttentionMask,
        dropout: Dropout? = nil, firstQuery: Int = 0
    ) throws(NormalizationError) {
        let four = try query.withFourAxes(argument: "query")
        let (keys, values) = (try key.withFourAxes(argument: "key"), try value.withFourAxes(argument: "value"))
        let (q, k, v) = (four.shape, keys.shape, values.shape)
        try validate(shape: key.shape, is: [q[0], k[1], k[2], q[3]], rank: key.shape.rank, argument: "key")
        try validate(shape: value.shape, is: [q[0], k[1], k[2], v[3]], rank: value.shape.rank, argument: "value")
        try self.init(
            query: four, key: keys, value: values, queryLayout: .padded, keyLayout: .padded,
            scores: ScoreShape(batch: q[0], heads: q[1], queries: q[2], keys: k[2]), rows: query.shape, scale: scale,
            mask: mask, dropout: dropout, firstQuery: firstQuery)
    }

    /// Tensors have four axes, in their layouts, and fit each other but for the number of heads. `rows` is the shape in
    /// which the query was given.
    init(
        query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, queryLayout: BatchLayout,
        keyLayout: BatchLayout, scores: ScoreShape, rows: Shape, scale: Float?, mask: AttentionMask,
        dropout: Dropout? = nil, firstQuery: Int = 0
    ) throws(NormalizationError) {
        (self.query, self.key, self.value) = (query, key, value)
        (self.queryLayout, self.keyLayout) = (queryLayout, keyLayout)
        let (q, k, v) = (query.shape, key.shape, value.shape)
        guard k[1] > 0 ? q[1] % k[1] == 0 : q[1] == 0 else {
            throw NormalizationError(
                .shapeMismatch, argument: "query", expected: "heads that are a multiple of the key's \(k[1])",
                given: "\(q[1])")
        }
        for (size, argument) in [(q[3], "query"), (v[3], "value")] where size > 512 {
            throw NormalizationError(
                .invalidShape, argument: argument, expected: "a last axis of at most 512", given: "\(size)")
        }
        self.scale = scale ?? 1 / Float(q[3]).squareRoot()
        try validate(finite: self.scale, argument: "scale")
        guard (0...1 << 32 - scores.queries).contains(firstQuery) else {
            throw NormalizationError(
                .invalidParameter, argument: "firstQuery", expected: "0 ... 2^32 - queries", given: "\(firstQuery)")
        }
        self.dropout = dropout
        self.firstQuery = firstQuery
        self.mask = try ScoreMask(mask, for: scores)
        rowShape = Shape(Array(rows.extents.dropLast()))
        outputShape = Shape(rowShape.extents + [v[3]])
    }
}

extension Tensor where Element: KernelElement {
    /// This tensor as [batch, heads, rows, columns]. One copy if columns are not contiguous.
    func withFourAxes(argument: String) throws(NormalizationError) -> Tensor {
        guard (2...4).contains(shape.rank) else {
            throw NormalizationError(
                .invalidShape, argument: argument, expected: "[batch, heads, rows, columns], or without leading axes",
                given: "shape \(shape)")
        }
        _ = try validatedColumns(of: shape, argument: argument)
        let extents = [Int](repeating: 1, count: 4 - shape.rank) + shape.extents
        return try broadcast(to: Shape(extents), wholeRows: true, argument: argument)
    }
}

/// `shape` as a tensor of `rank` axes has it: without leading ones.
func validate(shape: Shape, is expected: Shape, rank: Int, argument: String) throws(NormalizationError) {
    let mayLack = expected.extents.dropLast(rank).allSatisfy { $0 == 1 }
    try validate(shape: shape, is: mayLack ? Shape(Array(expected.extents.suffix(rank))) : expected, argument: argument)
}
