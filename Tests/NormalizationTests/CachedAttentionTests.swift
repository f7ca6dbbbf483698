// Attention over a cache: prefill, chunks and decode steps, contiguous, paged and packed, have the same bits.

internal import Normalization
import Testing
internal import Verification

@Suite struct CachedAttentionTests {
    /// One and two threads on every instruction set.
    private static let kernels: [Backend] = TestedBackends.instructionSets.flatMap { instructionSet in
        [1, 2].map { .kernels(instructionSet, threads: $0) }
    }

    // MARK: - One answer

    @Test func everyCombinationOfMasks() throws {
        for parts in TestedSizes.thinned(Array(stride(from: 0, through: 255, by: 3)), debugStep: 11) {
            let extents = AttentionExtents(
                batch: 3, keyHeads: 1, group: 1 + parts % 3, queries: 1 + parts % 11, keys: 20 + parts % 97)
            try expectOneAnswer(
                .attentionOfBatch(
                    Float.self, keys: Float.self, MaskParts(rawValue: parts), extents, pageSize: 1 + parts % 40,
                    seed: UInt64(parts)))
        }
    }

    @Test func smallerTypes() throws {
        for parts in [.causal, .all, [.keyLengths, .sinks]] as [MaskParts] {
            let extents = AttentionExtents(batch: 3, group: 2, queries: 7, keys: 90, headSize: 32, valueSize: 33)
            try expectOneAnswer(
                .attentionOfBatch(BFloat16.self, keys: BFloat16.self, parts, extents, pageSize: 7),
                .attentionOfBatch(Float16.self, keys: Float16.self, parts, extents),
                .attentionOfBatch(Float.self, keys: BFloat16.self, parts, extents),
                .attentionOfBatch(Float.self, keys: Float16.self, parts, extents))
        }
    }

    /// Several chunks of keys that threads share.
    @Test(arguments: TestedSizes.thinned([513, 1100, 2050], debugStep: 3))
    func manyKeys(keys: Int) throws {
        for (queries, group) in [(1, 4), (5, 1)] {
            let extents = AttentionExtents(
                batch: 2, keyHeads: 1, group: group, queries: queries, keys: keys, headSize: 16, valueSize: 24)
            try expectOneAnswer(
                .attentionOfBatch(
                    Float.self, keys: Float.self, [.causal, .softcap], extents, pageSize: 64, seed: UInt64(keys)))
        }
    }

    /// The same mask says the same of packed sequences and of both kinds of caches.
    @Test func cachedIsPacked() throws {
        for parts in TestedSizes.thinned(Array(0...255), debugStep: 31) {
            let extents = AttentionExtents(
                batch: 4, keyHeads: 2, group: 1 + parts % 2, queries: 1 + parts % 7, keys: 10 + parts % 130)
            let batch = try PackedBatch<Float, Float>(MaskParts(rawValue: parts), extents, seed: UInt64(parts))
            let packed = try attentionWithStatistics(
                query: batch.query, key: batch.key, value: batch.value, queryOffsets: batch.queryOffsets,
                keyOffsets: batch.keyOffsets, mask: batch.mask)
            for (pageSize, chunk) in [(nil, 9), (1, 1), (24, 50), (64, 7)] {
                let cached = try attentionWithStatistics(
                    query: batch.query, cache: batch.cache(pageSize: pageSize, chunk: chunk),
                    queryOffsets: batch.queryOffsets, mask: batch.mask)
                let what = "masks \(parts), pages \(pageSize ?? 0)"
                expectSameBits(cached.output.array, packed.output.array, what)
                expectSameBits(cached.statistics.logSumExp.array, packed.statistics.logSumExp.array, what)
            }
        }
    }

    // MARK: - Prefill, chunks and decode

