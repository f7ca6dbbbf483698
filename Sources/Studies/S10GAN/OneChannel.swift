internal import ReferenceKernels
internal import Tensors
internal import TrainingKit

/// One channel of BatchNorm over a batch of real and generated samples, in double precision.
struct OneChannel {
    private static let epsilon = 1e-5

    /// x̂ and s of `z`.
    private static func normalized(_ z: [Double], epsilon: Double = epsilon) -> (x: [Double], deviation: Double) {
        let mean = z.reduce(0, +) / Double(z.count)
        let variance = z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(z.count)
        let s = (variance + epsilon).squareRoot()
        return (z.map { ($0 - mean) / s }, s)
    }

    /// ∂x̂_i/∂z_j by pullbacks of the textbook evaluation.
    private static func jacobian(_ z: [Double], epsilon: Double = epsilon) -> [[Double]] {
        let shape = ChannelShape(
            samples: z.count, channels: 1, positions: 1, layout: .channelsFirst, groups: 1, regions: [z.count])
        let norm = PlainChannelNorm<Double>(shape, weight: nil, bias: nil, epsilon: epsilon)
        return z.indices.map { i in
            norm.backward(z.indices.map { $0 == i ? 1 : 0 }, x: z).dx
        }
    }

    private static func samples(_ count: Int, stream: UInt64) -> [Double] {
        var random = RandomStream(seed: 0, stream: stream)
        return random.normals(count)
    }

    static func checks() -> [Check] { [jacobianFormula(), leakFormula(), leakOfOneDistribution(), separatedSets()] }

    /// epsilon is inside s, and x̂_i x̂_j stands for the derivative of the variance: the formula holds with epsilon
    /// too.
    private static func jacobianFormula() -> Check {
        let z = samples(24, stream: 101)
        let (x, s) = normalized(z)
        func deviation(_ formula: (Int, Int) -> Double) -> Double {
            jacobian(z).enumerated().flatMap { i, row in row.enumerated().map { abs($1 - formula(i, $0)) } }.max() ?? 0
        }
        return Check(
            .exact, "BatchNorm over N = 24 samples has ∂x̂_i/∂z_j = (δ_ij - (1 + x̂_i x̂_j)/N)/s to 1e-12.",
            .atMost(1e-12),
            observed: deviation { ((($0 == $1) ? 1 : 0) - (1 + x[$0] * x[$1]) / 24) / s },
            mutant: (
                "the derivative of the mean is forgotten", deviation { ((($0 == $1) ? 1 : 0) - x[$0] * x[$1] / 24) / s }
            ))
    }

    /// Σ (1 + x̂_i x̂_j)² / (N s)² over i of the generated half and j of the real one.
    private static func leak(_ z: [Double], epsilon: Double = epsilon) -> Double {
        let (x, s) = normalized(z, epsilon: epsilon)
        let half = z.count / 2
        var sum = 0.0
        for i in half..<z.count { for j in 0..<half { sum += (1 + x[i] * x[j]) * (1 + x[i] * x[j]) } }
        return sum / (Double(z.count) * s * Double(z.count) * s)
    }

    private static func leakFormula() -> Check {
        let z = samples(12, stream: 102).map { $0 + 1 } + samples(12, stream: 103)
        let measured = jacobian(z)[12...].reduce(0) { $0 + $1[..<12].reduce(0) { $0 + $1 * $1 } }
        let unbiased = leak(z) * 23 / 24
        return Check(
            .exact,
            "What leaks from 12 real samples to 12 generated ones, ‖∂x̂_fake/∂z_real‖², is Σ (1 + x̂_i x̂_j)²/(N s)² "
                + "to 1e-12 of it.",
            .atMost(1e-12), observed: abs(measured / leak(z) - 1),
            mutant: ("the unbiased variance", abs(measured / unbiased - 1)))
    }

    private static func leakOfOneDistribution() -> Check {
        var (ratio, count) = (0.0, 0.0)
        var wrong = 0.0
        for trial in 0..<50 {
            let z = samples(256, stream: UInt64(2000 + trial))
            let s = normalized(z).deviation
            ratio += leak(z) * 2 * s * s
            wrong += leak(z) * s * s
            count += 1
        }
        return Check(
            .law,
            "Where both halves have one distribution, the leak is 1/(2 s²), to 3 % in the mean of 50 batches of 256.",
            .within(expected: 1, tolerance: 0.03), observed: ratio / count, mutant: ("1/s² instead", wrong / count))
    }

    private static func separatedSets() -> Check {
        let apart = [Double](repeating: 5, count: 16) + [Double](repeating: -3, count: 16)
        return Check(
            .exact,
            "It vanishes, exactly, where all real samples are one point and all generated ones another: x̂ = 1 and -1.",
            .equal(0), observed: leak(apart, epsilon: 0),
            mutant: ("one real sample is moved", leak([4] + apart.dropFirst(), epsilon: 0)))
    }

    // MARK: - The noise of resampled real samples

    struct Noise {
        let batch: Int
        let measured: Double
        var law: Double { 1 / (2 * Double(batch).squareRoot()) }
    }

    /// The relative standard deviation of ∂x̂_i/∂z_i, i generated, over 2000 draws of the real half; the mean over i.
    static func noise(batch: Int, resampling: Bool = true) -> Noise {
        let half = batch / 2
        var random = RandomStream(seed: 1, stream: UInt64(batch))
        let fakes = random.normals(half)
        let fixed = random.normals(half)
        var (sums, squares) = ([Double](repeating: 0, count: half), [Double](repeating: 0, count: half))
        let draws = 2000
        for _ in 0..<draws {
            let drawn = random.normals(half)
            let (x, s) = normalized(fakes + (resampling ? drawn : fixed))
            for i in 0..<half {
                let slope = (1 - (1 + x[i] * x[i]) / Double(batch)) / s
                sums[i] += slope
                squares[i] += slope * slope
            }
        }
        let deviations = (0..<half).map { i in
            let mean = sums[i] / Double(draws)
            return max(squares[i] / Double(draws) - mean * mean, 0).squareRoot() / mean
        }
        return Noise(batch: batch, measured: deviations.reduce(0, +) / Double(half))
    }
}
