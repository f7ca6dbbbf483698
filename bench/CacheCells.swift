// CacheCells: what is measured of decoding with a KeyValueCache: contiguous, in pages, and of 16 bits under float32
// queries. Each call takes another cache, so that keys and values come from memory.
// Rows are those of the queries of all heads.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var caches: [Cell] {
        [
            decode("contiguous", Float.self, pageSize: nil), decode("paged", Float.self, pageSize: 64),
            decode("contiguous 16-bit", BFloat16.self, pageSize: nil),
            decode("paged 16-bit", BFloat16.self, pageSize: 64),
        ]
    }

    private static func decode<KeyElement: KernelElement>(
        _ name: String, _: KeyElement.Type, pageSize: Int?
    ) -> Cell {
        let shape = CacheShape(batch: 4, heads: 32, keyHeads: 8, length: 2048, headSize: 128, pageSize: pageSize)
        return Cell(
            operation: "decode, \(name) cache, 4x32/8x1x2048x128", storage: .float32, direction: .forward,
            rows: shape.batch * shape.heads, columns: shape.headSize, isCold: true, tensorsRead: 3, tensorsWritten: 1,
            limit: .reading(bytes: 2 * shape.keyCount * MemoryLayout<KeyElement>.stride), isLong: true
        ) { try CacheDecode<KeyElement>(shape, sets: $1, backend: $2) }
    }
}

private struct CacheShape {
    let batch, heads, keyHeads, length, headSize: Int
    let pageSize: Int?

    var keyCount: Int { batch * keyHeads * length * headSize }

    func cache<Element: KernelElement>(seed: Int) throws -> KeyValueCache<Element> {
        var cache: KeyValueCache<Element> =
            try pageSize.map {
                try KeyValueCache(
                    batch: batch, keyHeads: keyHeads, headSize: headSize, pageSize: $0, pageCount: batch * length / $0)
            } ?? KeyValueCache(batch: batch, keyHeads: keyHeads, headSize: headSize, capacity: length)
        let rows: Shape = [batch, keyHeads, length, headSize]
        try cache.append(key: filled(rows, seed: seed), value: filled(rows, seed: 1000 + seed))
        return cache
    }
}

private struct CacheDecode<KeyElement: KernelElement>: Workload {
    let backend: Backend
    let query: Tensor<Float>
    let caches: [KeyValueCache<KeyElement>]
    var output: Tensor<Float>

    init(_ shape: CacheShape, sets: Int, backend: Backend) throws {
        self.backend = backend
        query = try filled([shape.batch, shape.heads, 1, shape.headSize], seed: 0)
        caches = try (0..<sets).map { try shape.cache(seed: 2000 + $0) }
        output = query
    }

    mutating func run(set: Int) throws(NormalizationError) {
        try attention(query: query, cache: caches[set], into: &output, backend: backend)
    }
}
