public import Tensors

/// Keys and values of the tokens so far, for attention of the tokens that come: a batch of sequences that grow.
///
/// ```swift
/// var cache = try KeyValueCache<BFloat16>(batch: 1, keyHeads: 8, headSize: 128, capacity: 4096)
/// try cache.append(key: k, value: v)                   // of the prompt
/// var y = try attention(query: q, cache: cache)        // its queries are the last rows of the cache
/// try cache.append(key: nextK, value: nextV)           // of one more token
/// y = try attention(query: nextQ, cache: cache)        // the bits that a prefill of all tokens gives this row
/// ```
///
/// Entries of the batch have lengths of their own. A contiguous cache has room for `capacity` rows in each of them. A
/// paged one has a pool of pages, which entries take as they grow and give back when they are truncated, so that memory
/// is shared by what is there. Attention reads both in place and gives the same bits for both.
///
/// A cache is a value: a copy shares memory until one of the two is changed, which then copies all of it. Tensors of
/// another type than `Element` are converted by the caller, for instance with ``Tensors/Tensor/converted(to:backend:)``.
/// Source of the pages: PagedAttention (Kwon et al., 2023).
public struct KeyValueCache<Element: KernelElement>: Sendable {
    /// The rows that each entry of the batch holds.
    public private(set) var lengths: [Int]
    /// The rows that an entry can hold; in a paged cache if all pages are its own.
    public let capacity: Int
    /// The rows of a page, or nil for a contiguous cache.
    public let pageSize: Int?

    /// [batch, keyHeads, capacity, headSize], or of a page [pages, keyHeads, pageSize, headSize].
    private(set) var keys: Tensor<Element>
    private(set) var values: Tensor<Element>
    /// Of each entry; none in a contiguous cache.
    private var pages: [[Int32]]
    private var freePages: [Int32]

    /// An empty contiguous cache.
    ///
    /// - Parameters:
    ///   - batch: The number of sequences, at least 1, as are the other numbers.
    ///   - keyHeads: Heads of keys and values.
    ///   - headSize: Of a key; at most 512.
    ///   - valueSize: Of a value, at most 512; nil: `headSize`.
    ///   - capacity: The rows that each sequence can have.
    /// - Throws: `NormalizationError` for a number out of range, or memory that does not fit the address space.
    public init(
        batch: Int, keyHeads: Int, headSize: Int, valueSize: Int? = nil, capacity: Int
    ) throws(NormalizationError) {
        try self.init(
            batch: batch, keyHeads: keyHeads, headSize: headSize, valueSize: valueSize, pageCount: batch,
            rows: (capacity, "capacity"), isPaged: false)
    }

    /// An empty paged cache.
    ///
    /// - Parameters:
    ///   - batch: The number of sequences, at least 1, as are the other numbers.
    ///   - keyHeads: Heads of keys and values.
    ///   - headSize: Of a key; at most 512.
    ///   - valueSize: Of a value, at most 512; nil: `headSize`.
    ///   - pageSize: The rows of a page. Kernels work on 64 keys at a time; pages of a multiple of 64 rows are read
    ///     where they are.
    ///   - pageCount: The pages that all sequences share.
    /// - Throws: `NormalizationError` for a number out of range, or memory that does not fit the address space.
    public init(
        batch: Int, keyHeads: Int, headSize: Int, valueSize: Int? = nil, pageSize: Int, pageCount: Int
    ) throws(NormalizationError) {
        try self.init(
            batch: batch, keyHeads: keyHeads, headSize: headSize, valueSize: valueSize, pageCount: pageCount,
            rows: (pageSize, "pageSize"), isPaged: true)
    }

