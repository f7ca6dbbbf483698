private import Foundation
public import Normalization

/// A change of time series that a model may be asked not to notice: a factor and an offset at each sample, step and
/// feature.
///
/// ```
/// x'[n, t, i] = scale(n, t, i) · x[n, t, i] + offset(n, t, i)
/// ```
/// The ready-made ones take their numbers from a fixed, evenly spread sequence (multiples of the golden ratio modulo
/// 1), so that they are the same at every call and jump from step to step.
public struct Drift: Sendable {
    public let name: String
    private let scale: @Sendable (_ sample: Int, _ step: Int, _ feature: Int) -> Double
    private let offset: @Sendable (_ sample: Int, _ step: Int, _ feature: Int) -> Double

    public init(
        _ name: String,
        scale: @escaping @Sendable (_ sample: Int, _ step: Int, _ feature: Int) -> Double = { _, _, _ in 1 },
        offset: @escaping @Sendable (_ sample: Int, _ step: Int, _ feature: Int) -> Double = { _, _, _ in 0 }
    ) {
        self.name = name
        self.scale = scale
        self.offset = offset
    }

    /// The drifted series, computed in `Double` and rounded once.
    ///
    /// - Parameter x: [batch, time, feature].
    /// - Throws: `NormalizationError` for another shape.
    public func callAsFunction(_ x: Tensor<Float>) throws(NormalizationError) -> Tensor<Float> {
        try x.validateSeries(argument: "x")
        let (steps, features) = (x.shape[1], x.shape[2])
        var y = x
        y.withMutableSpan { y in
            for index in y.indices {
                let row = index / features
                let (sample, step, feature) = (row / steps, row % steps, index % features)
                y[index] = Float(
                    scale(sample, step, feature) * Double(y[index]) + offset(sample, step, feature))
            }
        }
        return y
    }

    /// Each step has an offset within -size ... size, the same for all features.
    public static func commonLevel(_ size: Double) -> Drift {
        Drift("level of all features, each step", offset: { sample, step, _ in size * spread(step, sample) })
    }

    /// Each step has a factor within 1/factor ... factor, the same for all features.
    public static func commonScale(_ factor: Double) -> Drift {
        Drift("scale of all features, each step", scale: { sample, step, _ in pow(factor, spread(step, sample)) })
    }

    /// Each feature has an offset within -size ... size, the same at all steps.
    public static func featureLevel(_ size: Double) -> Drift {
        Drift("level of each feature, all steps", offset: { sample, _, feature in size * spread(feature, sample) })
    }

    /// Each feature has a factor within 1/factor ... factor, the same at all steps.
    public static func featureScale(_ factor: Double) -> Drift {
        Drift("scale of each feature, all steps", scale: { sample, _, feature in pow(factor, spread(feature, sample)) })
    }

    /// Every second step has its sign changed: a factor that is not positive.
    public static let signChange = Drift("sign of every second step", scale: { _, step, _ in step % 2 == 0 ? 1 : -1 })

    /// One of each kind, of sizes that suit standardised data.
    public static let standard: [Drift] = [
        .commonLevel(10), .commonScale(4), .featureLevel(3), .featureScale(4), .signChange,
    ]

    /// Evenly spread numbers within -1 ..< 1.
    private static func spread(_ index: Int, _ sample: Int) -> Double {
        let golden = (5.0.squareRoot() - 1) / 2
        let x = Double(index + 1) * golden + Double(sample) * 2.0.squareRoot()
        return 2 * (x - x.rounded(.down)) - 1
    }
}
