// KeyValueCache: what is appended is there, against arrays that grow and shrink; values; errors.

internal import Normalization
import Testing
internal import Verification

@Suite struct KeyValueCacheTests {
    /// Rows of each entry as arrays: [entry][row][head][column].
    private struct Model {
        var keys, values: [[[[Float]]]]

        init(batch: Int) {
            keys = Array(repeating: [], count: batch)
            values = keys
        }

        static func expect<Element: KernelElement>(_ cached: Tensor<Element>, _ rows: [[[Float]]], _ what: String) {
            let heads = cached.shape[0]
            let expected = (0..<heads).flatMap { head in rows.flatMap { $0[head] } }
            #expect(cached.shape[1] == rows.count && cached.floats == expected, "\(what)")
        }

        func expect<Element: KernelElement>(_ cache: KeyValueCache<Element>, _ what: String) throws {
            #expect(cache.lengths == keys.map(\.count), "\(what)")
            for entry in keys.indices {
                Self.expect(try cache.key(ofEntry: entry), keys[entry], "keys, \(what)")
                Self.expect(try cache.value(ofEntry: entry), values[entry], "values, \(what)")
            }
        }
    }

    private struct Sizes {
        let batch = 3
        let heads = 2
        let head = 5
        let value = 4
        let capacity = 40
    }

    /// 300 changes in a row; those that must fail change nothing.
    private func change<Element: KernelElement>(
        _ empty: KeyValueCache<Element>, seed: UInt64
    ) throws {
        let sizes = Sizes()
        var (cache, random) = (empty, RandomNumbers(seed: seed))
        var model = Model(batch: sizes.batch)
        func below(_ bound: Int) -> Int { Int(random.nextBits() % UInt64(bound)) }
        func rows(_ x: Tensor<Element>, batch: Int, first: Int, count: Int) throws -> [[[Float]]] {
            try (first..<first + count).map { row in
                try (0..<sizes.heads).map { head in
                    let part = try x.sliced(batch..<batch + 1).sliced(head..<head + 1, axis: 1)
                    return try part.sliced(row..<row + 1, axis: 2).floats
                }
            }
        }
        func pages(_ length: Int) -> Int { cache.pageSize.map { (length + $0 - 1) / $0 } ?? 0 }
        for step in 0..<300 {
            let choice = below(10)
            if choice == 0 {
                cache.removeAll()
                model = Model(batch: sizes.batch)
            } else if choice <= 3 {
                let entry: Int? = choice == 1 ? nil : below(sizes.batch)
                let length = below(sizes.capacity)
                try cache.truncate(to: length, entry: entry)
                for entry in entry.map({ [$0] }) ?? Array(0..<sizes.batch) {
                    model.keys[entry] = Array(model.keys[entry].prefix(length))
                    model.values[entry] = Array(model.values[entry].prefix(length))
                }
            } else {
                // All entries alike, one of them, or packed.
                let isPacked = choice >= 8
                let entries = choice < 6 ? Array(0..<sizes.batch) : isPacked ? Array(0..<sizes.batch) : [below(3)]
                let alike = below(9)
                let counts = entries.map { _ in isPacked ? below(9) : alike }
                let shape = isPacked ? (1, counts.reduce(0, +)) : (entries.count, alike)
                let key: Tensor<Element> = try random.tensor([shape.0, sizes.heads, shape.1, sizes.head])
                let value: Tensor<Element> = try random.tensor([shape.0, sizes.heads, shape.1, sizes.value])
                let fits =
                    zip(entries, counts).allSatisfy { cache.lengths[$0] + $1 <= cache.capacity }
                    && zip(entries, counts).reduce(0) {
                        $0 + pages(cache.lengths[$1.0] + $1.1) - pages(cache.lengths[$1.0])
                    } <= (cache.pageSize == nil ? 0 : cache.freePageCount)
                func append() throws(NormalizationError) {
                    if isPacked {
                        try cache.append(key: key, value: value, offsets: SegmentOffsets(widths: counts))
                    } else if entries.count == 1 {
                        try cache.append(key: key, value: value, toEntry: entries[0])
                    } else {
                        try cache.append(key: key, value: value)
                    }
                }
                if !fits {
                    expectError(.capacityExceeded, "key", "step \(step)", append)
                } else {
                    try append()
                    var first = 0
                    for (index, entry) in entries.enumerated() {
                        let batch = isPacked ? 0 : index
                        model.keys[entry] += try rows(key, batch: batch, first: first, count: counts[index])
                        model.values[entry] += try rows(value, batch: batch, first: first, count: counts[index])
                        if isPacked { first += counts[index] }
                    }
                }
            }
            try model.expect(cache, "step \(step)")
            if let size = cache.pageSize {
                let held = cache.lengths.reduce(0) { $0 + pages($1) }
                #expect(cache.freePageCount == cache.capacity / size - held)
            }
        }
    }

