internal import Normalization
internal import TrainingKit

/// What BatchNorm over separate batches cannot see: where a distribution lies and how wide it is.
enum SeparateBatches {
    static func check(backend: Backend) throws -> Check {
        let count = 4096
        var random = RandomStream(seed: 4, stream: 10)
        let real = random.normals(count).map { Float(3 + $0) }
        let fake = random.normals(count).map { Float(-1 + 0.2 * $0) }
        func distance(_ scope: BatchScope) throws -> Double {
            let x = try Tensor(real + fake, shape: [2 * count, 1])
            let y = try channelNorm(x, over: .batch(scope), backend: backend).array
            return largestDistance(Array(y[..<count]), Array(y[count...]))
        }
        return Check(
            .law,
            "Normalized by batches of their own, N(3, 1) and N(-1, 0.2²) are one distribution: of 4096 samples each, "
                + "the distribution functions differ by less than 0.03.",
            .atMost(0.03), observed: try distance(.perSource([count, count])),
            mutant: ("one joint batch", try distance(.joint)))
    }

    /// The largest distance of two empirical distribution functions (Kolmogorov and Smirnov).
    private static func largestDistance(_ a: [Float], _ b: [Float]) -> Double {
        let (a, b) = (a.sorted(), b.sorted())
        var (i, j, worst) = (0, 0, 0.0)
        while i < a.count && j < b.count {
            if a[i] <= b[j] { i += 1 } else { j += 1 }
            worst = max(worst, abs(Double(i) / Double(a.count) - Double(j) / Double(b.count)))
        }
        return worst
    }
}