    private init(
        batch: Int, keyHeads: Int, headSize: Int, valueSize: Int?, pageCount: Int,
        rows: (count: Int, argument: String), isPaged: Bool
    ) throws(NormalizationError) {
        let valueSize = valueSize ?? headSize
        try validate(batch, isWithin: 1...Int.max, argument: "batch")
        try validate(keyHeads, isWithin: 1...Int.max, argument: "keyHeads")
        try validate(headSize, isWithin: 1...512, argument: "headSize")
        try validate(valueSize, isWithin: 1...512, argument: "valueSize")
        try validate(rows.count, isWithin: 1...Int.max, argument: rows.argument)
        try validate(pageCount, isWithin: 1...Int(Int32.max), argument: isPaged ? "pageCount" : "batch")
        for size in [headSize, valueSize] {
            _ = try Shape([pageCount, keyHeads, rows.count, size]).validatedCount(
                argument: rows.argument, elementSize: MemoryLayout<Element>.stride)
        }
        lengths = [Int](repeating: 0, count: batch)
        pageSize = isPaged ? rows.count : nil
        capacity = isPaged ? pageCount * rows.count : rows.count
        keys = try Tensor(repeating: .zero, shape: [pageCount, keyHeads, rows.count, headSize])
        values = try Tensor(repeating: .zero, shape: [pageCount, keyHeads, rows.count, valueSize])
        pages = [[Int32]](repeating: [], count: batch)
        freePages = isPaged ? (0..<Int32(pageCount)).reversed() : []
    }
}

// MARK: - What is there

extension KeyValueCache {
    /// The number of sequences.
    public var batch: Int { lengths.count }
    public var keyHeads: Int { keys.shape[1] }
    public var headSize: Int { keys.shape[3] }
    public var valueSize: Int { values.shape[3] }

    /// Pages that no entry holds; 0 in a contiguous cache.
    public var freePageCount: Int { freePages.count }

    /// A copy of the keys of one entry: [keyHeads, its length, headSize].
    ///
    /// - Throws: `NormalizationError` for an entry that is not there.
    public func key(ofEntry entry: Int) throws(NormalizationError) -> Tensor<Element> {
        try rows(of: keys, entry: entry)
    }

    /// A copy of the values of one entry: [keyHeads, its length, valueSize].
    ///
    /// - Throws: `NormalizationError` for an entry that is not there.
    public func value(ofEntry entry: Int) throws(NormalizationError) -> Tensor<Element> {
        try rows(of: values, entry: entry)
    }

    private func rows(of x: Tensor<Element>, entry: Int) throws(NormalizationError) -> Tensor<Element> {
        try validate(entry, isWithin: 0...batch - 1, argument: "entry")
        let rows = try layout.part(of: x, entry: entry, rows: 0..<lengths[entry])
        return try rows.reshaped(to: Shape(Array(rows.shape.extents.dropFirst())))
    }

    var layout: BatchLayout {
        pageSize.map { .paged(tables: pages, lengths: lengths, pageSize: $0) } ?? .padded
    }
}

// MARK: - Growing

extension KeyValueCache {
    /// Adds the same number of rows to every entry.
    ///
    /// - Parameters:
    ///   - key: [batch, keyHeads, rows, headSize], or without leading axes, which are 1 then. Any strides; a last axis
    ///     that is not contiguous costs one copy.
    ///   - value: [batch, keyHeads, rows, valueSize].
    /// - Throws: `NormalizationError`, before anything is changed: for shapes that do not fit, and if an entry or the
    ///   pool of pages has no room for the rows.
    public mutating func append(key: Tensor<Element>, value: Tensor<Element>) throws(NormalizationError) {
        let (keys, values) = try fitted(key, value, batch: batch)
        let counts = [Int](repeating: keys.shape[2], count: batch)
        try append(keys, values, in: .padded, counts: counts, to: 0)
    }

    /// Adds rows to one entry.
    ///
    /// - Parameters:
    ///   - key: [keyHeads, rows, headSize], or without heads.
    ///   - value: [keyHeads, rows, valueSize].
    ///   - entry: Within 0 ..< batch.
    /// - Throws: `NormalizationError` as ``append(key:value:)``, and for an entry that is not there.
    public mutating func append(
        key: Tensor<Element>, value: Tensor<Element>, toEntry entry: Int
    ) throws(NormalizationError) {
        try validate(entry, isWithin: 0...batch - 1, argument: "entry")
        let (keys, values) = try fitted(key, value, batch: 1)
        try append(keys, values, in: .padded, counts: [keys.shape[2]], to: entry)
    }

