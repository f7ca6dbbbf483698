// AttentionCells: what is measured of attention: whole sequences, their gradients, packed ones, and decoding with keys
// that come from memory.
// Rows are those of the queries of all heads. Of a causal mask only the pairs that take part count.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var attentions: [Cell] {
        let base = AttentionShape(heads: 12, keyHeads: 12, length: 512, headSize: 64)
        let (short, long) = (base.with(length: 128), base.with(length: 2048))
        let wide = AttentionShape(heads: 32, keyHeads: 32, length: 1024, headSize: 128)
        let grouped = AttentionShape(heads: 32, keyHeads: 8, length: 512, headSize: 128)
        let forward = [short, base, long, base.causal, long.causal, wide.causal, grouped.causal]
        return forward.map { Cell.attention($0, Float.self) }
            + [base, long, base.causal, long.causal].map { Cell.attention($0, BFloat16.self) }
            + [base, base.causal].map { attentionBackward($0, Float.self) }
            + [base, grouped.causal].map { attentionBackward($0, BFloat16.self) }
            + [attention(base.causal.withDropout, Float.self), attentionBackward(base.causal.withDropout, Float.self)]
            + [packed(Float.self), packed(BFloat16.self)]
            + [attentionDecode(Float.self), attentionDecode(BFloat16.self)]
    }

    private static func attention<Element: KernelElement>(_ shape: AttentionShape, _: Element.Type) -> Cell {
        Cell(
            operation: "attention \(shape.name)", storage: Element.storageType, direction: .forward,
            rows: shape.heads * shape.length, columns: shape.headSize, isCold: false, tensorsRead: 3, tensorsWritten: 1,
            limit: .multiplyAdds(2 * shape.pairs * shape.headSize), isLong: true
        ) { try AttentionForward<Element>(shape, sets: $1, backend: $2) }
    }

    private static func attentionBackward<Element: KernelElement>(_ shape: AttentionShape, _: Element.Type) -> Cell {
        Cell(
            operation: "attention \(shape.name)", storage: Element.storageType, direction: .backward,
            rows: shape.heads * shape.length, columns: shape.headSize, isCold: false, tensorsRead: 5, tensorsWritten: 3,
            limit: .multiplyAdds(5 * shape.pairs * shape.headSize), isLong: true
        ) { try AttentionBackward<Element>(shape, backend: $2) }
    }

    /// Sequences of 64 to 1024 positions, one after the other, each causal.
    private static func packed<Element: KernelElement>(_: Element.Type) -> Cell {
        let lengths = [1024, 64, 512, 200, 248]
        let shape = AttentionShape(heads: 12, keyHeads: 12, length: lengths.reduce(0, +), headSize: 64).causal
        let pairs = shape.heads * lengths.reduce(0) { $0 + $1 * ($1 + 1) / 2 }
        return Cell(
            operation: "attention packed \(shape.name)", storage: Element.storageType, direction: .forward,
            rows: shape.heads * shape.length, columns: shape.headSize, isCold: false, tensorsRead: 3, tensorsWritten: 1,
            limit: .multiplyAdds(2 * pairs * shape.headSize), isLong: true
        ) { try PackedForward<Element>(shape, lengths: lengths, backend: $2) }
    }

    /// One query for each of 32 heads, 2048 keys in 8 heads.
    private static func attentionDecode<Element: KernelElement>(_: Element.Type) -> Cell {
        let shape = AttentionShape(heads: 32, keyHeads: 8, length: 2048, headSize: 128)
        return Cell(
            operation: "attention decode 32/8x1x2048x128", storage: Element.storageType, direction: .forward,
            rows: shape.heads, columns: shape.headSize, isCold: true, tensorsRead: 3, tensorsWritten: 1,
            limit: .reading(bytes: 2 * shape.keyHeads * shape.length * shape.headSize * MemoryLayout<Element>.stride),
            isLong: true
        ) { try AttentionForward<Element>(shape, queries: 1, sets: $1, backend: $2) }
    }
}

