// Attention of packed sequences: each entry has the bits that it has alone, forward and backward.

internal import Normalization
import Testing
internal import Verification

@Suite struct PackedAttentionTests {
    private static let backends: [Backend] =
        TestedBackends.instructionSets.flatMap { instructionSet in
            [1, 2].map { Backend.kernels(instructionSet, threads: $0) }
        } + [.reference]

    private struct Entry {
        let queries, keys: Range<Int>
    }

    private func entries<Element, KeyElement>(_ batch: PackedBatch<Element, KeyElement>) -> [Entry] {
        (0..<batch.queryOffsets.count).map {
            Entry(queries: batch.queryOffsets.range($0), keys: batch.keyOffsets.range($0))
        }
    }

    /// Rows of every head.
    private func rows<Element: KernelElement>(_ x: Tensor<Element>, _ range: Range<Int>) throws -> Tensor<Element> {
        try x.sliced(range, axis: 1)
    }

    private func expectEntriesAlone<Element: KernelElement, KeyElement: KernelElement>(
        _ batch: PackedBatch<Element, KeyElement>, mask: AttentionMask, alone: (Int, Entry) throws -> AttentionMask
    ) throws {
        for backend in Self.backends {
            let all = try attentionWithStatistics(
                query: batch.query, key: batch.key, value: batch.value, queryOffsets: batch.queryOffsets,
                keyOffsets: batch.keyOffsets, mask: mask, backend: backend)
            let gradients = try attentionBackward(
                batch.gradient, query: batch.query, key: batch.key, value: batch.value,
                queryOffsets: batch.queryOffsets, keyOffsets: batch.keyOffsets, output: all.output,
                statistics: all.statistics, mask: mask, backend: backend)
            for (number, entry) in entries(batch).enumerated() {
                let (query, key) = (try rows(batch.query, entry.queries), try rows(batch.key, entry.keys))
                let value = try rows(batch.value, entry.keys)
                let mask = try alone(number, entry)
                let one = try attentionWithStatistics(
                    query: query, key: key, value: value, mask: mask, backend: backend)
                let own = try attentionBackward(
                    rows(batch.gradient, entry.queries), query: query, key: key, value: value, output: one.output,
                    statistics: one.statistics, mask: mask, backend: backend)
                let what = "entry \(number), \(backend)"
                if !entry.queries.isEmpty {
                    try expectSameBits(rows(all.output, entry.queries).floats, one.output.floats, what)
                    try expectSameBits(
                        rows(all.statistics.logSumExp, entry.queries).array, one.statistics.logSumExp.array, what)
                    try expectSameBits(rows(gradients.query, entry.queries).floats, own.query.floats, what)
                }
                if !entry.keys.isEmpty {
                    try expectSameBits(rows(gradients.key, entry.keys).floats, own.key.floats, what)
                    try expectSameBits(rows(gradients.value, entry.keys).floats, own.value.floats, what)
                }
            }
        }
    }

    /// Lengths that differ between queries and keys, more queries than keys, none of one or of both.
    private let queries = [20, 0, 7, 1, 33, 5, 0]
    private let keys = [70, 9, 0, 33, 33, 2, 0]

    private func batch<Element: KernelElement, KeyElement: KernelElement>(
        _ type: Element.Type, keys keyType: KeyElement.Type, group: Int
    ) throws -> PackedBatch<Element, KeyElement> {
        var random = RandomNumbers(seed: UInt64(group))
        let extents = AttentionExtents(
            batch: queries.count, keyHeads: 2, group: group, queries: 0, keys: 0, headSize: 16, valueSize: 20)
        return try PackedBatch(queries: queries, keys: keys, extents, mask: AttentionMask(), random: &random)
    }

