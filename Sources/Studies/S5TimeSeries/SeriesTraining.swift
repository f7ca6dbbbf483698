// Train on clean series, use on drifting ones: the table of the study.

internal import Normalization
internal import Plots
internal import TrainingKit

struct SeriesTraining {
    static let seeds: [UInt64] = [0, 1]
    private static let steps = 150
    private static let batch = 64
    private static let training = 2048
    private static let test = 2000

    let context: StudyContext

    /// Accuracy of each drift, for each seed.
    private typealias Row = [SeriesDrift: [Double]]

    func run() throws -> (checks: [Check], tables: [Table], panel: Panel) {
        let shape = try accuracies(.shape, SeriesNormalizer.compared, SeriesDrift.compared)
        let level = try accuracies(.level, SeriesNormalizer.allCases, [.clean])
        let frequency = try accuracies(.frequency, SeriesNormalizer.compared, [.clean, .featureLevel])
        let others: [(String, [SeriesNormalizer: Row], SeriesDrift)] = [
            ("level", level, .clean), ("frequency", frequency, .clean),
            ("frequency, level of each feature 3", frequency, .featureLevel),
        ]
        return (
            checks(shape: shape, level: level, frequency: frequency),
            [
                Table(
                    "Shape task: accuracy after training without drift (seed 0 / seed 1; chance is 0.25)",
                    columns: ["normalizer"] + SeriesDrift.compared.map(\.rawValue),
                    rows: SeriesNormalizer.compared.map { norm in
                        [norm.rawValue] + SeriesDrift.compared.map { shown(shape[norm]?[$0]) }
                    }),
                Table(
                    "Level task and frequency task: accuracy (chance is 0.5)",
                    columns: ["normalizer"] + others.map(\.0),
                    rows: SeriesNormalizer.allCases.map { norm in
                        [norm.rawValue] + others.map { shown($0.1[norm]?[$0.2]) }
                    }),
            ],
            Panel(
                "Which pattern? Trained without drift",
                .heatMap(
                    rows: SeriesNormalizer.compared.map(\.rawValue), columns: SeriesDrift.compared.map(\.rawValue),
                    values: SeriesNormalizer.compared.map { norm in SeriesDrift.compared.map { mean(shape[norm]?[$0]) }
                    },
                    range: 0.25...1, legend: "accuracy; 0.25 is chance"))
        )
    }

    private func accuracies(
        _ task: SeriesTask, _ normalizers: [SeriesNormalizer], _ drifts: [SeriesDrift]
    ) throws -> [SeriesNormalizer: Row] {
        var rows: [SeriesNormalizer: Row] = [:]
        for seed in Self.seeds {
            let training = try task.samples(Self.training, seed: seed, stream: 511)
            let test = try task.samples(Self.test, seed: seed, stream: 512)
            let tests = try drifts.map { ($0, try $0.applied(to: test, seed: seed)) }
            for normalizer in normalizers {
                context.progress("\(task) task, \(normalizer.rawValue), seed \(seed)")
                var random = RandomStream(seed: seed, stream: 513)
                let net = try SeriesNet(
                    normalizer, reading: task == .frequency ? .order : .mean, steps: SeriesTask.steps,
                    features: SeriesTask.features, classes: task.classes, random: &random, backend: context.backend)
                try net.train(training, steps: Self.steps, batch: Self.batch, random: &random)
                for (drift, set) in tests {
                    rows[normalizer, default: [:]][drift, default: []].append(try net.accuracy(on: set))
                }
            }
        }
        return rows
    }

    private func checks(
        shape: [SeriesNormalizer: Row], level: [SeriesNormalizer: Row], frequency: [SeriesNormalizer: Row]
    ) -> [Check] {
        let common: [SeriesDrift] = [.commonLevel, .commonScale, .both]
        func worst(_ normalizer: SeriesNormalizer) -> Double {
            common.flatMap { shape[normalizer]?[$0] ?? [] }.min() ?? .nan
        }
        func farthest(_ row: Row?) -> Double { row?[.clean]?.map { abs($0 - 0.5) }.max() ?? .nan }
        return [
            Check(
                .effect,
                "Trained without drift, LayerNorm per step keeps an accuracy of at least 0.95 on the shape task under "
                    + "common level, common scale and both, for both seeds.",
                .atLeast(0.95), observed: worst(.timeStep),
                mutant: ("normalized over time instead of features", worst(.instance))),
            Check(
                .effect, "Without normalization a common level drift costs the shape task: mean accuracy at most 0.8.",
                .atMost(0.8), observed: mean(shape[SeriesNormalizer.none]?[.commonLevel]),
                mutant: ("LayerNorm per step", mean(shape[.timeStep]?[.commonLevel]))),
            Check(
                .effect,
                "LayerNorm per step does not cure offsets that differ between features: mean accuracy at "
                    + "most 0.85.",
                .atMost(0.85), observed: mean(shape[.timeStep]?[.featureLevel]),
                mutant: ("the offset is common to all features", mean(shape[.timeStep]?[.commonLevel]))),
            Check(
                .effect,
                "A label that is the sign of the level is chance behind LayerNorm: |accuracy - 0.5| below "
                    + "0.05.",
                .atMost(0.05), observed: farthest(level[.timeStep]),
                mutant: ("no normalization", farthest(level[SeriesNormalizer.none]))),
            Check(
                .effect, "LevelScaleSkip gives that label back: accuracy at least 0.95.",
                .atLeast(0.95), observed: level[.levelScaleSkip]?[.clean]?.min() ?? .nan,
                mutant: ("instance norm over time", mean(level[.instance]?[.clean]))),
            Check(
                .effect,
                "Where the label is a frequency and each feature has its own offset, instance norm over time keeps at "
                    + "least 0.95.",
                .atLeast(0.95), observed: frequency[.instance]?[.featureLevel]?.min() ?? .nan,
                mutant: ("LayerNorm per step", mean(frequency[.timeStep]?[.featureLevel]))),
            Check(
                .effect, "There LayerNorm per step, near perfect without those offsets, falls below 0.8.",
                .atMost(0.8), observed: frequency[.timeStep]?[.featureLevel]?.max() ?? .nan,
                mutant: ("no offsets", mean(frequency[.timeStep]?[.clean]))),
        ]
    }

    private func mean(_ accuracies: [Double]?) -> Double {
        guard let accuracies, !accuracies.isEmpty else { return .nan }
        return accuracies.reduce(0, +) / Double(accuracies.count)
    }

    private func shown(_ accuracies: [Double]?) -> String {
        accuracies?.map { TableCell.fixed($0, 3) }.joined(separator: " / ") ?? ""
    }
}
