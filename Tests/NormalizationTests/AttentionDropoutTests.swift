// Dropout in attention: which probabilities it drops, and that nothing else shows.

internal import Normalization
import Testing
internal import Verification

@Suite struct AttentionDropoutTests {
    @Test func everyBackend() throws {
        for parts in TestedSizes.thinned(Array(stride(from: 0, through: 255, by: 5)), debugStep: 13) {
            let extents = AttentionExtents(group: 1 + parts % 3, queries: 1 + parts % 9, keys: 20 + parts % 97)
            try expectOneAnswer(
                .attention(
                    Float.self, keys: Float.self, MaskParts(rawValue: parts), extents,
                    dropout: Dropout(probability: [0.1, 0.5, 0.9][parts % 3], seed: UInt64(parts))))
        }
        let extents = AttentionExtents(queries: 7, keys: 600)
        try expectOneAnswer(
            .attention(
                BFloat16.self, keys: Float16.self, [.causal, .bias], extents,
                dropout: Dropout(probability: 0.3, seed: 1)))
    }

    /// 1 where a probability is kept: keys are alike, values are unit vectors.
    static func kept(_ dropout: Dropout, heads: Int = 1, queries: Int, keys: Int) throws -> [Bool] {
        var units = [Float](repeating: 0, count: keys * keys)
        for key in 0..<keys { units[key * keys + key] = 1 }
        let output = try attention(
            query: Tensor(repeating: Float(0), shape: [1, heads, queries, 1]),
            key: Tensor(repeating: Float(0), shape: [1, 1, keys, 1]), value: Tensor(units, shape: [1, 1, keys, keys]),
            dropout: dropout)
        return output.array.map { $0 != 0 }
    }

    /// The share of what is kept is within five standard deviations of 1 - p, for each of three seeds.
    @Test(arguments: [0.1, 0.5, 0.75] as [Float])
    func rate(probability: Float) throws {
        for seed: UInt64 in [0, 1, 1 << 40] {
            let dropout = try Dropout(probability: probability, seed: seed)
            let kept = try Self.kept(dropout, heads: 2, queries: 60, keys: 200)
            let deviation = (probability * (1 - probability) / Float(kept.count)).squareRoot()
            let rate = Float(kept.count { $0 }) / Float(kept.count)
            #expect(abs(rate - (1 - probability)) <= 5 * deviation, "seed \(seed): \(rate)")
            let (first, second) = (kept[..<(60 * 200)], kept[(60 * 200)...])
            let equal = Float(zip(first, second).count { $0 == $1 }) / Float(first.count)
            let chance = probability * probability + (1 - probability) * (1 - probability)
            #expect(abs(equal - chance) <= 5 * (0.25 / Float(first.count)).squareRoot(), "two heads: \(equal)")
        }
    }

    private struct Problem {
        let query, key, value: Tensor<Float>

        init(heads: Int, queries: Int, keys: Int, size: Int = 8) throws {
            var random = RandomNumbers(seed: 3)
            query = try Tensor(random.normals(heads * queries * size), shape: [1, heads, queries, size])
            key = try Tensor(random.normals(keys * size), shape: [1, 1, keys, size])
            value = try Tensor(random.normals(keys * size), shape: [1, 1, keys, size])
        }
    }

    /// The mean over seeds is the output without dropout, within six of its standard deviations, which the outputs tell.
    @Test func expectation() throws {
        let p = try Problem(heads: 2, queries: 2, keys: 12)
        let expected = try attention(query: p.query, key: p.key, value: p.value).array
        let count = 600
        var sums = [Double](repeating: 0, count: expected.count)
        var squares = sums
        for seed in 0..<count {
            let output = try attention(
                query: p.query, key: p.key, value: p.value, dropout: Dropout(probability: 0.4, seed: UInt64(seed)))
            for (i, y) in output.array.enumerated() {
                let difference = Double(y) - Double(expected[i])
                sums[i] += difference
                squares[i] += difference * difference
            }
        }
        for i in expected.indices {
            let (mean, variance) = (sums[i] / Double(count), squares[i] / Double(count))
            #expect(abs(mean) <= 6 * (variance / Double(count)).squareRoot(), "element \(i): \(mean)")
        }
    }

