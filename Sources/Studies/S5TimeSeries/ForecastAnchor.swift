// RevIN, both ways: a level that no training window had, and outliers in the window that it normalizes by.

internal import Normalization
internal import TrainingKit

struct ForecastAnchor {
    static let seeds: [UInt64] = [0, 1, 2]
    private static let past = 48
    private static let horizon = 8

    let context: StudyContext

    private enum Condition: CaseIterable { case clean, shift, outliers }

    /// Mean squared error of each condition.
    private typealias Errors = [Condition: Double]

    func run() throws -> (checks: [Check], table: Table) {
        var plain: [Errors] = []
        var reversible: [Errors] = []
        for seed in Self.seeds {
            context.progress("forecasts, seed \(seed)")
            plain.append(try errors(seed: seed, isReversible: false))
            reversible.append(try errors(seed: seed, isReversible: true))
        }
        func mean(_ errors: [Errors], _ condition: Condition) -> Double {
            errors.reduce(0) { $0 + ($1[condition] ?? .nan) } / Double(errors.count)
        }
        func gain(_ condition: Condition) -> Double { mean(plain, condition) / mean(reversible, condition) }
        func rise(_ errors: [Errors]) -> Double { mean(errors, .outliers) / mean(errors, .clean) }
        let checks = [
            Check(
                .effect,
                "On series whose level moved by 20 deviations after training, RevIN's forecast errs less: its mean "
                    + "squared error is at most a fifth of the same net's without it.",
                .atLeast(5), observed: gain(.shift), mutant: ("the level did not move", gain(.clean))),
            Check(
                .effect,
                "Outliers in the past make RevIN's forecast worse: 2 of 48 values off by 50 deviations at least "
                    + "triple its mean squared error, because they move the mean and the deviation that it gives back.",
                .atLeast(3), observed: rise(reversible), mutant: ("the same net without RevIN", rise(plain))),
        ]
        let rows = [("no normalization", plain), ("RevIN", reversible)].map { name, errors in
            [name] + Condition.allCases.map { TableCell.significant(mean(errors, $0)) }
        }
        return (
            checks,
            Table(
                "Forecasts of an autoregressive series (mean squared error, mean of 3 seeds)",
                columns: ["normalizer", "as in training", "level + 20 deviations", "outliers in the past"], rows: rows)
        )
    }

    private func errors(seed: UInt64, isReversible: Bool) throws -> Errors {
        var random = RandomStream(seed: seed, stream: 530)
        let norm = try ReversibleInstanceNorm(featureCount: 1, backend: context.backend)
        let linear = try Linear(
            inputs: Self.past, outputs: Self.horizon, deviation: 0.02, random: &random, backend: context.backend)

        func forecast(_ past: Tensor<Float>) throws -> Traced {
            let samples = past.shape[0]
            guard isReversible else { return try linear(past) }
            let (series, statistics) = try norm.normalize(past.reshaped(to: [samples, Self.past, 1]))
            let inner = try linear(series.reshaped(to: [samples, Self.past]))
            let (y, pullback) = try norm.denormalizeWithPullback(
                inner.value.reshaped(to: [samples, Self.horizon, 1]), statistics)
            return Traced(try y.reshaped(to: [samples, Self.horizon])) { gradient in
                let inside = try pullback(gradient.reshaped(to: [samples, Self.horizon, 1])).input
                return try inner.pullback(inside.reshaped(to: [samples, Self.horizon]))
            }
        }

        var adam = Adam()
        for step in 0..<600 {
            let (past, future) = try windows(128, .clean, random: &random)
            let traced = try forecast(past)
            _ = try traced.pullback(Loss.meanSquares(traced.value, target: future).gradient)
            adam.step(linear.parameters, rate: step < 450 ? 1e-2 : 1e-3)
        }
        var errors: Errors = [:]
        for condition in Condition.allCases {
            var test = RandomStream(seed: seed, stream: 531)
            let (past, future) = try windows(2000, condition, random: &test)
            errors[condition] = Loss.meanSquares(try forecast(past).value, target: future).loss
        }
        return errors
    }

    /// x[t] = 0.8 x[t - 1] + noise, of variance 1. Outliers lie in the first 40 of 48 values, so that a net may ignore
    /// them.
    private func windows(
        _ count: Int, _ condition: Condition, random: inout RandomStream
    ) throws -> (past: Tensor<Float>, future: Tensor<Float>) {
        let level = condition == .shift ? 20.0 : 0
        var (past, future): ([Float], [Float]) = ([], [])
        for _ in 0..<count {
            var x = random.normal()
            var window: [Float] = []
            for _ in 0..<Self.past + Self.horizon {
                x = 0.8 * x + 0.6 * random.normal()
                window.append(Float(x + level))
            }
            let places = [random.index(below: 40), random.index(below: 40)]
            if condition == .outliers { for place in places { window[place] += 50 } }
            past += window[..<Self.past]
            future += window[Self.past...]
        }
        return (
            try Tensor(past, shape: [count, Self.past]), try Tensor(future, shape: [count, Self.horizon])
        )
    }
}