private struct AttentionShape {
    let heads, keyHeads: Int
    var length: Int
    let headSize: Int
    var isCausal = false
    var hasDropout = false

    func with(length: Int) -> AttentionShape {
        var shape = self
        shape.length = length
        return shape
    }
    var causal: AttentionShape {
        var shape = self
        shape.isCausal = true
        return shape
    }

    var withDropout: AttentionShape {
        var shape = self
        shape.hasDropout = true
        return shape
    }

    var name: String {
        let heads = heads == keyHeads ? "\(heads)" : "\(heads)/\(keyHeads)"
        return (hasDropout ? "dropout " : "") + (isCausal ? "causal " : "") + "\(heads)x\(length)x\(headSize)"
    }
    /// Of queries and keys that take part.
    var pairs: Int { heads * (isCausal ? length * (length + 1) / 2 : length * length) }
    var mask: AttentionMask { isCausal ? .causal() : AttentionMask() }
    func dropout() throws -> Dropout? { hasDropout ? try Dropout(probability: 0.1, seed: 1) : nil }

    func keys<Element: KernelElement>(seed: Int) throws -> Tensor<Element> {
        try filled([1, keyHeads, length, headSize], seed: seed)
    }
}

private struct AttentionForward<Element: KernelElement>: Workload {
    let backend: Backend
    let mask: AttentionMask
    let dropout: Dropout?
    let query: Tensor<Element>
    let keys, values: [Tensor<Element>]
    var output: Tensor<Element>

    init(_ shape: AttentionShape, queries: Int? = nil, sets: Int, backend: Backend) throws {
        self.backend = backend
        mask = shape.mask
        dropout = try shape.dropout()
        query = try filled([1, shape.heads, queries ?? shape.length, shape.headSize], seed: 0)
        keys = try (0..<sets).map { try shape.keys(seed: 1000 + $0) }
        values = try (0..<sets).map { try shape.keys(seed: 2000 + $0) }
        output = query
    }

    mutating func run(set: Int) throws(NormalizationError) {
        try attention(
            query: query, key: keys[set], value: values[set], mask: mask, dropout: dropout, into: &output,
            backend: backend)
    }
}

private struct PackedForward<Element: KernelElement>: Workload {
    let backend: Backend
    let mask: AttentionMask
    let offsets: SegmentOffsets
    let query, key, value: Tensor<Element>
    var output: Tensor<Element>

    init(_ shape: AttentionShape, lengths: [Int], backend: Backend) throws {
        self.backend = backend
        mask = shape.mask
        offsets = try SegmentOffsets(widths: lengths)
        query = try filled([shape.heads, shape.length, shape.headSize], seed: 0)
        key = try filled(query.shape, seed: 1000)
        value = try filled(query.shape, seed: 2000)
        output = query
    }

    mutating func run(set: Int) throws(NormalizationError) {
        try attention(
            query: query, key: key, value: value, queryOffsets: offsets, keyOffsets: offsets, mask: mask, into: &output,
            backend: backend)
    }
}

private struct AttentionBackward<Element: KernelElement>: Workload {
    let backend: Backend
    let mask: AttentionMask
    let dropout: Dropout?
    let query, key, value, outputGradient, output: Tensor<Element>
    let statistics: AttentionStatistics

    init(_ shape: AttentionShape, backend: Backend) throws {
        self.backend = backend
        mask = shape.mask
        dropout = try shape.dropout()
        query = try filled([1, shape.heads, shape.length, shape.headSize], seed: 0)
        key = try shape.keys(seed: 1000)
        value = try shape.keys(seed: 2000)
        outputGradient = try filled(query.shape, seed: 3000)
        (output, statistics) = try attentionWithStatistics(
            query: query, key: key, value: value, mask: mask, dropout: dropout)
    }

    /// Gradients are new tensors: what it costs to ask for their memory is part of the call.
    mutating func run(set: Int) throws(NormalizationError) {
        _ = try attentionBackward(
            outputGradient, query: query, key: key, value: value, output: output, statistics: statistics, mask: mask,
            dropout: dropout, backend: backend)
    }
}
