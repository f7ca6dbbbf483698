// Attention through the public functions: bits against the reference for every backend, rows that do not depend on
// their neighbours, what must not leak, layouts, errors.

internal import Normalization
import Testing
internal import Verification

@Suite struct AttentionTests {
    // MARK: - One answer

    @Test func everyCombinationOfMasks() throws {
        for parts in TestedSizes.thinned(Array(0...255), debugStep: 31) {
            let extents = AttentionExtents(group: 1 + parts % 3, queries: 1 + parts % 11, keys: 20 + parts % 97)
            try expectOneAnswer(
                .attention(Float.self, keys: Float.self, MaskParts(rawValue: parts), extents, seed: UInt64(parts)))
        }
    }

    @Test func everyLength() throws {
        for length in TestedSizes.thinned(Array(1...200), debugStep: 17) {
            let extents = AttentionExtents(
                batch: 1, keyHeads: 1, group: 1 + length % 2, queries: 1 + length % 70, keys: length,
                headSize: 1 + length % 40, valueSize: 1 + length * 7 % 50)
            try expectOneAnswer(.attention(Float.self, keys: Float.self, [.causal], extents, seed: UInt64(length)))
        }
    }

    /// Several chunks of keys, with few and with many queries.
    @Test(arguments: TestedSizes.thinned([513, 511, 1100, 2050], debugStep: 4))
    func manyKeys(keys: Int) throws {
        for (queries, group) in [(1, 4), (5, 1), (150, 1)] {
            let extents = AttentionExtents(
                batch: 1, keyHeads: 1, group: group, queries: queries, keys: keys, headSize: 16, valueSize: 24)
            for parts in [[], [.causal, .softcap], [.window, .sinks]] as [MaskParts] {
                try expectOneAnswer(.attention(Float.self, keys: Float.self, parts, extents, seed: UInt64(keys)))
            }
        }
    }

    @Test func smallerTypes() throws {
        for parts in TestedSizes.thinned(Array(stride(from: 0, through: 255, by: 17)), debugStep: 6) {
            let parts = MaskParts(rawValue: parts)
            let extents = AttentionExtents(group: 2, queries: 7, keys: 90, headSize: 32, valueSize: 33)
            try expectOneAnswer(
                .attention(BFloat16.self, keys: BFloat16.self, parts, extents),
                .attention(Float16.self, keys: Float16.self, parts, extents),
                .attention(Float.self, keys: BFloat16.self, parts, extents),
                .attention(BFloat16.self, keys: Float.self, parts, extents))
        }
    }

    /// Scores up to 1e5, and so far below 0 that only a common power of e brings them back.
    @Test(arguments: [10, 300, 1e3] as [Float])
    func largeScores(spread: Float) throws {
        let extents = AttentionExtents(queries: 9, keys: 700)
        for parts in [[], .causal, .bias] as [MaskParts] {
            try expectOneAnswer(.attention(Float.self, keys: Float.self, parts, extents, spread: spread))
        }
    }

    // MARK: - A row alone

    private struct Problem {
        var query, key, value: Tensor<Float>

        init(batch: Int = 1, heads: Int, keyHeads: Int, queries: Int, keys: Int, size: Int = 16, seed: UInt64 = 5)
            throws
        {
            var random = RandomNumbers(seed: seed)
            func drawn(_ shape: Shape) throws -> Tensor<Float> {
                try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
            }
            query = try drawn([batch, heads, queries, size])
            key = try drawn([batch, keyHeads, keys, size])
            value = try drawn([batch, keyHeads, keys, size])
        }

        func output(_ mask: AttentionMask = AttentionMask(), _ backend: Backend = .automatic) throws -> Tensor<Float> {
            try attention(query: query, key: key, value: value, mask: mask, backend: backend)
        }
    }

    /// Elements along an axis.
    private func part(_ x: Tensor<Float>, axis: Int, _ range: Range<Int>) throws -> Tensor<Float> {
        try x.transposed(0, axis).sliced(range).transposed(0, axis)
    }

    /// A prefill under a causal mask, and the same queries one by one, each with the keys that it sees.
    @Test(arguments: [(4, 2, 70), (2, 1, 600), (3, 3, 1030)])
    func decodeIsPrefill(heads: Int, keyHeads: Int, length: Int) throws {
        let p = try Problem(heads: heads, keyHeads: keyHeads, queries: length, keys: length)
        let prefill = try p.output(.causal())
        for position in stride(from: 0, to: length, by: length / 23 + 1) {
            for threads in [1, 3] {
                let step = try attention(
                    query: part(p.query, axis: 2, position..<position + 1), key: part(p.key, axis: 2, 0..<position + 1),
                    value: part(p.value, axis: 2, 0..<position + 1), mask: .causal(),
                    backend: .kernels(threads: threads))
                try expectSameBits(
                    step.array, part(prefill, axis: 2, position..<position + 1).array, "position \(position)")
            }
        }
        let half = length / 2
        let second = try attention(
            query: part(p.query, axis: 2, half..<length), key: p.key, value: p.value, mask: .causal())
        try expectSameBits(second.array, part(prefill, axis: 2, half..<length).array, "a prefill in two parts")
    }

