/// The textbook: attention of one batch entry and head and its gradients, in the order of the formulas, with the
/// exponential of the caller. In `Double` it is the judge of accuracy, in `Float` what it is compared with.
struct PlainAttention<Scalar: BinaryFloatingPoint> {
    /// Rows of `size` elements.
    let query, key, value, gradient: [Scalar]
    let size: Int
    let scale: Scalar
    /// How many keys, from the first on, each query sees.
    let seen: [Int]
    let exp, log: (Scalar) -> Scalar

    struct Result {
        var output, logSumExp, query, key, value: [Scalar]

        /// As the tables name them.
        var parts: [(name: String, elements: [Scalar])] {
            [
                ("output", output), ("logSumExp", logSumExp), ("dquery", query), ("dkey", key), ("dvalue", value),
            ]
        }

        mutating func append(_ other: Result) {
            output += other.output
            logSumExp += other.logSumExp
            query += other.query
            key += other.key
            value += other.value
        }
    }

    private func dot(_ a: [Scalar], _ i: Int, _ b: [Scalar], _ j: Int) -> Scalar {
        var sum: Scalar = 0
        for d in 0..<size { sum += a[i * size + d] * b[j * size + d] }
        return sum
    }

    func evaluate() -> Result {
        var r = Result(
            output: query.map { _ in 0 }, logSumExp: [], query: query.map { _ in 0 }, key: key.map { _ in 0 },
            value: key.map { _ in 0 })
        for (i, seen) in seen.enumerated() {
            let s = (0..<seen).map { scale * dot(query, i, key, $0) }
            let most = s.max() ?? 0
            let e = s.map { exp($0 - most) }
            let sum = e.reduce(0, +)
            let p = e.map { $0 / sum }
            let dp = (0..<seen).map { dot(gradient, i, value, $0) }
            let delta = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
            r.logSumExp.append(most + log(sum))
            for j in 0..<seen {
                let ds = p[j] * (dp[j] - delta) * scale
                for d in 0..<size {
                    r.output[i * size + d] += p[j] * value[j * size + d]
                    r.query[i * size + d] += ds * key[j * size + d]
                    r.key[j * size + d] += ds * query[i * size + d]
                    r.value[j * size + d] += p[j] * gradient[i * size + d]
                }
            }
        }
        return r
    }
}
