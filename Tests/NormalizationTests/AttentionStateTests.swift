// AttentionState: keys that are sharded, merged again: accuracy, what is empty, huge or broken, gradients.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

@Suite struct AttentionStateTests {
    /// One head and batch entry, causal with the last query at the last key.
    private struct Problem {
        let queries, keys, size: Int
        let query, key, value, gradient: Tensor<Float>

        init(queries: Int, keys: Int, size: Int = 16, spread: Float = 1, seed: UInt64 = 1) throws {
            var random = RandomNumbers(seed: seed)
            (self.queries, self.keys, self.size) = (queries, keys, size)
            query = try random.tensor([queries, size], spread: spread)
            key = try random.tensor([keys, size])
            value = try random.tensor([keys, size])
            gradient = try random.tensor([queries, size])
        }

        func state(_ range: Range<Int>, backend: Backend = .automatic) throws -> AttentionState {
            try attentionState(
                query: query, key: key.sliced(range), value: value.sliced(range),
                mask: .causal(offset: keys - queries - range.lowerBound), backend: backend)
        }

        func merged(_ bounds: [Int]) throws -> AttentionState {
            let states = try zip(bounds, bounds.dropFirst()).map { try state($0..<$1) }
            return try states.dropFirst().reduce(states[0]) { try $0.merged(with: $1) }
        }

        func plain<Scalar: BinaryFloatingPoint>(_ exp: @escaping (Scalar) -> Scalar) -> PlainAttention<Scalar>.Result {
            func elements(_ x: Tensor<Float>) -> [Scalar] { x.array.map { Scalar($0) } }
            return PlainAttention(
                query: elements(query), key: elements(key), value: elements(value), gradient: elements(gradient),
                queries: queries, keys: keys, size: size, isCausal: true, exp: exp
            ).evaluate()
        }
    }

    private func largest(_ a: [Float], _ b: [Double]) -> Double {
        zip(a, b).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
    }

    /// With an empty shard, one of a single key, and shards that some queries do not see.
    private static let bounds = [0, 130, 130, 700, 701, 1500]

    @Test func oneAnswer() throws {
        let extents = AttentionExtents(group: 2, queries: 9, keys: 600)
        for cut in [0, 1, 590, 599, 600] {
            try expectOneAnswer(
                .shardedAttention(Float.self, keys: Float.self, extents, cut: cut),
                .shardedAttention(Float.self, keys: BFloat16.self, extents, cut: cut),
                .shardedAttention(Float16.self, keys: Float16.self, extents, cut: cut))
        }
    }

    // MARK: - Accuracy

    /// At most twice the error of the plain evaluation in Float, and one rounding a merge.
    @Test(arguments: [1, 8, 100] as [Float])
    func againstDouble(spread: Float) throws {
        let p = try Problem(queries: 40, keys: 1500, spread: spread, seed: 2)
        let exact = p.plain { (x: Double) in exp(x) }
        let naive = p.plain { (x: Float) in exp(x) }
        let state = try p.merged(Self.bounds)
        let unit = exact.output.map(abs).max()! * 0x1p-24
        let (ours, theirs) = (largest(state.output.array, exact.output), largest(naive.output, exact.output))
        #expect(ours <= 2 * theirs + Double(Self.bounds.count - 2) * unit, "\(ours), plain \(theirs)")
    }

    /// Scores have the same bits in a shard as in the whole. What is left is the rounding of sums of at most 512 weights
    /// and their products, which are of one sign or at most as large as the largest value; of the merges of chunks; of
    /// a few operations at the end: each one 2^-24, in both ways.
    @Test(arguments: [1, 100, 1e4, 1e6] as [Float])
    func againstTheWhole(spread: Float) throws {
        let p = try Problem(queries: 40, keys: 1500, spread: spread, seed: 3)
        let (output, statistics) = try attentionWithStatistics(
            query: p.query, key: p.key, value: p.value, mask: .causal())
        let state = try p.merged(Self.bounds)
        let bound = 2 * (512 + 16) * 0x1p-24
        let most = Double(p.value.array.map(abs).max()!)
        #expect(largest(state.output.array, output.array.map(Double.init)) <= bound * most)
        let pairs = zip(state.statistics.logSumExp.array, state.statistics.logSumExpLow.array)
        let expected = zip(statistics.logSumExp.array, statistics.logSumExpLow.array)
        for (given, expected) in zip(pairs, expected) {
            let difference = (Double(given.0) - Double(expected.0)) + (Double(given.1) - Double(expected.1))
            // A pair of floats keeps 2^-48 of a logarithm.
            #expect(abs(difference) <= bound + abs(Double(expected.0)) * 0x1p-46)
        }
    }