    private func change<Element: KernelElement>(_ type: Element.Type) throws {
        let sizes = Sizes()
        try change(
            KeyValueCache<Element>(
                batch: sizes.batch, keyHeads: sizes.heads, headSize: sizes.head, valueSize: sizes.value,
                capacity: sizes.capacity), seed: 1)
        for (pageSize, pageCount) in [(1, 50), (7, 9), (16, 5), (64, 2)] {
            try change(
                KeyValueCache<Element>(
                    batch: sizes.batch, keyHeads: sizes.heads, headSize: sizes.head, valueSize: sizes.value,
                    pageSize: pageSize, pageCount: pageCount), seed: UInt64(pageSize))
        }
    }

    @Test func randomChanges() throws {
        try change(Float.self)
        try change(BFloat16.self)
        try change(Float16.self)
    }

    // MARK: - Values and layouts

    @Test(arguments: [nil, 8])
    func copiesAreApart(pageSize: Int?) throws {
        var random = RandomNumbers(seed: 3)
        let batch = try PackedBatch<Float, Float>(
            queries: [1, 1], keys: [20, 9], AttentionExtents(queries: 1, keys: 20), mask: .causal(), random: &random)
        let original = try batch.cache(pageSize: pageSize, chunk: 4)
        let before = try (0..<2).map { try original.key(ofEntry: $0) }
        var copy = original
        try copy.truncate(to: 3, entry: 0)
        let row: Tensor<Float> = try random.tensor([2, 1, 20])
        try copy.append(key: row, value: row, toEntry: 0)
        #expect(original.lengths == [20, 9] && copy.lengths == [4, 9])
        #expect(try (0..<2).map { try original.key(ofEntry: $0) } == before)
        #expect(try copy.key(ofEntry: 0).sliced(0..<3, axis: 1) == before[0].sliced(0..<3, axis: 1))
        #expect(try copy.key(ofEntry: 0).sliced(3..<4, axis: 1) == row)
    }

    /// [batch, rows, heads, columns] seen as [batch, heads, rows, columns], columns that are not contiguous, fewer axes.
    @Test func anyStrides() throws {
        var random = RandomNumbers(seed: 4)
        let x: Tensor<Float> = try random.tensor([2, 6, 3, 8])
        let rowsFirst = try x.transposed(1, 2)
        let columnsFirst = try rowsFirst.transposed(2, 3).contiguous().transposed(2, 3)
        let views = [rowsFirst, columnsFirst]
        for view in views {
            var cache = try KeyValueCache<Float>(batch: 2, keyHeads: 3, headSize: 8, capacity: 6)
            try cache.append(key: view, value: view)
            for entry in 0..<2 {
                #expect(try cache.key(ofEntry: entry) == view.sliced(entry..<entry + 1).reshaped(to: [3, 6, 8]))
                #expect(try cache.value(ofEntry: entry) == cache.key(ofEntry: entry))
            }
        }
        var one = try KeyValueCache<Float>(batch: 1, keyHeads: 1, headSize: 8, pageSize: 4, pageCount: 5)
        let rows = try x.reshaped(to: [36, 8]).sliced(0..<18)
        try one.append(key: rows, value: rows)
        #expect(try one.key(ofEntry: 0).reshaped(to: [18, 8]) == rows && one.freePageCount == 0)
    }

    /// Parts of a cache that are appended to it again.
    @Test func appendedToItself() throws {
        var random = RandomNumbers(seed: 5)
        let x: Tensor<Float> = try random.tensor([2, 6, 8])
        var cache = try KeyValueCache<Float>(batch: 1, keyHeads: 2, headSize: 8, capacity: 12)
        try cache.append(key: x, value: x)
        try cache.append(key: cache.key(ofEntry: 0), value: cache.value(ofEntry: 0))
        #expect(try cache.key(ofEntry: 0).sliced(0..<6, axis: 1) == x)
        #expect(try cache.key(ofEntry: 0).sliced(6..<12, axis: 1) == x)
    }

    // MARK: - Errors

