// The judge: one series of [time, feature] in Double, and the two normalizations of it by the textbook.

internal import ReferenceKernels
internal import TrainingKit

struct PlainSeries {
    var values: [Double]
    let features: Int
    var steps: Int { values.count / features }

    init(values: [Double], features: Int) {
        self.values = values
        self.features = features
    }

    init(steps: Int, features: Int, random: inout RandomStream) {
        self.init(values: random.normals(steps * features), features: features)
    }

    /// Each element x at a step and a feature becomes scale · x + offset.
    func drifted(scale: (Int, Int) -> Double = { _, _ in 1 }, offset: (Int, Int) -> Double = { _, _ in 0 })
        -> PlainSeries
    {
        let moved = values.enumerated().map { index, x in
            scale(index / features, index % features) * x + offset(index / features, index % features)
        }
        return PlainSeries(values: moved, features: features)
    }

    /// LayerNorm over the features of each step.
    func overFeatures(epsilon: Double = 0) -> PlainSeries {
        let y = PlainNorm<Double>.forward(
            .layerNorm, values, columns: features, weight: nil, bias: nil, epsilon: epsilon)
        return PlainSeries(values: y, features: features)
    }

    /// Instance norm: each feature over time.
    func overTime(epsilon: Double = 0) -> PlainSeries {
        let y = PlainNorm<Double>.forward(
            .layerNorm, byFeature, columns: steps, weight: nil, bias: nil, epsilon: epsilon)
        return PlainSeries(values: values.indices.map { y[$0 % features * steps + $0 / features] }, features: features)
    }

    /// The largest difference from another series, as a share of its largest element.
    func deviation(from other: PlainSeries, sign: Double = 1) -> Double {
        let largest = other.values.lazy.map(abs).max() ?? 1
        return (zip(values, other.values).lazy.map { abs($0 - sign * $1) }.max() ?? 0) / largest
    }

    /// Biased variance of the features of each step.
    var stepVariances: [Double] {
        (0..<steps).map { step in
            let row = values[step * features..<(step + 1) * features]
            let mean = row.reduce(0, +) / Double(features)
            return row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(features)
        }
    }

    /// The mean square of the features of each step.
    var stepEnergies: [Double] {
        (0..<steps).map { step in
            values[step * features..<(step + 1) * features].reduce(0) { $0 + $1 * $1 } / Double(features)
        }
    }

    /// The largest mean of a feature over time, in size.
    var largestWindowMean: Double {
        (0..<features).map { feature in
            abs(stride(from: feature, to: values.count, by: features).reduce(0) { $0 + values[$1] } / Double(steps))
        }.max() ?? 0
    }

    private var byFeature: [Double] {
        (0..<features * steps).map { values[$0 % steps * features + $0 / steps] }
    }
}