    // MARK: - Nothing, and everything at once

    @Test func nothingChangesNothing() throws {
        let p = try Problem(queries: 12, keys: 90)
        let state = try p.state(0..<90)
        let none = try p.state(90..<90)
        let unseen = try attentionState(
            query: p.query, key: p.key, value: p.value, mask: .causal(offset: -p.keys))
        #expect(none.sums.allSatisfy { $0 == SoftmaxState() } && unseen.sums.allSatisfy { $0 == SoftmaxState() })
        for empty in [none, unseen] {
            for merged in [try state.merged(with: empty), try empty.merged(with: state)] {
                expectSameBits(merged.output.array, state.output.array, "merged with nothing")
                #expect(merged.sums == state.sums)
            }
            let still = try empty.merged(with: none)
            #expect(still.output.array.allSatisfy { $0.bitPattern == 0 })
            #expect(still.statistics.logSumExp.array.allSatisfy { $0 == -.infinity })
        }
        let output = try attention(query: p.query, key: p.key, value: p.value, mask: .causal())
        expectSameBits(state.output.array, output.array, "one shard")
    }

    @Test func orderOfTwo() throws {
        for spread in [1, 100, 1e4] as [Float] {
            let p = try Problem(queries: 20, keys: 300, spread: spread, seed: 4)
            let (a, b) = (try p.state(0..<111), try p.state(111..<300))
            let (one, other) = (try a.merged(with: b), try b.merged(with: a))
            expectSameBits(one.output.array, other.output.array, "spread \(spread)")
            #expect(one.sums == other.sums)
        }
    }

    /// One shard's scores are so far above the other's that these weigh nothing.
    @Test func farApart() throws {
        let output = try Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
        let far = try AttentionState(
            output: output, sums: [SoftmaxState(max: 3e38, sum: 2), SoftmaxState(max: -1e4, sum: 1)])
        let near = try AttentionState(
            output: Tensor([5, 6, 7, 8], shape: [2, 2]),
            sums: [SoftmaxState(max: -3e38, sum: 1), SoftmaxState(max: 1e4, sum: 3)])
        let merged = try far.merged(with: near)
        #expect(merged.output.array == [1, 2, 7, 8])
        #expect(merged.sums == [SoftmaxState(max: 3e38, sum: 2), SoftmaxState(max: 1e4, sum: 3)])
        #expect(merged.statistics.logSumExp.array == [3e38, 1e4 + Float(log(3.0))])
    }

    /// A NaN or an infinite score stays in its row.
    @Test func brokenRows() throws {
        for poison in [Float.nan, .infinity] {
            var p = try Problem(queries: 5, keys: 60)
            let clean = try p.merged([0, 20, 60]).output.array
            var query = p.query
            query[3, 2] = poison
            p = try Problem(queries: 5, keys: 60)
            func state(_ range: Range<Int>) throws -> AttentionState {
                try attentionState(
                    query: query, key: p.key.sliced(range), value: p.value.sliced(range),
                    mask: .causal(offset: 55 - range.lowerBound))
            }
            let merged = try state(0..<20).merged(with: state(20..<60))
            let given = merged.output.array
            #expect(given[48..<64].allSatisfy { $0.isNaN } && merged.sums[3].sum.isNaN)
            #expect(merged.statistics.logSumExp.array[3].isNaN)
            expectSameBits(Array(given[..<48] + given[64...]), Array(clean[..<48] + clean[64...]), "other rows")
        }
    }

    // MARK: - Gradients, caches, types

