/// How much the result for one sample of a batch depends on the other samples.
///
/// ```swift
/// let probe = try BatchLeakageProbe(at: batch) { x in
///     let (value, pullback) = try critic(x)                      // a Critic, or your own net
///     return (value, { gradient in try pullback(gradient).input })
/// }
/// if !probe.isExactlyZero { print("samples leak, most:", probe.largestLeak) }
/// ```
/// The matrix is that of ‖∂logit_i / ∂x_j‖. It takes one pullback a sample: probe a small batch. A model of BatchNorm
/// leaks while it trains and not by its running statistics, so give it as it trains. A leak can vanish by chance, as
/// between two sets that BatchNorm maps to -1 and 1: probe in the middle of training or where sets overlap.
public struct BatchLeakageProbe: Hashable, Sendable {
    /// ‖∂logit_i / ∂x_j‖, [i][j], summed in float64.
    public let norms: [[Double]]

    /// - Parameters:
    ///   - x: [samples, ...].
    ///   - model: Gives one logit a sample, [samples] or [samples, 1], and its pullback to the gradient of `x`.
    /// - Throws: `NormalizationError` for other counts than that, and what the model throws.
    public init(
        at x: Tensor<Float>,
        model: (Tensor<Float>) throws -> (logits: Tensor<Float>, pullback: (Tensor<Float>) throws -> Tensor<Float>)
    ) throws {
        guard x.shape.rank >= 1 else {
            throw NormalizationError(
                .invalidShape, argument: "x", expected: "an axis of samples", given: "shape \(x.shape)")
        }
        let samples = x.shape[0]
        let (logits, pullback) = try model(x)
        guard logits.count == samples else {
            throw NormalizationError(
                .shapeMismatch, argument: "model", expected: "\(samples) logits", given: "shape \(logits.shape)")
        }
        norms = try (0..<samples).map { sample in
            var oneLogit = [Float](repeating: 0, count: samples)
            oneLogit[sample] = 1
            let gradient = try pullback(Tensor(oneLogit, shape: logits.shape))
            guard gradient.shape == x.shape else {
                throw NormalizationError(
                    .shapeMismatch, argument: "model", expected: "a gradient of shape \(x.shape)",
                    given: "\(gradient.shape)")
            }
            return sampleNorms(gradient)
        }
    }

    /// Whether no sample depends on another: every entry off the diagonal is exactly 0. NaN counts as a dependence.
    public var isExactlyZero: Bool { leakCount == 0 }

    /// Entries off the diagonal that are not exactly 0.
    public var leakCount: Int { offDiagonal.count { !($0 == 0) } }

    public var largestLeak: Double { offDiagonal.max() ?? 0 }

    /// sqrt(Σ ‖∂logit_i / ∂x_j‖²) over i of `results` and j of `sources`, without i = j.
    public func leak(to results: Range<Int>, from sources: Range<Int>) -> Double {
        var sum = 0.0
        for i in results { for j in sources where i != j { sum += norms[i][j] * norms[i][j] } }
        return sum.squareRoot()
    }

    private var offDiagonal: [Double] {
        norms.enumerated().flatMap { i, row in row.enumerated().filter { $0.offset != i }.map(\.element) }
    }
}

/// The norm of each sample of [samples, ...].
func sampleNorms(_ x: Tensor<Float>) -> [Double] {
    let samples = x.shape[0]
    return x.withSpan { x in
        (0..<samples).map { sample in
            let size = x.count / samples
            var sum = 0.0
            for index in sample * size..<(sample + 1) * size { sum += Double(x[index]) * Double(x[index]) }
            return sum.squareRoot()
        }
    }
}
