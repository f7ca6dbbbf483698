// Three questions about time series, each answered by something that one of the normalizations erases.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit
private import Foundation

enum SeriesTask: Hashable {
    /// Which of four patterns over the features: in the differences between features.
    case shape
    /// Whether the common level is positive: in the mean of the features.
    case level
    /// One or two periods in the window, weak, of any phase and of either sign by feature: in the differences between
    /// steps. Of any phase, so that a net must look at sizes of sums over steps, which offsets of features move.
    case frequency

    static let steps = 24
    static let features = 16

    var classes: Int { self == .shape ? 4 : 2 }

    /// - Parameter seed: The patterns depend on it; `stream` tells samples apart.
    func samples(_ count: Int, seed: UInt64, stream: UInt64) throws -> LabelledSeries {
        var shared = RandomStream(seed: seed, stream: 510)
        let patterns = (0..<4).map { _ in shared.normals(Self.features) }
        var random = RandomStream(seed: seed, stream: stream)
        var values: [Float] = []
        values.reserveCapacity(count * Self.steps * Self.features)
        var labels: [Int] = []
        for _ in 0..<count {
            let label = random.index(below: classes)
            let phase = random.uniform(in: -Double.pi..<Double.pi)
            labels.append(label)
            for step in 0..<Self.steps {
                let angle = 2 * Double.pi * Double((label + 1) * step) / Double(Self.steps) + phase
                let wave = sin(angle)
                for feature in 0..<Self.features {
                    let signal =
                        switch self {
                        case .shape: patterns[label][feature]
                        case .level: label == 1 ? 1.0 : -1
                        case .frequency: patterns[0][feature] > 0 ? 0.3 * wave : -0.3 * wave
                        }
                    values.append(Float(signal + 0.8 * random.normal()))
                }
            }
        }
        return LabelledSeries(x: try Tensor(values, shape: [count, Self.steps, Self.features]), labels: labels)
    }
}

/// What changes between training and use.
enum SeriesDrift: String {
    case clean
    case commonLevel = "common level x 10"
    case commonScale = "common log scale 1.5"
    case both = "both"
    case featureLevel = "level of each feature 3"

    /// Those of the shape task.
    static let compared: [SeriesDrift] = [.clean, .commonLevel, .commonScale, .both, .featureLevel]

    /// Random walks over the window (standard deviation about 1 at its end, so slow) times their size; offsets of
    /// features are drawn once a sample.
    func applied(to set: LabelledSeries, seed: UInt64) throws -> LabelledSeries {
        var random = RandomStream(seed: seed, stream: 520)
        let samples = set.labels.count
        let (levels, scales) = (walks(samples, &random), walks(samples, &random))
        let features = (0..<samples).map { _ in random.normals(SeriesTask.features) }
        let hasLevel = self == .commonLevel || self == .both
        let hasScale = self == .commonScale || self == .both
        let featureSize = self == .featureLevel ? 3.0 : 0
        let drift = Drift(
            rawValue, scale: { sample, step, _ in hasScale ? exp(1.5 * scales[sample][step]) : 1 },
            offset: { sample, step, feature in
                (hasLevel ? 10 * levels[sample][step] : 0) + featureSize * features[sample][feature]
            })
        return LabelledSeries(x: try drift(set.x), labels: set.labels)
    }

    /// A random start, then small steps: variance 1 at the end of the window.
    private func walks(_ count: Int, _ random: inout RandomStream) -> [[Double]] {
        (0..<count).map { _ in
            var place = random.normal() * 0.5.squareRoot()
            return (0..<SeriesTask.steps).map { _ in
                place += random.normal() * (0.5 / Double(SeriesTask.steps)).squareRoot()
                return place
            }
        }
    }
}