    @Test func sizesOutOfRange() throws {
        func cache(_ batch: Int, _ heads: Int, _ head: Int, _ value: Int, _ rows: Int, _ pages: Int?)
            throws(NormalizationError) -> KeyValueCache<Float>
        {
            guard let pages else {
                return try KeyValueCache(
                    batch: batch, keyHeads: heads, headSize: head, valueSize: value, capacity: rows)
            }
            return try KeyValueCache(
                batch: batch, keyHeads: heads, headSize: head, valueSize: value, pageSize: rows, pageCount: pages)
        }
        for pages in [nil, 3] {
            let rows = pages == nil ? "capacity" : "pageSize"
            for bad in [0, -1, .min] {
                expectError(.outOfRange, "batch") { () throws(NormalizationError) in try cache(bad, 1, 1, 1, 1, pages) }
                expectError(.outOfRange, "keyHeads") { () throws(NormalizationError) in
                    try cache(1, bad, 1, 1, 1, pages)
                }
                expectError(.outOfRange, rows) { () throws(NormalizationError) in try cache(1, 1, 1, 1, bad, pages) }
            }
            for bad in [0, 513, -1] {
                expectError(.outOfRange, "headSize") { () throws(NormalizationError) in
                    try cache(1, 1, bad, 1, 1, pages)
                }
                expectError(.outOfRange, "valueSize") { () throws(NormalizationError) in
                    try cache(1, 1, 1, bad, 1, pages)
                }
            }
            for huge in [Int.max, Int.max / 4] {
                expectError(.sizeOverflow, rows) { () throws(NormalizationError) in
                    try cache(1, 2, 2, 1, huge, pages)
                }
            }
        }
        for bad in [0, -1, Int(Int32.max) + 1, .max] {
            expectError(.outOfRange, "pageCount") { () throws(NormalizationError) in try cache(1, 1, 1, 1, 1, bad) }
        }
    }

    @Test(arguments: [nil, 4])
    func mistakes(pageSize: Int?) throws {
        var random = RandomNumbers(seed: 6)
        let batch = try PackedBatch<Float, Float>(
            queries: [1, 1], keys: [8, 5], AttentionExtents(queries: 1, keys: 8, headSize: 6, valueSize: 7),
            mask: .causal(), random: &random)
        var cache = try batch.cache(pageSize: pageSize, chunk: 3)
        let before = try (0..<2).flatMap { try cache.key(ofEntry: $0).array + cache.value(ofEntry: $0).array }
        func tensor(_ shape: Shape) throws(NormalizationError) -> Tensor<Float> {
            try Tensor(repeating: 1, shape: shape)
        }
        let wrong: [(key: Shape, value: Shape, argument: String)] = [
            ([2, 2, 1, 5], [2, 2, 1, 7], "key"), ([2, 3, 1, 6], [2, 3, 1, 7], "key"),
            ([1, 2, 1, 6], [1, 2, 1, 7], "key"), ([3, 2, 1, 6], [2, 2, 1, 7], "key"),
            ([2, 2, 1, 6], [2, 2, 1, 6], "value"), ([2, 2, 1, 6], [2, 2, 2, 7], "value"),
            ([2, 2, 1, 6], [2, 1, 1, 7], "value"),
        ]
        for (key, value, argument) in wrong {
            expectError(.shapeMismatch, argument, "\(key) \(value)") { () throws(NormalizationError) in
                try cache.append(key: tensor(key), value: tensor(value))
            }
        }
        expectError(.invalidShape, "key") { () throws(NormalizationError) in
            try cache.append(key: tensor([6]), value: tensor([7]))
        }
        let (key, value) = (try tensor([2, 3, 6]), try tensor([2, 3, 7]))
        for entry in [-1, 2] {
            expectError(.outOfRange, "entry") { () throws(NormalizationError) in
                try cache.append(key: key, value: value, toEntry: entry)
            }
            expectError(.outOfRange, "entry") { () throws(NormalizationError) in
                try cache.truncate(to: 1, entry: entry)
            }
            expectError(.outOfRange, "entry") { () throws(NormalizationError) in try cache.key(ofEntry: entry) }
            expectError(.outOfRange, "entry") { () throws(NormalizationError) in try cache.value(ofEntry: entry) }
        }
        expectError(.outOfRange, "length") { () throws(NormalizationError) in try cache.truncate(to: -1) }
        expectError(.invalidOffsets, "offsets") { () throws(NormalizationError) in
            try cache.append(key: key, value: value, offsets: SegmentOffsets(widths: [1, 1]))
        }
        for widths in [[3], [1, 1, 1]] {
            expectError(.shapeMismatch, "offsets") { () throws(NormalizationError) in
                try cache.append(key: key, value: value, offsets: SegmentOffsets(widths: widths))
            }
        }
        // Entry 0 is full or no page is left: nothing is added to entry 1 either.
        expectError(.capacityExceeded, "key") { () throws(NormalizationError) in
            try cache.append(key: tensor([2, 2, 1, 6]), value: tensor([2, 2, 1, 7]))
        }
        expectError(.capacityExceeded, "key") { () throws(NormalizationError) in
            try cache.append(key: tensor([2, 4, 6]), value: tensor([2, 4, 7]), toEntry: 1)
        }
        let after = try (0..<2).flatMap { try cache.key(ofEntry: $0).array + cache.value(ofEntry: $0).array }
        #expect(after == before && cache.lengths == [8, 5])
        try cache.append(key: key, value: value, toEntry: 1)
        #expect(cache.lengths == [8, 8])
    }
}