    @Test(arguments: [1, 3])
    func entriesAlone(group: Int) throws {
        let batch = try batch(Float.self, keys: Float.self, group: group)
        let heads = 2 * group
        let numbers = Tensor((0..<heads).map { 0.3 - 0.2 * Float($0) })
        let plain: [AttentionMask] = [
            AttentionMask(), .causal(), .causal(offset: 3), .causal().window(left: 9, right: nil),
            .window(left: 3, right: 2).softcap(2), .causal().alibi(slopes: numbers).sinks(numbers),
        ]
        for mask in plain { try expectEntriesAlone(batch, mask: mask) { _, _ in mask } }
    }

    @Test func smallerTypes() throws {
        let mask = AttentionMask.causal()
        try expectEntriesAlone(batch(BFloat16.self, keys: BFloat16.self, group: 2), mask: mask) { _, _ in mask }
        try expectEntriesAlone(batch(Float16.self, keys: Float16.self, group: 1), mask: mask) { _, _ in mask }
        try expectEntriesAlone(batch(Float.self, keys: BFloat16.self, group: 1), mask: mask) { _, _ in mask }
    }

    /// Parts of a mask that have a row for each query, or a number for each entry.
    @Test func masksOfEntries() throws {
        let batch = try batch(Float.self, keys: Float.self, group: 1)
        var random = RandomNumbers(seed: 2)
        let shape: Shape = [queries.count, 2, 33, 70]
        let bias: Tensor<Float> = try random.tensor(shape)
        let takesPart = try Tensor(random.normals(bias.count).map { $0 < 0.5 }, shape: shape)
        func part<T: TensorElement>(_ x: Tensor<T>, _ number: Int, _ entry: Entry) throws -> Tensor<T> {
            let queries = try x.sliced(number..<number + 1).sliced(0..<entry.queries.count, axis: 2)
            return try queries.sliced(0..<entry.keys.count, axis: 3)
        }
        try expectEntriesAlone(batch, mask: .bias(bias).boolean(takesPart).causal()) { number, entry in
            try .bias(part(bias, number, entry)).boolean(part(takesPart, number, entry)).causal()
        }
        let (lengths, positions) = ([60, 70, 1, 30, 33, 1, 0], [5, 0, 2, 32, -3, 1, 0])
        try expectEntriesAlone(batch, mask: .keyLengths(lengths).causal().queryOffsets(positions)) { number, entry in
            .keyLengths([min(lengths[number], entry.keys.count)]).causal(offset: positions[number])
        }
    }

    /// [rows, heads, columns] needs no copy, and an output may have it, too.
    @Test func rowsBeforeHeads() throws {
        let batch = try batch(Float.self, keys: Float.self, group: 2)
        func turned(_ x: Tensor<Float>) throws -> Tensor<Float> {
            try x.transposed(0, 1).contiguous().transposed(0, 1)
        }
        let expected = try attention(
            query: batch.query, key: batch.key, value: batch.value, queryOffsets: batch.queryOffsets,
            keyOffsets: batch.keyOffsets, mask: .causal())
        for backend in Self.backends {
            var output = try turned(Tensor(repeating: 0, shape: expected.shape))
            try attention(
                query: turned(batch.query), key: turned(batch.key), value: turned(batch.value),
                queryOffsets: batch.queryOffsets, keyOffsets: batch.keyOffsets, mask: .causal(), into: &output,
                backend: backend)
            expectSameBits(output.array, expected.array, "\(backend)")
        }
        let one = try SegmentOffsets(widths: [4])
        let flat = try batch.query.sliced(0..<1).sliced(0..<4, axis: 1).reshaped(to: [4, 16])
        let output = try attention(query: flat, key: flat, value: flat, queryOffsets: one, keyOffsets: one)
        #expect(output.shape == [4, 16])
        try expectSameBits(output.array, attention(query: flat, key: flat, value: flat).array, "without heads")
    }