    @Test func batchesAndHeadsAlone() throws {
        let p = try Problem(batch: 3, heads: 6, keyHeads: 3, queries: 40, keys: 130)
        let all = try p.output(.causal())
        for batch in 0..<3 {
            for head in 0..<3 {
                let alone = try attention(
                    query: part(part(p.query, axis: 0, batch..<batch + 1), axis: 1, 2 * head..<2 * head + 2),
                    key: part(part(p.key, axis: 0, batch..<batch + 1), axis: 1, head..<head + 1),
                    value: part(part(p.value, axis: 0, batch..<batch + 1), axis: 1, head..<head + 1), mask: .causal())
                let expected = try part(part(all, axis: 0, batch..<batch + 1), axis: 1, 2 * head..<2 * head + 2)
                expectSameBits(alone.array, expected.array, "entry \(batch), head \(head)")
            }
        }
    }

    // MARK: - What must not show

    @Test(arguments: [60, 140, 600])
    func maskedKeysDoNotLeak(keys: Int) throws {
        let p = try Problem(heads: 2, keyHeads: 1, queries: 9, keys: keys)
        let lengths = [keys - 7]
        let mask = AttentionMask.keyLengths(lengths)
        let (output, statistics) = try attentionWithStatistics(query: p.query, key: p.key, value: p.value, mask: mask)
        let expected = try attentionBackward(
            p.query, query: p.query, key: p.key, value: p.value, output: output, statistics: statistics, mask: mask)
        let takesPart = (0..<keys).map { $0 < lengths[0] }
        let same = [mask, .boolean(try Tensor(takesPart, shape: [keys]))]
        for poison in [Float.nan, .infinity] {
            var (key, value) = (p.key, p.value)
            key.withMutableSpan { span in for i in lengths[0] * 16..<span.count { span[i] = poison } }
            value.withMutableSpan { span in for i in lengths[0] * 16..<span.count { span[i] = poison } }
            for mask in same {
                let given = try attentionWithStatistics(query: p.query, key: key, value: value, mask: mask)
                expectSameBits(given.output.array, output.array, "\(poison)")
                let gradients = try attentionBackward(
                    p.query, query: p.query, key: key, value: value, output: output, statistics: statistics, mask: mask)
                expectSameBits(gradients.query.array, expected.query.array, "query's gradient, \(poison)")
                expectSameBits(gradients.key.array, expected.key.array, "key's gradient, \(poison)")
                expectSameBits(gradients.value.array, expected.value.array, "value's gradient, \(poison)")
            }
        }
    }

    /// A NaN in a query stays in its row, one in a value that counts stays in its column.
    @Test func specialNumbersStay() throws {
        var p = try Problem(heads: 1, keyHeads: 1, queries: 8, keys: 80)
        let clean = try p.output().array
        p.query.withMutableSpan { $0[3 * 16 + 2] = .nan }
        let row = try p.output().array
        #expect(row[48..<64].allSatisfy { $0.isNaN })
        expectSameBits(Array(row[..<48] + row[64...]), Array(clean[..<48] + clean[64...]), "other rows")
        p = try Problem(heads: 1, keyHeads: 1, queries: 8, keys: 80)
        p.value.withMutableSpan { $0[70 * 16 + 5] = .nan }
        let column = try p.output().array
        #expect(column.indices.allSatisfy { column[$0].isNaN == ($0 % 16 == 5) })
    }

    /// Infinite scores in two chunks of keys, and in one beside a larger finite one elsewhere.
    @Test(arguments: [[3], [3, 600], [600, 1030]])
    func infiniteScores(keys: [Int]) throws {
        var p = try Problem(heads: 1, keyHeads: 1, queries: 4, keys: 1100)
        let clean = try p.output().array
        p.query.withMutableSpan { span in for i in 0..<16 { span[16 + i] = 1 } }
        p.key.withMutableSpan { span in for key in keys { span[key * 16] = .infinity } }
        let takesPart = (0..<4 * 1100).map { $0 / 1100 == 1 || !keys.contains($0 % 1100) }
        let mask = AttentionMask.boolean(try Tensor(takesPart, shape: [4, 1100]))
        let expected = try p.output(mask, .reference).array
        #expect(expected[16..<32].allSatisfy { $0.isNaN })
        #expect((expected[..<16] + expected[32...]).allSatisfy { $0.isFinite } && clean.allSatisfy { $0.isFinite })
        for backend in TestedBackends.kernels { try expectSameBits(p.output(mask, backend).array, expected, "\(keys)") }
    }

