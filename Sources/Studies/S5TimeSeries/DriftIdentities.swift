// What each normalization removes exactly: identities in Double.

internal import Plots
internal import NormalizationDiagnostics
internal import TrainingKit
private import Foundation

struct DriftIdentities {
    static let steps = 24
    static let features = 16

    private let x: PlainSeries
    /// Per step: a factor of 0.1 ... 10, and an offset of size 10.
    private let scales: [Double]
    private let offsets: [Double]
    private let featureScales: [Double]
    private let featureOffsets: [Double]

    init(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 500)
        x = PlainSeries(steps: Self.steps, features: Self.features, random: &random)
        scales = (0..<Self.steps).map { _ in pow(10, random.uniform(in: -1..<1)) }
        offsets = random.normals(Self.steps).map { 10 * $0 }
        featureScales = (0..<Self.features).map { _ in pow(10, random.uniform(in: -1..<1)) }
        featureOffsets = random.normals(Self.features).map { 10 * $0 }
    }

    private var common: PlainSeries {
        x.drifted(scale: { step, _ in scales[step] }, offset: { step, _ in offsets[step] })
    }
    private var flipped: PlainSeries {
        x.drifted(scale: { step, _ in -scales[step] }, offset: { step, _ in offsets[step] })
    }
    private var perFeature: PlainSeries {
        x.drifted(scale: { _, feature in featureScales[feature] }, offset: { _, feature in featureOffsets[feature] })
    }
    private var jump: PlainSeries { x.drifted(offset: { _, feature in featureOffsets[feature] }) }

    var checks: [Check] {
        let (overFeatures, overTime) = (x.overFeatures(), x.overTime())
        return [
            Check(
                .exact,
                "LayerNorm over the features of a step is unchanged by a[t] x + b[t] with factors of 0.1 to 10 and "
                    + "offsets of size 10 drawn anew at each step: relative deviation at most 1e-12 in float64 at "
                    + "epsilon 0.",
                .atMost(1e-12), observed: common.overFeatures().deviation(from: overFeatures),
                mutant: ("a[t] is negative", flipped.overFeatures().deviation(from: overFeatures))),
            Check(
                .exact,
                "A negative a[t] changes the sign of LayerNorm's output and nothing else: relative deviation from "
                    + "-LN(x) at most 1e-12.",
                .atMost(1e-12), observed: flipped.overFeatures().deviation(from: overFeatures, sign: -1),
                mutant: ("a[t] is positive", common.overFeatures().deviation(from: overFeatures, sign: -1))),
            Check(
                .exact,
                "Offsets that differ between features change LayerNorm's output: relative deviation at least "
                    + "0.3.",
                .atLeast(0.3), observed: jump.overFeatures().deviation(from: overFeatures),
                mutant: (
                    "the offset is one number for all features",
                    x.drifted(offset: { step, _ in offsets[step] }).overFeatures().deviation(from: overFeatures)
                )),
            Check(
                .exact,
                "Instance norm over time is unchanged by a constant positive factor and a constant offset of each "
                    + "feature: relative deviation at most 1e-12.",
                .atMost(1e-12), observed: perFeature.overTime().deviation(from: overTime),
                mutant: (
                    "the same factors and offsets change from step to step", common.overTime().deviation(from: overTime)
                )),
            Check(
                .exact,
                "Instance norm over time erases whatever is constant over the window: the mean of each feature over "
                    + "time is at most 1e-12 after it.",
                .atMost(1e-12), observed: jump.overTime().largestWindowMean,
                mutant: ("normalized over features instead", jump.overFeatures().largestWindowMean)),
        ] + [ratio, firstOrder, quietSensor, units]
    }

    // MARK: - Epsilon

    private static let epsilon = 1e-5

    /// Steps whose variance after the drift is near epsilon.
    private var quiet: PlainSeries {
        x.drifted(scale: { step, _ in 0.003 * scales[step] }, offset: { step, _ in offsets[step] })
    }

    private var ratio: Check {
        Check(
            .exact,
            "With epsilon 1e-5 the output under a x + b is longer or shorter by sqrt((1 + e/v) / (1 + e/(a² v))), "
                + "a of 3e-4 to 0.03: relative deviation at most 1e-11 (offsets of 10 cost three digits).",
            .atMost(1e-11),
            observed: ratioError { TimeStepLayerNorm.outputRatio(scale: $0, variance: $1, epsilon: $2) },
            mutant: (
                "a in the formula in place of a²",
                ratioError { TimeStepLayerNorm.outputRatio(scale: $0.squareRoot(), variance: $1, epsilon: $2) }
            ))
    }

    private func ratioError(_ formula: (_ scale: Double, _ variance: Double, _ epsilon: Double) -> Double) -> Double {
        let before = x.overFeatures(epsilon: Self.epsilon).stepEnergies
        let after = quiet.overFeatures(epsilon: Self.epsilon).stepEnergies
        let variances = x.stepVariances
        return (0..<x.steps).map { step in
            let expected = formula(0.003 * scales[step], variances[step], Self.epsilon)
            return abs((after[step] / before[step]).squareRoot() / expected - 1)
        }.max() ?? .nan
    }

    private var firstOrder: Check {
        func error(_ law: (_ a: Double, _ v: Double) -> Double) -> Double {
            zip(scales, x.stepVariances).map { a, v in
                let exact = abs(TimeStepLayerNorm.outputRatio(scale: a, variance: v, epsilon: Self.epsilon) - 1)
                return abs(exact / law(a, v) - 1)
            }.max() ?? .nan
        }
        return Check(
            .law,
            "Where epsilon is far below the variances that deviation is (e / 2v) |1 - 1/a²|: within 1% for a of 0.1 "
                + "to 10.",
            .atMost(0.01), observed: error { a, v in Self.epsilon / (2 * v) * abs(1 - 1 / (a * a)) },
            mutant: ("without the half", error { a, v in Self.epsilon / v * abs(1 - 1 / (a * a)) }))
    }

    /// Pure noise of a sensor that is nearly silent.
    private var quietSensor: Check {
        let noise = x.drifted(scale: { _, _ in 0.01 })
        func error(_ energies: [Double]) -> Double {
            zip(energies, noise.stepVariances).map { energy, v in abs(energy * (1 + Self.epsilon / v) - 1) }.max()
                ?? .nan
        }
        return Check(
            .exact,
            "A silent sensor is amplified: noise of deviation 0.01 leaves LayerNorm with energy 1 / (1 + e/v), about "
                + "0.9, at every step: relative deviation at most 1e-12.",
            .atMost(1e-12), observed: error(noise.overFeatures(epsilon: Self.epsilon).stepEnergies),
            mutant: ("not normalized", error(noise.stepEnergies)))
    }

    private var units: Check {
        let unit = { (_: Int, feature: Int) in feature == 3 ? 1000.0 : 1 }
        let expected = x.overTime().overFeatures()
        return Check(
            .exact,
            "A change of one feature's unit by 1000 changes nothing if each feature is standardised before LayerNorm: "
                + "relative deviation at most 1e-12.",
            .atMost(1e-12), observed: x.drifted(scale: unit).overTime().overFeatures().deviation(from: expected),
            mutant: (
                "LayerNorm alone",
                x.drifted(scale: unit).overFeatures().deviation(from: x.overFeatures())
            ))
    }

    // MARK: - What is shown

    /// Deviation of the output's length against the scale of a step of variance 1.
    var figurePanel: Panel {
        let variance = 1.0
        let scales = (0..<25).map { pow(10, -4 + Double($0) / 6) }
        let row = PlainSeries(values: Array(x.values[0..<Self.features]), features: Self.features)
        let unit = row.overFeatures()
        func length(_ a: Double) -> Double {
            let moved = unit.drifted(scale: { _, _ in a }).overFeatures(epsilon: Self.epsilon)
            return (moved.stepEnergies[0] / unit.overFeatures(epsilon: Self.epsilon).stepEnergies[0]).squareRoot()
        }
        return Panel(
            "The price of epsilon = 1e-5",
            .curves(
                x: Axis("factor a on a step of variance 1", log: true), y: Axis("length of LN(a x) / length of LN(x)"),
                series: [
                    Series("measured", scales.map { ($0, length($0)) }, .points),
                    Series(
                        "sqrt((1 + e/v) / (1 + e/(a² v)))",
                        scales.map {
                            ($0, TimeStepLayerNorm.outputRatio(scale: $0, variance: variance, epsilon: Self.epsilon))
                        }, .theory),
                ]))
    }
}
