// The layers for time series: gradients, identities that a user relies on, errors.

import NormalizationDiagnostics
import Testing

@Suite struct TimeSeriesLayers {
    /// [2, 5, 4] of fixed, irregular numbers of size 1.
    private let x: Tensor<Float>

    init() throws { x = try irregular([2, 5, 4]) }

    /// Differences with step 1e-2 in float32 err by about 1e-3 of the largest gradient; see `gradientError`.
    @Test func gradientsAgreeWithDifferences() throws {
        let step = try TimeStepLayerNorm(featureCount: 4)
        let instance = try InstanceNormOverTime(featureCount: 4)
        let skip = try LevelScaleSkip(featureCount: 4)
        #expect(
            try gradientError(at: x) { x in
                let (value, pullback) = try step.valueWithPullback(at: x)
                return (value, { try pullback($0).input })
            } < 5e-3)
        #expect(
            try gradientError(at: x) { x in
                let (value, pullback) = try instance.valueWithPullback(at: x)
                return (value, { try pullback($0).input })
            } < 5e-3)
        #expect(
            try gradientError(at: x) { x in
                let (value, pullback) = try skip.valueWithPullback(at: x)
                return (value, { try pullback($0) })
            } < 5e-3)
    }

    /// Rounding an element of size 5 costs 5e-7; three operations follow.
    @Test func levelScaleSkipKeepsMeanAndScale() throws {
        let y = try LevelScaleSkip(featureCount: 2, epsilon: 0)(Tensor([1, 5, -3, 1], shape: [1, 2, 2]))
        #expect(y.shape == [1, 2, 4])
        let expected: [Float] = [-1, 1, 3, 0.6931472, -1, 1, -1, 0.6931472]
        for (given, expected) in zip(y.array, expected) { #expect(abs(given - expected) < 1e-6) }
    }

    @Test func reportTellsWhichDriftsAreRemoved() throws {
        let step = try TimeStepLayerNorm(featureCount: 4)
        let report = try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in try step(x) }
        #expect(report.entries.map(\.drift) == Drift.standard.map(\.name))
        #expect(report.drifts(beyond: 0.05) == Drift.standard[2...].map(\.name))
        let instance = try InstanceNormOverTime(featureCount: 4)
        let other = try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in try instance(x) }
        let common = [Drift.standard[0], Drift.standard[1], Drift.standard[4]].map(\.name)
        #expect(other.drifts(beyond: 0.05) == common)
    }

    @Test func reportOfNaNIsBeyondEveryTolerance() throws {
        let nan = Drift("NaN", offset: { _, _, _ in .nan })
        let report = try DriftInvarianceReport(at: x, drifts: [nan]) { (x) throws(NormalizationError) in x }
        #expect(report.drifts(beyond: 1e30) == ["NaN"])
        #expect(report.entries[0].largestDeviation.isNaN)
        #expect(report.description.hasPrefix("NaN: relative nan"))
    }

    @Test func wrongShapesThrow() throws {
        let flat = try Tensor<Float>(repeating: 0, shape: [2, 4])
        let step = try TimeStepLayerNorm(featureCount: 4)
        let instance = try InstanceNormOverTime(featureCount: 5)
        let skip = try LevelScaleSkip(featureCount: 4)
        #expect(throws: NormalizationError.self) { try step(flat) }
        #expect(throws: NormalizationError.self) { try instance(x) }
        #expect(throws: NormalizationError.self) { try skip.valueWithPullback(at: x).pullback(x) }
        #expect(throws: NormalizationError.self) { try Drift.commonLevel(1)(flat) }
        #expect(throws: NormalizationError.self) { try LevelScaleSkip(featureCount: 0) }
        var calls = 0
        #expect(throws: NormalizationError.self) {
            try DriftInvarianceReport(at: x) { (x) throws(NormalizationError) in
                calls += 1
                return calls > 1 ? flat : x
            }
        }
        #expect(throws: NormalizationError.self) { try InstanceNormOverTime(featureCount: 2, epsilon: -1) }
    }
}