    @Test func queriesWithoutKeys() throws {
        let p = try Problem(heads: 2, keyHeads: 2, queries: 6, keys: 50)
        let mask = AttentionMask.causal(offset: -3)
        let (output, statistics) = try attentionWithStatistics(query: p.query, key: p.key, value: p.value, mask: mask)
        let gradients = try attentionBackward(
            p.query, query: p.query, key: p.key, value: p.value, output: output, statistics: statistics, mask: mask)
        for row in 0..<12 {
            let sees = row % 6 >= 3
            #expect(statistics.logSumExp.array[row].isFinite == sees)
            let numbers = output.array[row * 16..<row * 16 + 16] + gradients.query.array[row * 16..<row * 16 + 16]
            #expect(numbers.contains { $0.bitPattern != 0 } == sees)
        }
        for (queries, keys) in [(0, 5), (5, 0), (0, 0)] {
            let empty = try Problem(heads: 2, keyHeads: 1, queries: queries, keys: keys)
            for backend in [Backend.automatic, .reference] {
                let output = try empty.output(AttentionMask(), backend)
                #expect(output.shape == [1, 2, queries, 16] && output.array.allSatisfy { $0.bitPattern == 0 })
            }
        }
    }

    // MARK: - Layouts

    @Test func layouts() throws {
        let p = try Problem(batch: 2, heads: 4, keyHeads: 2, queries: 11, keys: 75)
        let expected = try p.output(.causal())
        func headsWithinRows(_ x: Tensor<Float>) throws -> Tensor<Float> {
            try x.transposed(1, 2).contiguous().transposed(1, 2)
        }
        let other = try attention(
            query: headsWithinRows(p.query), key: headsWithinRows(p.key), value: headsWithinRows(p.value),
            mask: .causal())
        expectSameBits(other.array, expected.array, "heads within rows")
        let columnsFirst = try p.key.transposed(0, 3).contiguous().transposed(0, 3)
        let copied = try attention(query: p.query, key: columnsFirst, value: p.value, mask: .causal())
        expectSameBits(copied.array, expected.array, "columns not contiguous")
        var into = try Tensor(repeating: Float(0), shape: [2, 11, 4, 16]).transposed(1, 2)
        try attention(query: p.query, key: p.key, value: p.value, mask: .causal(), into: &into)
        expectSameBits(into.array, expected.array, "into")
        let one = try Problem(heads: 1, keyHeads: 1, queries: 3, keys: 9)
        let flat = try attention(
            query: one.query.reshaped(to: [3, 16]), key: one.key.reshaped(to: [9, 16]),
            value: one.value.reshaped(to: [9, 16]))
        #expect(flat.shape == [3, 16])
        try expectSameBits(flat.array, one.output().array, "two axes")
    }

    // MARK: - Errors

    @Test func mistakes() throws {
        let p = try Problem(heads: 4, keyHeads: 2, queries: 3, keys: 9)
        func tensor(_ shape: Shape) throws(NormalizationError) -> Tensor<Float> {
            try Tensor(repeating: 1, shape: shape)
        }
        expectError(.shapeMismatch, "key") { () throws(NormalizationError) in
            try attention(query: p.query, key: tensor([1, 2, 9, 15]), value: p.value)
        }
        expectError(.shapeMismatch, "key") { () throws(NormalizationError) in
            try attention(query: p.query, key: tensor([2, 2, 9, 16]), value: p.value)
        }
        expectError(.shapeMismatch, "value") { () throws(NormalizationError) in
            try attention(query: p.query, key: p.key, value: tensor([1, 2, 8, 16]))
        }
        expectError(.shapeMismatch, "query") { () throws(NormalizationError) in
            try attention(query: p.query, key: tensor([1, 3, 9, 16]), value: tensor([1, 3, 9, 16]))
        }
        expectError(.invalidShape, "query") { () throws(NormalizationError) in
            try attention(query: tensor([16]), key: p.key, value: p.value)
        }
        expectError(.invalidShape, "query") { () throws(NormalizationError) in
            try attention(query: tensor([3, 513]), key: tensor([9, 513]), value: tensor([9, 16]))
        }
        expectError(.invalidShape, "value") { () throws(NormalizationError) in
            try attention(query: tensor([3, 16]), key: tensor([9, 16]), value: tensor([9, 513]))
        }
        expectError(.invalidParameter, "scale") { () throws(NormalizationError) in
            try attention(query: p.query, key: p.key, value: p.value, scale: .nan)
        }
        expectError(.shapeMismatch, "mask.sinks") { () throws(NormalizationError) in
            try attention(query: p.query, key: p.key, value: p.value, mask: .sinks(Tensor([1, 2])))
        }
        var output = try tensor([1, 4, 3, 15])
        expectError(.shapeMismatch, "output") { () throws(NormalizationError) in
            try attention(query: p.query, key: p.key, value: p.value, into: &output)
        }
        #expect(output.array.allSatisfy { $0 == 1 })
    }
}
