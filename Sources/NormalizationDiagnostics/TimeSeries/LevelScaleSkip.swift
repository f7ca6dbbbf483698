private import Foundation
public import Normalization

/// ``TimeStepLayerNorm`` that keeps what it removes: level and scale of each step stay beside the normalized features.
///
/// ```swift
/// let skip = try LevelScaleSkip(featureCount: 16)
/// let y = try skip(x)                                   // x: [batch, time, 16], y: [batch, time, 18]
/// ```
///
/// ```
/// y[n, t, 0..<d] = (x[n, t] - mean[n, t]) / s[n, t]         s = sqrt(variance + epsilon)
/// y[n, t, d]     = mean[n, t]
/// y[n, t, d + 1] = log s[n, t]
/// ```
/// No information is lost: x = y[0..<d] · exp(y[d + 1]) + y[d]. The model decides whether level and scale matter; a
/// model that uses them is exposed to their drift. There are no weights: the layer behind it has them.
///
/// Precision: the features are those of ``LayerNorm``; mean and log s are taken in `Double` and rounded once.
public struct LevelScaleSkip: Sendable {
    public let featureCount: Int
    public let epsilon: Float
    public var backend: Backend

    /// - Parameter epsilon: Added to the variance; above 0, unless no step has equal features.
    /// - Throws: `NormalizationError` if `featureCount` is less than 1 or `epsilon` is not a finite number of at least
    ///   0.
    public init(featureCount: Int, epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) {
        let norm = try LayerNorm(featureCount: featureCount, epsilon: epsilon, backend: backend)
        self.featureCount = featureCount
        self.epsilon = norm.epsilon
        self.backend = backend
    }

    /// - Parameter x: [batch, time, feature].
    /// - Returns: [batch, time, feature + 2].
    /// - Throws: `NormalizationError` for another shape.
    public func callAsFunction(_ x: Tensor<Float>) throws(NormalizationError) -> Tensor<Float> {
        try valueWithPullback(at: x).value
    }

    /// A function from the gradient of the output to that of the input.
    public typealias Pullback = @Sendable (Tensor<Float>) throws(NormalizationError) -> Tensor<Float>

    /// The output and its pullback, whose gradient goes through mean and scale:
    ///
    /// ```
    /// dx = dLayerNorm(dy[0..<d]) + dy[d] / d + dy[d + 1] (x - mean) / (d s²)
    /// ```
    ///
    /// - Throws: `NormalizationError` for another shape than [batch, time, feature].
    public func valueWithPullback(
        at x: Tensor<Float>
    ) throws(NormalizationError) -> (value: Tensor<Float>, pullback: Pullback) {
        try x.validateSeries(featureCount: featureCount, argument: "x")
        let features = featureCount
        let (normalized, statistics) = try layerNormWithStatistics(x, epsilon: epsilon, backend: backend)
        let moments = try rowMoments(x, backend: backend)
        var rows: [Float] = []
        rows.reserveCapacity(moments.count * (features + 2))
        normalized.withSpan { y in
            for (row, moments) in moments.enumerated() {
                for feature in 0..<features { rows.append(y[row * features + feature]) }
                rows.append(Float(moments.mean))
                rows.append(Float(log(moments.variance + Double(epsilon)) / 2))
            }
        }
        let shape = Shape([x.shape[0], x.shape[1], features + 2])
        let pullback: Pullback = { [epsilon, backend] (gradient) throws(NormalizationError) in
            guard gradient.shape == shape else {
                throw NormalizationError(
                    .shapeMismatch, argument: "gradient", expected: "shape \(shape)", given: "\(gradient.shape)")
            }
            var input = try layerNormBackward(
                gradient.sliced(0..<features, axis: 2), x: x, statistics: statistics, backend: backend
            ).input
            gradient.withSpan { dy in
                x.withSpan { x in
                    input.withMutableSpan { dx in
                        for (row, moments) in moments.enumerated() {
                            let level = Double(dy[row * (features + 2) + features]) / Double(features)
                            let scale =
                                Double(dy[row * (features + 2) + features + 1])
                                / (Double(features) * (moments.variance + Double(epsilon)))
                            for index in row * features..<(row + 1) * features {
                                dx[index] += Float(level + scale * (Double(x[index]) - moments.mean))
                            }
                        }
                    }
                }
            }
            return input
        }
        return (try Tensor(rows, shape: shape), pullback)
    }
}