    /// Rows come in steps of at most `chunk`, each with its query. Returns the outputs, packed.
    private func outputs<Element: KernelElement, KeyElement: KernelElement>(
        _ batch: PackedBatch<Element, KeyElement>, pageSize: Int?, chunk: Int, backend: Backend
    ) throws -> [Float] {
        var cache = try batch.emptyCache(pageSize: pageSize)
        let offsets = batch.keyOffsets
        var rows = [[Float]](repeating: [], count: batch.query.shape[0] * offsets.count)
        while cache.lengths.reduce(0, +) < offsets.total {
            let steps = (0..<offsets.count).map { entry in
                let first = offsets.offsets[entry] + cache.lengths[entry]
                return first..<min(first + chunk, offsets.offsets[entry + 1])
            }
            for (entry, step) in steps.enumerated() {
                try cache.append(
                    key: batch.key.sliced(step, axis: 1), value: batch.value.sliced(step, axis: 1), toEntry: entry)
            }
            let packed = try SegmentOffsets(widths: steps.map(\.count))
            let query = try joined(steps.map { try batch.query.sliced($0, axis: 1) })
            let output = try attention(query: query, cache: cache, queryOffsets: packed, backend: backend)
            for head in 0..<query.shape[0] {
                for entry in 0..<offsets.count {
                    let part = try output.sliced(head..<head + 1).sliced(packed.range(entry), axis: 1)
                    rows[head * offsets.count + entry] += part.floats
                }
            }
        }
        return rows.flatMap { $0 }
    }

    /// [heads, rows, columns], one after the other along the rows.
    private func joined<Element: KernelElement>(_ parts: [Tensor<Element>]) throws -> Tensor<Element> {
        let (heads, columns) = (parts[0].shape[0], parts[0].shape[2])
        let elements = try (0..<heads).flatMap { head in
            try parts.flatMap { try $0.sliced(head..<head + 1).array }
        }
        return try Tensor(elements, shape: [heads, parts.reduce(0) { $0 + $1.shape[1] }, columns])
    }

    private func expectOnePrefill<Element: KernelElement, KeyElement: KernelElement>(
        _ lengths: [Int], _ type: Element.Type, keys: KeyElement.Type, chunks: [Int], backends: [Backend]
    ) throws {
        var random = RandomNumbers(seed: UInt64(lengths[0]))
        let extents = AttentionExtents(
            batch: lengths.count, keyHeads: 2, group: 2, queries: 0, keys: 0, headSize: 16, valueSize: 24)
        let batch = try PackedBatch<Element, KeyElement>(
            queries: lengths, keys: lengths, extents, mask: .causal(), random: &random)
        let prefill = try attention(
            query: batch.query, key: batch.key, value: batch.value, queryOffsets: batch.keyOffsets,
            keyOffsets: batch.keyOffsets, mask: .causal()
        ).floats
        for backend in backends {
            for chunk in chunks {
                for pageSize in [nil, 64, 10] {
                    let given = try outputs(batch, pageSize: pageSize, chunk: chunk, backend: backend)
                    expectSameBits(given, prefill, "\(backend), chunks of \(chunk), pages of \(pageSize ?? 0)")
                }
            }
        }
        for (entry, length) in lengths.enumerated() where length > 0 {
            let rows = batch.keyOffsets.range(entry)
            let alone = try attention(
                query: batch.query.sliced(rows, axis: 1), key: batch.key.sliced(rows, axis: 1),
                value: batch.value.sliced(rows, axis: 1), mask: .causal())
            let columns = extents.valueSize
            let expected = (0..<batch.query.shape[0]).flatMap { head in
                let first = (head * batch.keyOffsets.total + rows.lowerBound) * columns
                return prefill[first..<first + length * columns]
            }
            expectSameBits(alone.floats, expected, "entry \(entry) alone")
        }
    }

    @Test func prefillIsDecode() throws {
        try expectOnePrefill(
            [70, 0, 33], Float.self, keys: Float.self, chunks: [1, 7, 64, 70], backends: Self.kernels + [.reference])
    }

    @Test(arguments: TestedSizes.thinned([600, 1030], debugStep: 2))
    func longPrefillIsDecode(length: Int) throws {
        try expectOnePrefill(
            [length, length / 3], Float.self, keys: Float.self, chunks: [1, 100, length], backends: Self.kernels)
    }

    @Test func prefillIsDecodeInSmallerTypes() throws {
        let backends = Self.kernels + [.reference]
        try expectOnePrefill([40, 11], Float.self, keys: BFloat16.self, chunks: [1, 16], backends: backends)
        try expectOnePrefill([40, 11], Float.self, keys: Float16.self, chunks: [1, 16], backends: backends)
        try expectOnePrefill([40, 11], BFloat16.self, keys: BFloat16.self, chunks: [1, 16], backends: backends)
        try expectOnePrefill([40, 11], Float16.self, keys: Float16.self, chunks: [1, 16], backends: backends)
    }

    // MARK: - Queries that are not packed

