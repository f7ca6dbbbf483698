// Gradients of attention for every argument, the mask's parameters included, against differences of a plain evaluation in
// Double.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

/// The sum of output · gradient under a softcap, a bias that batch entries share, slopes, sinks, causality and dropout.
private struct PlainLoss {
    static let (batch, heads, queries, keys, size) = (2, 2, 5, 9, 4)
    static let softcap = 3.0

    /// The arguments: query, key, value, bias, slopes, sinks.
    var arguments: [[Double]]
    let gradient: [Double]
    let kept: [Bool]  // of [heads, queries, keys], the same for both batch entries
    let keptScale: Double

    func evaluate() -> Double {
        let (query, key, value, bias) = (arguments[0], arguments[1], arguments[2], arguments[3])
        var loss = 0.0
        for b in 0..<Self.batch {
            for h in 0..<Self.heads {
                for i in 0..<Self.queries {
                    let row = (b * Self.heads + h) * Self.queries + i
                    let position = Self.keys - Self.queries + i
                    let e = (0...position).map { j -> Double in
                        var s = 0.0
                        for d in 0..<Self.size {
                            s += query[row * Self.size + d] * key[(b * Self.keys + j) * Self.size + d]
                        }
                        s = Self.softcap * tanh(s / Double(Self.size).squareRoot() / Self.softcap)
                        s += bias[(h * Self.queries + i) * Self.keys + j] + arguments[4][h] * Double(j - position)
                        return exp(s)
                    }
                    let sum = e.reduce(exp(arguments[5][h]), +)
                    for (j, e) in e.enumerated() where kept[row * Self.keys + j] {
                        for d in 0..<Self.size {
                            loss += keptScale * e / sum * value[(b * Self.keys + j) * Self.size + d]
                                * gradient[row * Self.size + d]
                        }
                    }
                }
            }
        }
        return loss
    }

    /// The derivative by an argument's element: with steps of 1e-4 off by some 1e-8.
    func derivative(_ argument: Int, _ element: Int) -> Double {
        var (up, down) = (self, self)
        up.arguments[argument][element] += 1e-4
        down.arguments[argument][element] -= 1e-4
        return (up.evaluate() - down.evaluate()) / 2e-4
    }
}

@Suite struct AttentionGradientTests {
    private typealias P = PlainLoss

    /// Sums of at most 10 · 9 products of some float32 roundings each: a few hundred units of 2^-24 of the largest at most.
    @Test(arguments: [0, 0.4] as [Float])
    func againstDifferences(probability: Float) throws {
        var random = RandomNumbers(seed: 8)
        let shapes: [Shape] = [
            [P.batch, P.heads, P.queries, P.size], [P.batch, 1, P.keys, P.size], [P.batch, 1, P.keys, P.size],
            [1, P.heads, P.queries, P.keys], [P.heads], [P.heads],
        ]
        let given = shapes.map { random.normals($0.elementCount ?? 0) }
        let tensors = try zip(given, shapes).map { try Tensor($0, shape: $1) }
        let gradient = random.normals(given[0].count)
        let dropout = try Dropout(probability: probability, seed: 4)
        let mask = AttentionMask.softcap(Float(P.softcap)).bias(tensors[3]).alibi(slopes: tensors[4]).causal()
            .sinks(tensors[5])
        let (output, statistics) = try attentionWithStatistics(
            query: tensors[0], key: tensors[1], value: tensors[2], mask: mask, dropout: dropout)
        let g = try attentionBackward(
            Tensor(gradient, shape: shapes[0]), query: tensors[0], key: tensors[1], value: tensors[2], output: output,
            statistics: statistics, mask: mask, dropout: dropout)
        // Batch entries and heads of one batch number their rows alike.
        let kept = try AttentionDropoutTests.kept(
            dropout, heads: P.batch * P.heads, queries: P.queries, keys: P.keys)
        let plain = PlainLoss(
            arguments: given.map { $0.map { Double($0) } }, gradient: gradient.map { Double($0) }, kept: kept,
            keptScale: 1 / (1 - Double(probability)))
        let ours = [
            g.query.array, g.key.array, g.value.array, try #require(g.bias).array, try #require(g.slopes).array,
            try #require(g.sinks).array,
        ]
        for (argument, ours) in ours.enumerated() {
            let exact = ours.indices.map { plain.derivative(argument, $0) }
            let bound = (exact.map(abs).max() ?? 0) * 400 * 0x1p-24 + 1e-7
            for (i, pair) in zip(ours, exact).enumerated() {
                #expect(abs(Double(pair.0) - pair.1) <= bound, "argument \(argument), element \(i): \(pair)")
            }
        }
    }

