// The tools of several modalities: their formulas, their gradients, and what they refuse.

import NormalizationDiagnostics
import Testing

@Suite struct ModalityTests {
    private let x: Tensor<Float>
    private let segments: SegmentOffsets

    init() throws {
        x = try Tensor([1, 2, 4, -1, 20, 30, 10, 0.5, 0.25, 2, 1, -7, 9, 3], shape: [2, 7])
        segments = try SegmentOffsets(widths: [4, 3])
    }

    @Test func segmentedLayerIsTheOperatorAndItsPullback() throws {
        var norm = try SegmentedLayerNorm(segments: segments)
        norm.weight = Tensor([1, 2, 3, 4, 5, 6, 7])
        norm.bias = Tensor([0, 1, 0, 1, 0, 1, 0])
        let (value, pullback) = try norm.valueWithPullback(at: x)
        #expect(try norm(x) == value)
        #expect(try value == segmentedLayerNorm(x, segments: segments, weight: norm.weight, bias: norm.bias))
        let left = try layerNorm(
            x.sliced(0..<4, axis: 1), weight: Tensor<Float>([1, 2, 3, 4]), bias: Tensor<Float>([0, 1, 0, 1]))
        #expect(try value.sliced(0..<4, axis: 1) == left)
        let gradients = try pullback(value)
        #expect(gradients.input.shape == x.shape && gradients.weight.shape == [7] && gradients.bias.shape == [7])
    }

    @Test func sharedParametersNeedEqualWidths() throws {
        let equal = try SegmentOffsets(widths: [2, 2])
        #expect(try SegmentedLayerNorm(segments: equal, parameters: .shared).weight.shape == [2])
        #expect(throws: NormalizationError.self) { try SegmentedLayerNorm(segments: segments, parameters: .shared) }
        #expect(throws: NormalizationError.self) { try SegmentedLayerNorm(segments: segments, epsilon: -1) }
        #expect(throws: NormalizationError.self) { try SegmentedLayerNorm(segments: equal)(x) }
    }

    /// Row [1, -1, 3, -3] with segments of two: variance 5, energies 1/5 and 9/5, all sums 0, so that the coupling is
    /// sqrt(2 · 2 + (2/5)(18/5)) / (4 sqrt(5)).
    @Test func couplingByHand() throws {
        let probe = ModalityCouplingProbe(segments: try SegmentOffsets(widths: [2, 2]), epsilon: 0)
        let found = try probe(Tensor<Float>([1, -1, 3, -3], shape: [1, 4]))
        #expect(abs(found.energies[0] - 0.2) < 1e-15 && abs(found.energies[1] - 1.8) < 1e-15)
        #expect(abs(found.energyShares[1] - 0.9) < 1e-15)
        let expected = (4 + 1.44).squareRoot() / (4 * 5.0.squareRoot())
        #expect(abs(found.couplings[0][1] - expected) < 1e-15)
        #expect(found.couplings[1][0] == found.couplings[0][1])
        #expect(throws: NormalizationError.self) { try probe(x) }
        let empty = ModalityCouplingProbe(segments: try SegmentOffsets(widths: [7, 0]))
        #expect(throws: NormalizationError.self) { try empty(x) }
    }

    /// Inputs of mean 0 and variance 1 without sampling error, so that the estimate is the closed form.
    @Test func taxByHand() throws {
        let input: [Double] = [-1, 1, -1, 1]
        let tax = try ErrorTax.estimate(perModality: [
            (input, input.map { 2 * $0 + 1 }), (input + input, (input + input).map { -$0 }),
        ])
        // Shares 1/3 and 2/3: Var(a) = 2/9 · 9 = 2, Var(b) = 2/9.
        #expect(abs(tax.tax - (2 + 2.0 / 9)) < 1e-14)
        #expect(abs(tax.weight) < 1e-15 && abs(tax.bias - 1.0 / 3) < 1e-15)
        #expect(tax.weights == [2, -1] && tax.biases == [1, 0] && tax.separateError == 0)
        // Of three elements two belong to the majority, which is half as far from the compromise.
        #expect(abs(tax.excess[0] - 4 * tax.excess[1]) < 1e-14)
        let predicted = try ErrorTax.predicted([
            ErrorTax.Ideal(weight: 2, bias: 1, share: 1), ErrorTax.Ideal(weight: -1, bias: 0, share: 2),
        ])
        #expect(abs(predicted.tax - tax.tax) < 1e-14)
    }

