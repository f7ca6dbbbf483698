// A small classifier of time series behind one of several normalizers.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

enum SeriesNormalizer: String, CaseIterable {
    case none
    case batchNorm = "BatchNorm"
    case timeStep = "LN per step"
    case instance = "instance norm over time"
    case levelScaleSkip = "LN and level, scale"

    /// Those that are compared under drift.
    static let compared: [SeriesNormalizer] = [.none, .batchNorm, .timeStep, .instance]

    func outputs(features: Int) -> Int { self == .levelScaleSkip ? features + 2 : features }
}

/// Normalizer, then a layer at each step (or over all steps at once), ReLU, mean over time, classes.
final class SeriesNet {
    /// What the net can see: the mean over time of what each step tells, or the order of steps too.
    enum Reading { case mean, order }

    private let normalizer: SeriesNormalizer
    private let reading: Reading
    private let hidden: Linear
    private let output: Linear
    private let timeStep: TimeStepLayerNorm
    private let instance: InstanceNormOverTime
    private let skip: LevelScaleSkip
    private var batchNorm: BatchNorm
    private let backend: Backend

    init(
        _ normalizer: SeriesNormalizer, reading: Reading, steps: Int, features: Int, classes: Int,
        random: inout RandomStream,
        backend: Backend
    ) throws {
        self.normalizer = normalizer
        self.reading = reading
        self.backend = backend
        timeStep = try TimeStepLayerNorm(featureCount: features, backend: backend)
        instance = try InstanceNormOverTime(featureCount: features, backend: backend)
        skip = try LevelScaleSkip(featureCount: features, backend: backend)
        batchNorm = try BatchNorm(channelCount: features, layout: .channelsLast, backend: backend)
        let inputs = normalizer.outputs(features: features) * (reading == .order ? steps : 1)
        hidden = try Linear(inputs: inputs, outputs: 32, random: &random, backend: backend)
        output = try Linear(inputs: 32, outputs: classes, random: &random, backend: backend)
    }

    private func normalized(_ x: Tensor<Float>, isTraining: Bool) throws -> Tensor<Float> {
        switch normalizer {
        case .none: x
        case .batchNorm: isTraining ? try batchNorm.train(x).value : try batchNorm(x)
        case .timeStep: try timeStep(x)
        case .instance: try instance(x)
        case .levelScaleSkip: try skip(x)
        }
    }

    /// The normalizers have no weights of their own here (the layer behind them has), so that no gradient passes them.
    private func logits(_ x: Tensor<Float>, isTraining: Bool) throws -> Traced {
        let z = try normalized(x, isTraining: isTraining)
        let (samples, steps) = (z.shape[0], reading == .order ? 1 : z.shape[1])
        let first = try hidden(try z.reshaped(to: [samples, steps, z.count / max(samples * steps, 1)]))
        let active = try Activation.relu(first.value)
        let last = try output(meanOverTime(active.value))
        return Traced(last.value) { gradient in
            let spread = try self.spreadOverTime(last.pullback(gradient), steps: steps)
            return try first.pullback(active.pullback(spread))
        }
    }

    func train(_ set: LabelledSeries, steps: Int, batch: Int, random: inout RandomStream) throws {
        var adam = Adam()
        for _ in 0..<steps {
            let chosen = (0..<batch).map { _ in random.index(below: set.labels.count) }
            let traced = try logits(set.series(chosen), isTraining: true)
            let loss = try Loss.crossEntropy(traced.value, labels: chosen.map { set.labels[$0] }, backend: backend)
            _ = try traced.pullback(loss.gradient)
            adam.step(hidden.parameters + output.parameters, rate: 1e-2)
        }
    }

    func accuracy(on set: LabelledSeries) throws -> Double {
        let scores = try logits(set.x, isTraining: false).value
        let (classes, values) = (scores.shape[1], scores.array)
        let right = set.labels.enumerated().lazy.filter { row, label in
            (0..<classes).allSatisfy { values[row * classes + $0] <= values[row * classes + label] }
        }
        return Double(right.count) / Double(set.labels.count)
    }

    private func meanOverTime(_ x: Tensor<Float>) throws -> Tensor<Float> {
        let (samples, steps, columns) = (x.shape[0], x.shape[1], x.shape[2])
        var sums = [Float](repeating: 0, count: samples * columns)
        x.withSpan { x in
            for row in 0..<samples * steps {
                for column in 0..<columns { sums[row / steps * columns + column] += x[row * columns + column] }
            }
        }
        return try Tensor(sums.map { $0 / Float(steps) }, shape: [samples, columns])
    }

    private func spreadOverTime(_ gradient: Tensor<Float>, steps: Int) throws -> Tensor<Float> {
        let columns = gradient.shape[1]
        let spread = gradient.withSpan { g in
            (0..<gradient.count * steps).map { g[$0 / columns / steps * columns + $0 % columns] / Float(steps) }
        }
        return try Tensor(spread, shape: [gradient.shape[0], steps, columns])
    }
}

/// Series [sample, time, feature] and a class for each.
struct LabelledSeries {
    let x: Tensor<Float>
    let labels: [Int]

    func series(_ samples: [Int]) throws -> Tensor<Float> {
        let size = x.shape[1] * x.shape[2]
        let chosen = x.withSpan { x in samples.flatMap { sample in (0..<size).map { x[sample * size + $0] } } }
        return try Tensor(chosen, shape: [samples.count, x.shape[1], x.shape[2]])
    }
}