    /// As many queries in entries of different lengths, some of them shorter than that.
    @Test(arguments: [nil, 16])
    func entriesAlone(pageSize: Int?) throws {
        var random = RandomNumbers(seed: 8)
        let lengths = [90, 0, 2, 64, 5]
        let extents = AttentionExtents(batch: 5, keyHeads: 2, group: 3, queries: 4, keys: 90)
        let batch = try PackedBatch<Float, Float>(
            queries: lengths.map { _ in 4 }, keys: lengths, extents, mask: .causal(), random: &random)
        let query: Tensor<Float> = try random.tensor([5, 6, 4, 20])
        let cache = try batch.cache(pageSize: pageSize, chunk: 13)
        let sinks: Tensor<Float> = try random.tensor([6])
        for mask in [.causal(), .causal().window(left: 30, right: nil).sinks(sinks), AttentionMask()] {
            for backend in Self.kernels + [.reference] {
                let all = try attention(query: query, cache: cache, mask: mask, backend: backend)
                for (entry, length) in lengths.enumerated() {
                    let part = try all.sliced(entry..<entry + 1)
                    if length == 0 {
                        #expect(part.array.allSatisfy { $0.bitPattern == 0 })
                        continue
                    }
                    let alone = try attention(
                        query: query.sliced(entry..<entry + 1), key: cache.key(ofEntry: entry),
                        value: cache.value(ofEntry: entry), mask: mask, backend: backend)
                    expectSameBits(part.array, alone.array, "entry \(entry), \(backend)")
                }
            }
        }
    }

    /// Lengths of the mask cut the entries further, and a position that the mask gives counts.
    @Test func masksOfOneEntry() throws {
        var random = RandomNumbers(seed: 9)
        let extents = AttentionExtents(batch: 2, keyHeads: 1, group: 2, queries: 3, keys: 50)
        let batch = try PackedBatch<Float, Float>(
            queries: [3, 3], keys: [50, 20], extents, mask: .causal(), random: &random)
        let query: Tensor<Float> = try random.tensor([2, 2, 3, 20])
        let cache = try batch.cache(pageSize: 8, chunk: 5)
        let masks: [(all: AttentionMask, alone: [AttentionMask])] = [
            (.keyLengths([40, 30]), [.keyLengths([40]), .keyLengths([20])]),
            (.causal().queryOffsets([7, 19]), [.causal(offset: 7), .causal(offset: 19)]),
            (.causal(offset: 4), [.causal(offset: 4), .causal(offset: 4)]),
        ]
        for (mask, alone) in masks {
            let all = try attention(query: query, cache: cache, mask: mask)
            for entry in 0..<2 {
                let one = try attention(
                    query: query.sliced(entry..<entry + 1), key: cache.key(ofEntry: entry),
                    value: cache.value(ofEntry: entry), mask: alone[entry])
                try expectSameBits(all.sliced(entry..<entry + 1).array, one.array, "entry \(entry)")
            }
        }
    }

    @Test func emptyCaches() throws {
        for pageSize in [nil, 16] {
            let batch = try PackedBatch<Float, Float>([], AttentionExtents(queries: 3, keys: 9))
            let cache = try batch.emptyCache(pageSize: pageSize)
            let query = try Tensor<Float>(repeating: 1, shape: [2, 2, 3, 20])
            for backend in Self.kernels + [.reference] {
                let (output, statistics) = try attentionWithStatistics(query: query, cache: cache, backend: backend)
                #expect(output.shape == query.shape && output.array.allSatisfy { $0.bitPattern == 0 })
                #expect(statistics.logSumExp.array.allSatisfy { $0 == -.infinity })
                let none = try attention(query: query.sliced(0..<0, axis: 2), cache: cache, backend: backend)
                #expect(none.shape == [2, 2, 0, 20])
            }
        }
    }

    /// What was appended and forgotten does not show, even if it is NaN.
    @Test(arguments: [nil, 8])
    func forgottenRowsDoNotShow(pageSize: Int?) throws {
        var random = RandomNumbers(seed: 10)
        let extents = AttentionExtents(batch: 2, queries: 1, keys: 40)
        let batch = try PackedBatch<Float, Float>(
            queries: [1, 1], keys: [40, 40], extents, mask: .causal(), random: &random)
        var cache = try batch.cache(pageSize: pageSize, chunk: 40)
        try cache.truncate(to: 21, entry: 0)
        try cache.truncate(to: 3, entry: 1)
        let query: Tensor<Float> = try random.tensor([2, 2, 2, 20])
        let expected = try attention(query: query, cache: cache)
        let poison = try Tensor<Float>(repeating: .nan, shape: [2, 2, 15, 20])
        try cache.append(key: poison, value: poison)
        try cache.truncate(to: 21, entry: 0)
        try cache.truncate(to: 3, entry: 1)
        for backend in Self.kernels + [.reference] {
            for mask in [.causal(), AttentionMask()] {
                let given = try attention(query: query, cache: cache, mask: mask, backend: backend)
                #expect(given.array.allSatisfy { $0.isFinite })
            }
            try expectSameBits(
                attention(query: query, cache: cache, backend: backend).array, expected.array, "\(backend)")
        }
    }

