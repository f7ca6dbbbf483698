// The same statements of the package's own layers in float32, and what they lose: level, one feature, two features.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit
private import Foundation

struct SeriesKernels {
    private let x: Tensor<Float>
    private let backend: Backend
    private let features = DriftIdentities.features

    init(seed: UInt64, backend: Backend) throws {
        var random = RandomStream(seed: seed, stream: 501)
        x = try random.normal([8, DriftIdentities.steps, DriftIdentities.features])
        self.backend = backend
    }

    func checks() throws -> [Check] {
        [try drift(), try causality(), try oneFeature(), try twoFeatures(), try level(), try skip(), try reversible()]
    }

    private func drift() throws -> Check {
        let drifts: [Drift] = [.commonLevel(10), .commonScale(4), .featureLevel(3)]
        let norm = try TimeStepLayerNorm(featureCount: features, backend: backend)
        let report = try DriftInvarianceReport(at: x, drifts: drifts) { (x) throws(NormalizationError) in try norm(x) }
        return Check(
            .exact,
            "In float32, with epsilon 1e-5, common offsets of 10 and common factors of 1/4 to 4 move the output of "
                + "TimeStepLayerNorm by at most 1e-3 (epsilon's share at a factor of 1/4 and a variance of 0.3 is "
                + "2.5e-4, rounding x + 10 costs 1e-6).",
            .atMost(1e-3), observed: report.entries[..<2].map(\.relativeDeviation).max() ?? .nan,
            mutant: ("the offset of 3 differs between features", report.entries[2].relativeDeviation))
    }

    /// Elements of the first half whose bits change when the second half does.
    private func causality() throws -> Check {
        let half = DriftIdentities.steps / 2
        let changed = try Drift("the future", scale: { _, step, _ in step < half ? 1 : -3 })(x)
        func count(_ norm: (Tensor<Float>) throws -> Tensor<Float>) throws -> Double {
            let before = try norm(x).sliced(0..<half, axis: 1).array
            let after = try norm(changed).sliced(0..<half, axis: 1).array
            return Double(zip(before, after).lazy.filter { $0.bitPattern != $1.bitPattern }.count)
        }
        let overFeatures = try TimeStepLayerNorm(featureCount: features, backend: backend)
        let overTime = try InstanceNormOverTime(featureCount: features, backend: backend)
        return Check(
            .exact, "LayerNorm of a step does not see the future: no element before a change has other bits.",
            .equal(0),
            observed: try count { try overFeatures($0) },
            mutant: ("normalized over the window, the leak of a forecast", try count { try overTime($0) }))
    }

    private func oneFeature() throws -> Check {
        func different(_ count: Int) throws -> Double {
            let part = try x.sliced(0..<count, axis: 2).contiguous()
            let y = try TimeStepLayerNorm(featureCount: count, backend: backend)(part)
            return Double(y.array.lazy.filter { $0 != 0 }.count)
        }
        return Check(
            .exact, "A series of one feature leaves LayerNorm as zeros: no other element.", .equal(0),
            observed: try different(1), mutant: ("two features", try different(2)))
    }

    private func twoFeatures() throws -> Check {
        func deviation(_ count: Int) throws -> Double {
            let part = try x.sliced(0..<count, axis: 2).contiguous()
            let y = try TimeStepLayerNorm(featureCount: count, epsilon: 0, backend: backend)(part)
            return y.array.lazy.map { Double(abs(abs($0) - 1)) }.max() ?? .nan
        }
        return Check(
            .exact,
            "Two features leave LayerNorm as a sign, +1 and -1, whatever their values: at epsilon 0 every element is "
                + "1 in size within 4 roundings, 2.4e-7.",
            .atMost(2.4e-7), observed: try deviation(2), mutant: ("three features", try deviation(3)))
    }