    @Test func nothingAtAll() throws {
        let none = try SegmentOffsets(widths: [0, 0])
        let some = try SegmentOffsets(widths: [2, 1])
        func tensor(_ rows: Int) throws -> Tensor<Float> { try Tensor(repeating: 1, shape: [2, rows, 8]) }
        for backend in Self.backends {
            for (queries, keys) in [(none, none), (none, some), (some, none)] {
                let (query, key) = (try tensor(queries.total), try tensor(keys.total))
                let (output, statistics) = try attentionWithStatistics(
                    query: query, key: key, value: key, queryOffsets: queries, keyOffsets: keys, backend: backend)
                #expect(output.shape == query.shape && output.array.allSatisfy { $0.bitPattern == 0 })
                let gradients = try attentionBackward(
                    query, query: query, key: key, value: key, queryOffsets: queries, keyOffsets: keys,
                    output: output, statistics: statistics, backend: backend)
                let all = gradients.query.array + gradients.key.array + gradients.value.array
                #expect(all.allSatisfy { $0.bitPattern == 0 })
            }
        }
    }

    @Test func mistakes() throws {
        let batch = try batch(Float.self, keys: Float.self, group: 1)
        let (queries, keys) = (batch.queryOffsets, batch.keyOffsets)
        func tensor(_ shape: Shape) throws(NormalizationError) -> Tensor<Float> {
            try Tensor(repeating: 1, shape: shape)
        }
        typealias Offsets = SegmentOffsets
        func expect(
            _ reason: NormalizationError.Reason, _ argument: String, query: Tensor<Float>? = nil,
            key: Tensor<Float>? = nil, value: Tensor<Float>? = nil, queries: Offsets? = nil, keys: Offsets? = nil,
            mask: AttentionMask = AttentionMask()
        ) {
            expectError(reason, argument) { () throws(NormalizationError) in
                try attention(
                    query: query ?? batch.query, key: key ?? batch.key, value: value ?? batch.value,
                    queryOffsets: queries ?? batch.queryOffsets, keyOffsets: keys ?? batch.keyOffsets, mask: mask)
            }
        }
        try expect(.shapeMismatch, "query", query: tensor([2, 2, 66, 16]))
        try expect(.shapeMismatch, "key", key: tensor([2, keys.total, 15]))
        try expect(.shapeMismatch, "key", key: tensor([2, 2, keys.total, 16]))
        try expect(.shapeMismatch, "value", value: tensor([2, keys.total - 1, 20]))
        try expect(.shapeMismatch, "value", value: tensor([1, keys.total, 20]))
        try expect(.invalidOffsets, "queryOffsets", queries: Offsets(widths: self.queries + [1]))
        try expect(.invalidOffsets, "keyOffsets", keys: Offsets(widths: [1]))
        try expect(.shapeMismatch, "keyOffsets", keys: Offsets(widths: self.keys + [0]))
        try expect(.shapeMismatch, "keyOffsets", queries: Offsets(widths: [queries.total]))
        expect(.outOfRange, "mask.keyLengths", mask: .keyLengths([71]))
        expect(.shapeMismatch, "mask.queryOffsets", mask: .causal().queryOffsets([0]))
        try expect(.shapeMismatch, "mask.bias", mask: .bias(tensor([keys.total])))
        var output = try Tensor(untouched(2 * queries.total * 21), shape: [2, queries.total, 21])
        expectError(.shapeMismatch, "output") { () throws(NormalizationError) in
            try attention(
                query: batch.query, key: batch.key, value: batch.value, queryOffsets: queries, keyOffsets: keys,
                into: &output)
        }
        expectUntouched(output.array)
        let (good, statistics) = try attentionWithStatistics(
            query: batch.query, key: batch.key, value: batch.value, queryOffsets: queries, keyOffsets: keys)
        for (gradient, given, argument) in [(output, good, "outputGradient"), (good, output, "output")] {
            expectError(.shapeMismatch, argument) { () throws(NormalizationError) in
                try attentionBackward(
                    gradient, query: batch.query, key: batch.key, value: batch.value, queryOffsets: queries,
                    keyOffsets: keys, output: given, statistics: statistics)
            }
        }
    }
}