    // MARK: - Existing outputs, errors

    @Test func existingOutputs() throws {
        var random = RandomNumbers(seed: 11)
        let extents = AttentionExtents(batch: 2, queries: 3, keys: 30)
        let batch = try PackedBatch<Float, Float>(
            queries: [3, 3], keys: [30, 12], extents, mask: .causal(), random: &random)
        let query: Tensor<Float> = try random.tensor([2, 2, 3, 20])
        let cache = try batch.cache(pageSize: 16, chunk: 12)
        let expected = try attention(query: query, cache: cache)
        for backend in Self.kernels + [.reference] {
            var output = try Tensor(repeating: Float(0), shape: [2, 3, 2, 20]).transposed(1, 2)
            try attention(query: query, cache: cache, into: &output, backend: backend)
            expectSameBits(output.array, expected.array, "\(backend)")
        }
    }

    @Test func mistakes() throws {
        let batch = try PackedBatch<Float, Float>([], AttentionExtents(queries: 3, keys: 9))
        let cache = try batch.cache(pageSize: nil, chunk: 4)
        func tensor(_ shape: Shape) throws(NormalizationError) -> Tensor<Float> {
            try Tensor(repeating: 1, shape: shape)
        }
        for shape in [[1, 2, 3, 20], [2, 2, 3, 19], [2, 3, 20], [2, 3, 3, 20]] as [Shape] {
            expectError(.shapeMismatch, "query", "\(shape)") { () throws(NormalizationError) in
                try attention(query: tensor(shape), cache: cache)
            }
        }
        expectError(.invalidShape, "query") { () throws(NormalizationError) in
            try attention(query: tensor([20]), cache: cache)
        }
        expectError(.shapeMismatch, "query") { () throws(NormalizationError) in
            try attention(query: tensor([2, 2, 3, 20]), cache: cache, queryOffsets: SegmentOffsets(widths: [2, 1]))
        }
        expectError(.invalidOffsets, "queryOffsets") { () throws(NormalizationError) in
            try attention(query: tensor([2, 3, 20]), cache: cache, queryOffsets: SegmentOffsets(widths: [2, 2]))
        }
        expectError(.shapeMismatch, "queryOffsets") { () throws(NormalizationError) in
            try attention(query: tensor([2, 3, 20]), cache: cache, queryOffsets: SegmentOffsets(widths: [3]))
        }
        let query = try tensor([2, 2, 3, 20])
        expectError(.invalidParameter, "scale") { () throws(NormalizationError) in
            try attention(query: query, cache: cache, scale: .infinity)
        }
        expectError(.shapeMismatch, "mask.queryOffsets") { () throws(NormalizationError) in
            try attention(query: query, cache: cache, mask: .causal().queryOffsets([1]))
        }
        expectError(.outOfRange, "mask.keyLengths") { () throws(NormalizationError) in
            try attention(query: query, cache: cache, mask: .keyLengths([10]))
        }
        expectError(.shapeMismatch, "mask.bias") { () throws(NormalizationError) in
            try attention(query: query, cache: cache, mask: .bias(tensor([8])))
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in
                try attention(query: query, cache: cache, backend: backend)
            }
        }
        var output = try Tensor(untouched(2 * 2 * 3 * 19), shape: [2, 2, 3, 19])
        expectError(.shapeMismatch, "output") { () throws(NormalizationError) in
            try attention(query: query, cache: cache, into: &output)
        }
        expectUntouched(output.array)
        output = try Tensor(untouched(2 * 2 * 3 * 20), shape: [2, 2, 20, 3]).transposed(2, 3)
        expectError(.unsupportedLayout, "output") { () throws(NormalizationError) in
            try attention(query: query, cache: cache, into: &output)
        }
    }
}