    /// Biases that share each set of axes: the gradient is the sum of the whole one over them, up to rounding.
    @Test func sharedBiases() throws {
        var random = RandomNumbers(seed: 2)
        let (batch, heads, queries, keys) = (2, 3, 70, 90)
        let x = try Tensor(random.normals(batch * heads * queries * 8), shape: [batch, heads, queries, 8])
        let k = try Tensor(random.normals(batch * keys * 8), shape: [batch, 1, keys, 8])
        func gradient(_ shape: Shape, _ backend: Backend) throws -> [Float] {
            let mask = AttentionMask.bias(try Tensor(repeating: Float(0), shape: shape)).causal()
            let (output, statistics) = try attentionWithStatistics(query: x, key: k, value: k, mask: mask)
            let gradients = try attentionBackward(
                x, query: x, key: k, value: k, output: output, statistics: statistics, mask: mask, backend: backend)
            let bias = try #require(gradients.bias)
            #expect(bias.shape == shape && gradients.slopes == nil && gradients.sinks == nil)
            return bias.array
        }
        let whole = try gradient([batch, heads, queries, keys], .automatic)
        for shared in 0..<8 {
            let extents = [batch, heads, queries].enumerated().map { shared >> $0 & 1 == 1 ? 1 : $1 }
            var sums = [Double](repeating: 0, count: extents.reduce(1, *) * keys)
            var sizes = sums
            for (i, ds) in whole.enumerated() {
                let at = [i / keys / queries / heads, i / keys / queries % heads, i / keys % queries]
                let row = zip(at, extents).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }
                sums[row * keys + i % keys] += Double(ds)
                sizes[row * keys + i % keys] += abs(Double(ds))
            }
            let shape = Shape(extents + [keys])
            let ours = try gradient(shape, .automatic)
            // A sum of n terms in blocks of 16 and more, merged in order: less than 80 roundings of what was summed.
            for i in ours.indices {
                #expect(abs(Double(ours[i]) - sums[i]) <= sizes[i] * 80 * 0x1p-24, "axes \(shared), element \(i)")
            }
            for backend in TestedBackends.kernels + [.reference] {
                try expectSameBits(gradient(shape, backend), ours, "axes \(shared), \(backend)")
            }
        }
    }

    @Test func queriesWithoutKeys() throws {
        var random = RandomNumbers(seed: 6)
        let x = try Tensor(random.normals(2 * 6 * 8), shape: [1, 2, 6, 8])
        let k = try Tensor(random.normals(50 * 8), shape: [1, 1, 50, 8])
        let bias = try Tensor(repeating: Float(0), shape: [1, 2, 6, 50])
        let mask = AttentionMask.causal(offset: -3).bias(bias).alibi(slopes: Tensor([0.1, 0.2])).sinks(Tensor([1, -1]))
        let (output, statistics) = try attentionWithStatistics(query: x, key: k, value: k, mask: mask)
        let gradients = try attentionBackward(
            x, query: x, key: k, value: k, output: output, statistics: statistics, mask: mask)
        let rows = try #require(gradients.bias).array
        for row in 0..<12 {
            for j in 0..<50 { #expect((rows[row * 50 + j].bitPattern != 0) == (j <= row % 6 - 3), "row \(row), key \(j)") }
        }
        let unwanted = try attentionBackward(
            x, query: x, key: k, value: k, output: output, statistics: statistics, mask: mask, parameters: false)
        #expect(unwanted.bias == nil && unwanted.slopes == nil && unwanted.sinks == nil)
        expectSameBits(unwanted.query.array, gradients.query.array, "query's gradient")
        let hidden = AttentionMask.causal(offset: -10).bias(bias).alibi(slopes: Tensor([0.1, 0.2])).sinks(Tensor([1, -1]))
        let none = try attentionBackward(
            x, query: x, key: k, value: k, output: output, statistics: statistics, mask: hidden)
        #expect(try #require(none.slopes).array.allSatisfy { $0.bitPattern == 0 })
        #expect(try #require(none.bias).array.allSatisfy { $0.bitPattern == 0 })
    }
}