    @Test func taxRefuses() throws {
        #expect(throws: NormalizationError.self) { try ErrorTax.estimate(perModality: [([Double], [Double])]()) }
        #expect(throws: NormalizationError.self) { try ErrorTax.estimate(perModality: [([1.0, 2], [1.0])]) }
        #expect(throws: NormalizationError.self) { try ErrorTax.estimate(perModality: [([1.0, 1], [1.0, 2])]) }
        #expect(throws: NormalizationError.self) { try ErrorTax.estimate(perModality: [(x, Tensor<Float>([1]))]) }
        #expect(throws: NormalizationError.self) { try ErrorTax.predicted([]) }
    }
}

/// The code of the articles S7, S8 and S9, as it stands there.
@Suite struct ArticleExamples {
    @Test func modalities() throws {
        let activations = try Tensor<Float>((0..<14).map { Float($0 * $0 % 11) }, shape: [2, 7])
        let (textNormalized, textWanted) = (Tensor<Float>([-1, 1]), Tensor<Float>([-2, 2]))
        let (audioNormalized, audioWanted) = (Tensor<Float>([-1, 1]), Tensor<Float>([-1, 1]))

        let segments = try SegmentOffsets(widths: [4, 3])
        let coupling = try ModalityCouplingProbe(segments: segments)(activations)
        #expect(coupling.energies.count == 2 && coupling.couplings.count == 2)
        let norm = try SegmentedLayerNorm(segments: segments)
        let (value, pullback) = try norm.valueWithPullback(at: activations)
        #expect(try pullback(value).input.shape == activations.shape)
        let tax = try ErrorTax.estimate(perModality: [(textNormalized, textWanted), (audioNormalized, audioWanted)])
        #expect(tax.tax == 0.25)
    }

    @Test func fairness() throws {
        let segments = try SegmentOffsets(widths: [2, 1])
        let normalized = try Tensor<Float>([1, 2, 3, -1, 1, 2], shape: [2, 3])
        let (output, gradient) = (normalized, normalized)

        var balance = try EnergyBalancedAffine(segments: segments, target: .perFeature, statistics: .ema(decay: 0.99))
        try balance.observe(normalized)
        balance.freeze()
        let weight = try balance.balancedWeight()
        let projected = try balance.project(gamma: weight)
        #expect(zip(weight, projected).allSatisfy { abs($0 - $1) < 1e-14 })
        let report = try EnergyReport(of: output, segments: segments, gradient: gradient)
        #expect(report.disparity == 6.5 / 1.75 && report.gradientShares?.count == 2)
        let gap = try OutcomeGap("accuracy", [("text", 0.68), ("audio", 0.99)])
        #expect(gap.worst.group == "text")
    }

    @Test func experts() throws {
        let outputs = try Tensor<Float>((0..<320).map { Float($0 * $0 % 37) }, shape: [40, 8])
        let routing = (0..<40).map { $0 % 4 }
        let gates = try Tensor<Float>(repeating: 0.25, shape: [10, 4])

        let before = try ExpertDistinctnessReport(of: outputs, experts: routing)
        let norm = try PerExpertLayerNorm(experts: 4, featureCount: 8)
        let after = try ExpertDistinctnessReport(of: norm(outputs, experts: routing), experts: routing)
        #expect(before.chance == 0.25 && after.chance == 0.25)
        let combine = try MoECombine(norm: .afterCombine, experts: 4, featureCount: 8)
        let (value, pullback) = try combine.valueWithPullback(outputs: outputs.reshaped(to: [10, 4, 8]), gates: gates)
        #expect(try pullback(value).gates.shape == gates.shape)
    }
}
