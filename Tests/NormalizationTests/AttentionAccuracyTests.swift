// Attention and its gradients against a plain evaluation in Double, beside the same evaluation in Float.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

/// The formulas in their plain order: one batch entry and head, causal if wanted.
struct PlainAttention<Scalar: BinaryFloatingPoint> {
    let query, key, value, gradient: [Scalar]
    let queries, keys, size: Int
    let isCausal: Bool
    let exp: (Scalar) -> Scalar

    struct Result {
        var output, query, key, value: [Scalar]
    }

    private func dot(_ a: [Scalar], _ i: Int, _ b: [Scalar], _ j: Int) -> Scalar {
        (0..<size).reduce(0) { $0 + a[i * size + $1] * b[j * size + $1] }
    }

    func evaluate() -> Result {
        var r = Result(
            output: query.map { _ in 0 }, query: query.map { _ in 0 }, key: key.map { _ in 0 },
            value: key.map { _ in 0 })
        let scale = 1 / Scalar(size).squareRoot()
        for i in 0..<queries {
            let seen = isCausal ? keys - queries + i + 1 : keys
            let s = (0..<seen).map { scale * dot(query, i, key, $0) }
            let most = s.max() ?? 0
            let e = s.map { exp($0 - most) }
            let sum = e.reduce(0, +)
            let p = e.map { $0 / sum }
            for j in 0..<seen { for d in 0..<size { r.output[i * size + d] += p[j] * value[j * size + d] } }
            let dp = (0..<seen).map { dot(gradient, i, value, $0) }
            let delta = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
            for j in 0..<seen {
                let ds = p[j] * (dp[j] - delta) * scale
                for d in 0..<size {
                    r.query[i * size + d] += ds * key[j * size + d]
                    r.key[j * size + d] += ds * query[i * size + d]
                    r.value[j * size + d] += p[j] * gradient[i * size + d]
                }
            }
        }
        return r
    }
}

@Suite struct AttentionAccuracyTests {
    private func largest(_ a: [Float], _ b: [Double]) -> Double {
        zip(a, b).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
    }

    /// At most twice the error of the plain evaluation in Float: sums over blocks round at other places. The last term is
    /// two units in the last place of the largest summand, for plain evaluations that happen to be exact: of a single key
    /// the gradients are differences of equal numbers, which come about in two ways here.
    private func expectNoWorse(
        _ given: [Float], _ plain: [Float], _ exact: [Double], summand: Double = 0, _ what: String
    ) {
        let unit = max(exact.map(abs).max() ?? 0, summand) * 0x1p-23
        let (ours, theirs) = (largest(given, exact), largest(plain, exact))
        #expect(ours <= 2 * theirs + unit, "\(what): \(ours), plain \(theirs)")
    }

    @Test(arguments: [(1, 1, 4), (5, 40, 16), (33, 33, 64), (20, 700, 32), (3, 1500, 128)], [1, 8] as [Float])
    func againstDouble(extents: (queries: Int, keys: Int, size: Int), spread: Float) throws {
        let (queries, keys, size) = extents
        for isCausal in [false, true] {
            var random = RandomNumbers(seed: UInt64(keys))
            let query = random.normals(queries * size).map { $0 * spread }
            let key = random.normals(keys * size)
            let value = random.normals(keys * size)
            let gradient = random.normals(queries * size)
            func plain<Scalar: BinaryFloatingPoint>(_ exp: @escaping (Scalar) -> Scalar)
                -> PlainAttention<Scalar>.Result
            {
                PlainAttention(
                    query: query.map { Scalar($0) }, key: key.map { Scalar($0) }, value: value.map { Scalar($0) },
                    gradient: gradient.map { Scalar($0) }, queries: queries, keys: keys, size: size, isCausal: isCausal,
                    exp: exp
                ).evaluate()
            }
            let exact = plain { (x: Double) in exp(x) }
            let naive = plain { (x: Float) in exp(x) }
            let q = try Tensor(query, shape: [queries, size])
            let (k, v) = (try Tensor(key, shape: [keys, size]), try Tensor(value, shape: [keys, size]))
            let mask = isCausal ? AttentionMask.causal() : AttentionMask()
            let (output, statistics) = try attentionWithStatistics(query: q, key: k, value: v, mask: mask)
            let gradients = try attentionBackward(
                Tensor(gradient, shape: [queries, size]), query: q, key: k, value: v, output: output,
                statistics: statistics, mask: mask)
            expectNoWorse(output.array, naive.output, exact.output, "output")
            func largest(_ a: [Float]) -> Double { Double(a.map(abs).max() ?? 0) }
            let difference = largest(gradient) * largest(value) * Double(size).squareRoot()
            expectNoWorse(
                gradients.query.array, naive.query, exact.query, summand: difference * largest(key), "query's gradient")
            expectNoWorse(
                gradients.key.array, naive.key, exact.key, summand: difference * largest(query), "key's gradient")
            expectNoWorse(gradients.value.array, naive.value, exact.value, "value's gradient")
        }
    }
}
