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
/// Precision: float32 throughout, rounded once for the smaller types. A row's bits do not depend on the rows beside
/// it: a decode step gives what a prefill gives. A query that sees no key is exactly 0; nothing of a key that takes no
/// part shows, even if it or its value is NaN. Memory beyond the output does not grow with the number of keys, unless
/// several threads share few queries: then by their sums for each 512 keys.
/// Source of the method: online softmax (Milakov and Gimelshein, 2018), FlashAttention (Dao et al., 2022).
public func attention<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), dropout: Dropout? = nil, firstQuery: Int = 0, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    let call = try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery)
    var output = Tensor<Element>(uninitializedLike: call.outputShape)
    var none: AttentionStatistics?
    try call.forward(into: &output, statistics: &none, backend: backend)
    return output
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
    let call = try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery)
    try validate(shape: output.shape, is: call.outputShape, argument: "output")
    guard output.hasContiguousRows else { throw .rowsNotContiguous(argument: "output", strides: output.strides) }
    var none: AttentionStatistics?
    try call.forward(into: &output, statistics: &none, backend: backend)
}

/// As ``attention(query:key:value:scale:mask:dropout:firstQuery:backend:)``, and what ``attentionBackward`` needs.
public func attentionWithStatistics<Element: KernelElement, KeyElement: KernelElement>(
    query: Tensor<Element>, key: Tensor<KeyElement>, value: Tensor<KeyElement>, scale: Float? = nil,
    mask: AttentionMask = AttentionMask(), dropout: Dropout? = nil, firstQuery: Int = 0, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: AttentionStatistics) {
    let call = try AttentionCall(
        query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery)
    var output = Tensor<Element>(uninitializedLike: call.outputShape)
    var statistics: AttentionStatistics? = AttentionStatistics(
        logSumExp: Tensor(uninitializedLike: call.rowShape), logSumExpLow: Tensor(uninitializedLike: call.rowShape))
    try call.forward(into: &output, statistics: &statistics, backend: backend)
    return (output, statistics!)
}

/// Arguments that fit each other, as tensors of four axes.
struct AttentionCall<Element: KernelElement, KeyElement: KernelElement> {
    let query: Tensor<Element>
    let key, value: Tensor<KeyElement>
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
        self.query = try query.withFourAxes(argument: "query")
        self.key = try key.withFourAxes(argument: "key")
        self.value = try value.withFourAxes(argument: "value")
        let (q, k, v) = (self.query.shape, self.key.shape, self.value.shape)
        try validate(shape: key.shape, is: [q[0], k[1], k[2], q[3]], rank: key.shape.rank, argument: "key")
        try validate(shape: value.shape, is: [q[0], k[1], k[2], v[3]], rank: value.shape.rank, argument: "value")
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
        guard (0...1 << 32 - q[2]).contains(firstQuery) else {
            throw NormalizationError(
                .invalidParameter, argument: "firstQuery", expected: "0 ... 2^32 - queries", given: "\(firstQuery)")
        }
        self.dropout = dropout
        self.firstQuery = firstQuery
        self.mask = try ScoreMask(mask, for: ScoreShape(batch: q[0], heads: q[1], queries: q[2], keys: k[2]))
        rowShape = Shape(Array(query.shape.extents.dropLast()))
        outputShape = Shape(rowShape.extents + [v[3]])
    }

    var kernels: AttentionKernels<Element, KeyElement> {
        AttentionKernels(
            query: query, key: key, value: value, scale: scale, mask: mask, dropout: dropout, firstQuery: firstQuery)
    }

    var reference: AttentionReference.Input {
        AttentionReference.Input(
            query: query.widened().array, key: key.widened().array, value: value.widened().array,
            keyHeads: key.shape[1], headSize: query.shape[3], valueSize: value.shape[3], scale: scale, mask: mask,
            dropout: dropout, firstQuery: firstQuery)
    }

    /// `output` has the output's shape and contiguous rows, `statistics` are not shared.
    func forward(
        into output: inout Tensor<Element>, statistics: inout AttentionStatistics?, backend: Backend
    ) throws(NormalizationError) {
        if let run = try backend.kernelRun() {
            output.makeUniqueForOverwriting()
            try kernels.forward(
                output: output.withFourAxes(argument: "output"), logSumExp: statistics?.logSumExp,
                logSumExpLow: statistics?.logSumExpLow, run: run)
        } else {
            let result = AttentionReference.forward(reference)
            output.assign(result.output.map(Element.init(rounding:)))
            statistics?.logSumExp.assign(result.logSumExp)
            statistics?.logSumExpLow.assign(result.logSumExpLow)
        }
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
private func validate(shape: Shape, is expected: Shape, rank: Int, argument: String) throws(NormalizationError) {
    let mayLack = expected.extents.dropLast(rank).allSatisfy { $0 == 1 }
    try validate(shape: shape, is: mayLack ? Shape(Array(expected.extents.suffix(rank))) : expected, argument: argument)
}