    /// Queries in several calls, on several threads, and one by one.
    @Test func decodeIsPrefill() throws {
        let p = try Problem(heads: 3, queries: 70, keys: 600)
        let dropout = try Dropout(probability: 0.3, seed: 11)
        let all = try attention(query: p.query, key: p.key, value: p.value, mask: .causal(), dropout: dropout)
        for range in [0..<40, 40..<70, 0..<1, 33..<34, 69..<70] {
            func part(_ x: Tensor<Float>) throws -> Tensor<Float> {
                try x.transposed(0, 2).sliced(range).transposed(0, 2)
            }
            for threads in [1, 2, 5] {
                let output = try attention(
                    query: part(p.query), key: p.key, value: p.value,
                    mask: .causal(offset: 600 - 70 + range.lowerBound), dropout: dropout, firstQuery: range.lowerBound,
                    backend: .kernels(threads: threads))
                try expectSameBits(output.array, part(all).array, "queries \(range), threads \(threads)")
            }
        }
    }

    @Test func noneIsNone() throws {
        let p = try Problem(heads: 2, queries: 9, keys: 100)
        let none = try Dropout(probability: 0, seed: 9)
        let (plain, saved) = try attentionWithStatistics(query: p.query, key: p.key, value: p.value)
        let (output, statistics) = try attentionWithStatistics(
            query: p.query, key: p.key, value: p.value, dropout: none, firstQuery: 5)
        expectSameBits(output.array, plain.array, "output")
        expectSameBits(statistics.logSumExp.array, saved.logSumExp.array, "logSumExp")
        let dropped = try attentionWithStatistics(
            query: p.query, key: p.key, value: p.value, dropout: Dropout(probability: 0.5, seed: 9))
        expectSameBits(dropped.statistics.logSumExp.array, saved.logSumExp.array, "logSumExp with dropout")
        func gradients(_ dropout: Dropout?) throws -> AttentionGradients<Float, Float> {
            try attentionBackward(
                p.query, query: p.query, key: p.key, value: p.value, output: output, statistics: statistics,
                dropout: dropout)
        }
        let (a, b) = (try gradients(nil), try gradients(none))
        expectSameBits(a.query.array + a.key.array + a.value.array, b.query.array + b.key.array + b.value.array, "gradients")
    }

    /// The value of a key that is dropped does not show.
    @Test func droppedValuesDoNotLeak() throws {
        let dropout = try Dropout(probability: 0.5, seed: 2)
        let kept = try Self.kept(dropout, queries: 1, keys: 90)
        var p = try Problem(heads: 1, queries: 1, keys: 90).value
        let query = try Tensor(repeating: Float(1), shape: [1, 1, 1, 8])
        let clean = try attention(query: query, key: p, value: p, dropout: dropout)
        let key = p
        p.withMutableSpan { span in for i in 0..<90 * 8 where !kept[i / 8] { span[i] = .nan } }
        for backend in TestedBackends.kernels + [.reference] {
            let output = try attention(query: query, key: key, value: p, dropout: dropout, backend: backend)
            expectSameBits(output.array, clean.array, "\(backend)")
        }
    }

    @Test func mistakes() throws {
        let p = try Problem(heads: 1, queries: 3, keys: 4)
        for first in [-1, 1 << 32 - 2, Int.max] {
            expectError(.invalidParameter, "firstQuery") { () throws(NormalizationError) in
                try attention(query: p.query, key: p.key, value: p.value, firstQuery: first)
            }
        }
        _ = try attention(query: p.query, key: p.key, value: p.value, firstQuery: 1 << 32 - 3)
    }
}