    /// Each shard with the output and statistics of the whole: at most twice the plain evaluation's error, and the
    /// rounding of what the shards' parts for the queries are added up from.
    @Test func gradientsOfShards() throws {
        let p = try Problem(queries: 40, keys: 1500, seed: 5)
        let exact = p.plain { (x: Double) in exp(x) }
        let naive = p.plain { (x: Float) in exp(x) }
        let whole = try p.merged(Self.bounds)
        var (query, key, value) = ([Float](repeating: 0, count: 40 * 16), [Float](), [Float]())
        for range in zip(Self.bounds, Self.bounds.dropFirst()).map({ $0..<$1 }) {
            let gradients = try attentionBackward(
                p.gradient, query: p.query, key: p.key.sliced(range), value: p.value.sliced(range),
                output: whole.output, statistics: whole.statistics,
                mask: .causal(offset: p.keys - p.queries - range.lowerBound))
            query = zip(query, gradients.query.array).map(+)
            key += gradients.key.array
            value += gradients.value.array
        }
        for (given, plain, exact) in [
            (query, naive.query, exact.query), (key, naive.key, exact.key), (value, naive.value, exact.value),
        ] {
            let unit = exact.map(abs).max()! * 0x1p-24 * Double(Self.bounds.count)
            #expect(largest(given, exact) <= 2 * largest(plain, exact) + unit)
        }
    }

    /// The keys of a sequence in the caches of two processes.
    @Test func shardedCaches() throws {
        let p = try Problem(queries: 3, keys: 200, seed: 6)
        func cache(_ range: Range<Int>) throws -> KeyValueCache<Float> {
            var cache = try KeyValueCache<Float>(batch: 1, keyHeads: 1, headSize: 16, pageSize: 32, pageCount: 5)
            try cache.append(key: p.key.sliced(range), value: p.value.sliced(range))
            return cache
        }
        let ranges = [0..<120, 120..<200]
        let states = try ranges.map { range in
            let (output, statistics) = try attentionWithStatistics(
                query: p.query, cache: cache(range), mask: .causal(offset: 197 - range.lowerBound))
            return try AttentionState(output: output, statistics: statistics)
        }
        try expectSameBits(
            states[0].merged(with: states[1]).output.array, p.merged([0, 120, 200]).output.array, "caches")
    }

    /// A state is that of the query as floats; rounded, it is the output (but that of bfloat16 queries and keys, whose
    /// weights are rounded).
    @Test func smallerQueries() throws {
        func expect<Element: KernelElement>(_ type: Element.Type) throws {
            var random = RandomNumbers(seed: 7)
            let query: Tensor<Element> = try random.tensor([2, 5, 24])
            let key: Tensor<Float> = try random.tensor([2, 80, 24])
            let state = try attentionState(query: query, key: key, value: key)
            let output = try attention(query: query, key: key, value: key)
            #expect(Tensor<Element>(rounding: state.output) == output)
        }
        try expect(BFloat16.self)
        try expect(Float16.self)
    }

    @Test func mistakes() throws {
        let p = try Problem(queries: 4, keys: 9)
        let state = try p.state(0..<9)
        expectError(.shapeMismatch, "other") { () throws(NormalizationError) in
            try state.merged(with: AttentionState(output: state.output.sliced(0..<3), sums: Array(state.sums[..<3])))
        }
        expectError(.shapeMismatch, "sums") { () throws(NormalizationError) in
            try AttentionState(output: state.output, sums: Array(state.sums[..<3]))
        }
        expectError(.shapeMismatch, "statistics") { () throws(NormalizationError) in
            try AttentionState(output: state.output.sliced(0..<3), statistics: state.statistics)
        }
        expectError(.invalidShape, "output") { () throws(NormalizationError) in
            try AttentionState(output: state.output.sliced(0..<0, axis: 1), sums: [])
        }
        for wrong in [SoftmaxState(max: .nan, sum: 1), .init(max: 0, sum: -1), .init(max: 0, sum: .infinity)] {
            expectError(.invalidParameter, "sums") { () throws(NormalizationError) in
                try AttentionState(output: Tensor([1, 2], shape: [1, 2]), sums: [wrong])
            }
        }
        expectError(.shapeMismatch, "key") { () throws(NormalizationError) in
            try attentionState(query: p.query, key: p.key.sliced(0..<4, axis: 1), value: p.value)
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in
                try attentionState(query: p.query, key: p.key, value: p.value, backend: backend)
            }
        }
    }
}