    /// The label is the sign of a common level.
    private func level() throws -> Check {
        let levels: Drift = Drift("level", offset: { sample, _, _ in sample % 2 == 0 ? 8 : -8 })
        let raised = try levels(x)
        // Rounded to what x + 8 keeps, so that both levels come from the same numbers.
        let rounded = try Drift("back", offset: { sample, _, _ in sample % 2 == 0 ? -8 : 8 })(raised)
        func moved(_ norm: (Tensor<Float>) throws -> Tensor<Float>) throws -> Double {
            let (with, without) = (try norm(raised).array, try norm(rounded).array)
            return zip(with, without).lazy.map { Double(abs($0 - $1)) }.max() ?? .nan
        }
        let norm = try TimeStepLayerNorm(featureCount: features, backend: backend)
        let skip = try LevelScaleSkip(featureCount: features, backend: backend)
        return Check(
            .exact,
            "A label that is the sign of the common level cannot be read behind LayerNorm: its float32 output for "
                + "levels of 8, -8 and 0 is the same within 5e-6 (rounding of elements up to 5).",
            .atMost(5e-6), observed: try moved { try norm($0) },
            mutant: ("LevelScaleSkip puts mean and log s beside it", try moved { try skip($0) }))
    }

    private func skip() throws -> Check {
        let features = features
        let y = try LevelScaleSkip(featureCount: features, backend: backend)(x).array
        func error(level: Double) -> Double {
            x.array.enumerated().map { index, x in
                let row = index / features * (features + 2)
                let deviation = exp(Double(y[row + features + 1]))
                let back = Double(y[row + index % features]) * deviation + level * Double(y[row + features])
                return abs(back - Double(x))
            }.max() ?? .nan
        }
        return Check(
            .exact,
            "LevelScaleSkip loses nothing: y exp(log s) + mean is x within 5e-6 (float32 rounding of elements up to "
                + "5).",
            .atMost(5e-6), observed: error(level: 1), mutant: ("the level is left out", error(level: 0)))
    }

    /// f(a x + b) = a f(x) + b for any model between RevIN's halves.
    private func reversible() throws -> Check {
        let norm = try ReversibleInstanceNorm(featureCount: features, epsilon: 0, backend: backend)
        func forecast(_ x: Tensor<Float>, isReversible: Bool) throws -> Tensor<Float> {
            let (series, statistics) = try norm.normalize(x)
            let model = { (x: Float) in x * x - 0.5 * x }
            return isReversible ? try norm.denormalize(series.map(model), statistics) : x.map(model)
        }
        func deviation(isReversible: Bool) throws -> Double {
            let moved = try forecast(x.map { 3 * $0 + 20 }, isReversible: isReversible)
            let expected = try forecast(x, isReversible: isReversible).map { 3 * $0 + 20 }
            return (moved - expected).energy.squareRoot() / expected.energy.squareRoot()
        }
        return Check(
            .exact,
            "A forecast between RevIN's halves follows level and scale: f(3 x + 20) = 3 f(x) + 20 for a quadratic f "
                + "at epsilon 0, relative deviation at most 2e-6 in float32 (rounding 3 x + 20 costs 1e-6).",
            .atMost(2e-6), observed: try deviation(isReversible: true),
            mutant: ("the quadratic without RevIN", try deviation(isReversible: false)))
    }

    /// Relative deviation of each normalizer's output under each drift.
    func deviations() throws -> (table: Table, panel: Panel) {
        let overFeatures = try TimeStepLayerNorm(featureCount: features, backend: backend)
        let overTime = try InstanceNormOverTime(featureCount: features, backend: backend)
        let skip = try LevelScaleSkip(featureCount: features, backend: backend)
        let reports = [
            ("none", try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in x }),
            ("LN per step", try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in try overFeatures(x) }),
            ("LN and level, scale", try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in try skip(x) }),
            (
                "instance norm over time",
                try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in try overTime(x) }
            ),
        ]
        let drifts = Drift.standard.map(\.name)
        return (
            Table(
                "Relative deviation of the output (RMS of the difference / RMS of the output), float32",
                columns: ["normalizer"] + drifts,
                rows: reports.map { [$0.0] + $0.1.entries.map { TableCell.significant($0.relativeDeviation) } }),
            Panel(
                "Deviation of the output",
                .heatMap(
                    rows: reports.map(\.0), columns: drifts,
                    values: reports.map { report in
                        report.1.entries.map { Vectors.decimalLogarithm(max($0.relativeDeviation, 1e-8)) }
                    },
                    range: -8...1, legend: "log10 of RMS difference / RMS output"))
        )
    }
}
