package import Normalization

// Sequences of different lengths, packed: for attention of packed sequences, and over caches that hold them.

/// Queries, keys and values of a batch whose entries differ in length; some may be empty.
package struct PackedBatch<Element: KernelElement, KeyElement: KernelElement>: Sendable {
    package let queryOffsets, keyOffsets: SegmentOffsets
    /// [queryHeads, queries of all entries, columns]
    package let query, gradient: Tensor<Element>
    /// [keyHeads, keys of all entries, columns]
    package let key, value: Tensor<KeyElement>
    package let mask: AttentionMask

    /// Lengths that are drawn, at most those of the extents; at least one entry has these. The mask is drawn, too.
    package init(
        _ parts: MaskParts, _ e: AttentionExtents, spread: Float = 1, seed: UInt64 = 1
    ) throws(NormalizationError) {
        var random = RandomNumbers(seed: seed)
        func lengths(_ most: Int) -> [Int] {
            (0..<e.batch).map { $0 == e.batch / 2 ? most : Int(random.nextBits() % UInt64(most + 1)) }
        }
        let (queries, keys) = (lengths(e.queries), lengths(e.keys))
        let mask = try AttentionMask.drawn(
            parts, Float.self, batch: e.batch, heads: e.keyHeads * e.group, queries: e.queries, keys: e.keys,
            random: &random)
        try self.init(queries: queries, keys: keys, e, mask: mask, spread: spread, random: &random)
    }

    /// Entries of these lengths.
    package init(
        queries: [Int], keys: [Int], _ e: AttentionExtents, mask: AttentionMask, spread: Float = 1,
        random: inout RandomNumbers
    ) throws(NormalizationError) {
        queryOffsets = try SegmentOffsets(widths: queries)
        keyOffsets = try SegmentOffsets(widths: keys)
        let heads = e.keyHeads * e.group
        query = try random.tensor([heads, queryOffsets.total, e.headSize], spread: spread)
        gradient = try random.tensor([heads, queryOffsets.total, e.valueSize])
        key = try random.tensor([e.keyHeads, keyOffsets.total, e.headSize])
        value = try random.tensor([e.keyHeads, keyOffsets.total, e.valueSize])
        self.mask = mask
    }

    /// An empty cache for the keys: contiguous if `pageSize` is nil, else with just enough pages.
    package func emptyCache(pageSize: Int?) throws(NormalizationError) -> KeyValueCache<KeyElement> {
        let (batch, heads, head, value) = (keyOffsets.count, key.shape[0], key.shape[2], value.shape[2])
        guard let pageSize else {
            return try KeyValueCache(
                batch: batch, keyHeads: heads, headSize: head, valueSize: value,
                capacity: Swift.max(keyOffsets.widths.max() ?? 0, 1))
        }
        let pages = keyOffsets.widths.reduce(0) { $0 + ($1 + pageSize - 1) / pageSize }
        return try KeyValueCache(
            batch: batch, keyHeads: heads, headSize: head, valueSize: value, pageSize: pageSize,
            pageCount: Swift.max(pages, 1))
    }

    /// A cache of all keys and values, which came in turns of at most `chunk` rows an entry, so that pages of entries
    /// alternate.
    package func cache(pageSize: Int?, chunk: Int) throws(NormalizationError) -> KeyValueCache<KeyElement> {
        var cache = try emptyCache(pageSize: pageSize)
        while cache.lengths.reduce(0, +) < keyOffsets.total {
            for entry in 0..<keyOffsets.count {
                let rows = keyOffsets.range(entry)
                let first = rows.lowerBound + cache.lengths[entry]
                let next = first..<Swift.min(first + chunk, rows.upperBound)
                try cache.append(
                    key: key.sliced(next, axis: 1), value: value.sliced(next, axis: 1), toEntry: entry)
            }
        }
        return cache
    }
}

extension RandomNumbers {
    package mutating func tensor<Element: KernelElement>(
        _ shape: Shape, spread: Float = 1
    ) throws(NormalizationError) -> Tensor<Element> {
        let elements = normals(shape.elementCount ?? 0).map { $0 * spread }
        return Tensor(rounding: try Tensor(elements, shape: shape))
    }
}