    /// Adds packed rows: those of `offsets.range(b)` to entry b.
    ///
    /// - Parameters:
    ///   - key: [keyHeads, rows of all entries, headSize], or without heads.
    ///   - value: [keyHeads, rows of all entries, valueSize].
    ///   - offsets: Cumulative numbers of rows, of as many entries as the cache has.
    /// - Throws: `NormalizationError` as ``append(key:value:)``, and for offsets that do not fit.
    public mutating func append(
        key: Tensor<Element>, value: Tensor<Element>, offsets: SegmentOffsets
    ) throws(NormalizationError) {
        let (keys, values) = try fitted(key, value, batch: 1)
        try validate(offsets, end: keys.shape[2], argument: "offsets")
        try validate(offsets, entries: batch, argument: "offsets")
        try append(keys, values, in: .packed(offsets), counts: offsets.widths, to: 0)
    }

    private func fitted(
        _ key: Tensor<Element>, _ value: Tensor<Element>, batch: Int
    ) throws(NormalizationError) -> (Tensor<Element>, Tensor<Element>) {
        let (k, v) = (try key.withFourAxes(argument: "key"), try value.withFourAxes(argument: "value"))
        let rows = k.shape[2]
        try validate(shape: key.shape, is: [batch, keyHeads, rows, headSize], rank: key.shape.rank, argument: "key")
        try validate(
            shape: value.shape, is: [batch, keyHeads, rows, valueSize], rank: value.shape.rank, argument: "value")
        return (k, v)
    }

    /// `counts[i]` rows of entry i of `key` and `value` to entry `first` + i.
    private mutating func append(
        _ key: Tensor<Element>, _ value: Tensor<Element>, in source: BatchLayout, counts: [Int], to first: Int
    ) throws(NormalizationError) {
        try reserve(counts, from: first)
        for (index, count) in counts.enumerated() {
            let length = lengths[first + index]
            var row = 0
            for run in layout.runs(ofEntry: first + index, rows: length..<length + count) {
                let start = [run.index, 0, run.rows.lowerBound, 0]
                for part in source.runs(ofEntry: index, rows: row..<row + run.rows.count) {  // one: no pages there
                    keys.write(try key.rows(of: part), at: start)
                    values.write(try value.rows(of: part), at: start)
                }
                row += run.rows.count
            }
            lengths[first + index] += count
        }
    }

    /// Takes the pages of `counts` more rows in the entries from `first` on, or throws and changes nothing.
    private mutating func reserve(_ counts: [Int], from first: Int) throws(NormalizationError) {
        var needed: [Int] = []
        for (entry, count) in zip(first..., counts) {
            guard count <= capacity - lengths[entry] else {
                throw NormalizationError(
                    .capacityExceeded, argument: "key",
                    expected: "at most \(capacity - lengths[entry]) rows for entry \(entry)", given: "\(count)")
            }
            needed.append(pagesOf(lengths[entry] + count) - pages[entry].count)
        }
        guard needed.reduce(0, +) <= freePages.count else {
            throw NormalizationError(
                .capacityExceeded, argument: "key", expected: "rows for at most \(freePages.count) more pages",
                given: "rows for \(needed.reduce(0, +))")
        }
        for (entry, count) in zip(first..., needed) {
            for _ in 0..<count { pages[entry].append(freePages.removeLast()) }
        }
    }

    /// The pages that hold `rows` rows.
    private func pagesOf(_ rows: Int) -> Int { pageSize.map { (rows + $0 - 1) / $0 } ?? 0 }
}

// MARK: - Shrinking

extension KeyValueCache {
    /// Forgets the rows from `length` on, of one entry or of all that have more; a paged cache gives back their pages.
    ///
    /// - Throws: `NormalizationError` for a negative length, or an entry that is not there.
    public mutating func truncate(to length: Int, entry: Int? = nil) throws(NormalizationError) {
        try validate(length, isWithin: 0...Int.max, argument: "length")
        if let entry { try validate(entry, isWithin: 0...batch - 1, argument: "entry") }
        for entry in entry.map({ $0...$0 }) ?? 0...batch - 1 { keep(length, of: entry) }
    }

    /// Forgets all rows. Memory is kept.
    public mutating func removeAll() {
        for entry in 0..<batch { keep(0, of: entry) }
    }

    private mutating func keep(_ most: Int, of entry: Int) {
        lengths[entry] = min(lengths[entry], most)
        while pages[entry].count > pagesOf(lengths[entry]) { freePages.append(pages[entry].removeLast()) }
    }
}
