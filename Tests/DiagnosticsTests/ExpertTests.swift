// The tools of mixtures of experts: forward passes by hand, pullbacks by differences, and what they refuse.

import NormalizationDiagnostics
import Testing

@Suite struct ExpertTests {
    private let x: Tensor<Float>
    private let routing = [2, 0, 2, 0]

    init() throws { x = try Tensor([1, 2, 4, -1, 5, 3, 0, 2, 1, 7, -2, 3], shape: [4, 3]) }

    private func layer() throws -> PerExpertLayerNorm {
        var layer = try PerExpertLayerNorm(experts: 3, featureCount: 3)
        layer.weight = try Tensor([1, 2, 3, 4, 5, 6, 0.5, 1, 2], shape: [3, 3])
        layer.bias = try Tensor([0, 1, 0, 0, 0, 0, -1, 0, 1], shape: [3, 3])
        return layer
    }

    @Test func perExpertIsLayerNormOfEachRow() throws {
        let y = try layer()(x, experts: routing)
        let first = try layerNorm(
            x.sliced(0..<1), weight: Tensor<Float>([0.5, 1, 2]), bias: Tensor<Float>([-1, 0, 1]))
        let second = try layerNorm(x.sliced(1..<2), weight: Tensor<Float>([1, 2, 3]), bias: Tensor<Float>([0, 1, 0]))
        #expect(try y.sliced(0..<1) == first && y.sliced(1..<2) == second)
    }

    @Test func perExpertPullback() throws {
        let layer = try layer()
        let upstream = try Tensor<Float>((0..<12).map { Float($0 % 5) - 2 }, shape: x.shape)
        let gradients = try layer.valueWithPullback(at: x, experts: routing).pullback(upstream)
        try expectGradient(gradients.input, at: x) { dot(try layer($0, experts: routing), upstream) }
        var changed = layer
        try expectGradient(gradients.weight, at: layer.weight) {
            changed.weight = $0
            return dot(try changed(x, experts: routing), upstream)
        }
        changed = layer
        try expectGradient(gradients.bias, at: layer.bias) {
            changed.bias = $0
            return dot(try changed(x, experts: routing), upstream)
        }
    }

    @Test(arguments: MoECombine.Norm.allCases) func combinePullback(_ norm: MoECombine.Norm) throws {
        var combine = try MoECombine(norm: norm, experts: 2, featureCount: 3)
        combine.weight = Tensor((0..<combine.weight.count).map { 1 + 0.25 * Float($0) })
        combine.bias = Tensor((0..<combine.bias.count).map { 0.5 - Float($0) })
        let outputs = try x.reshaped(to: [2, 2, 3])
        let gates = try Tensor<Float>([0.25, 0.75, 0.5, 0.4], shape: [2, 2])
        let upstream = try Tensor<Float>([1, -2, 0.5, 3, 1, -1], shape: [2, 3])
        let gradients = try combine.valueWithPullback(outputs: outputs, gates: gates).pullback(upstream)
        try expectGradient(gradients.outputs, at: outputs) { dot(try combine(outputs: $0, gates: gates), upstream) }
        try expectGradient(gradients.gates, at: gates) { dot(try combine(outputs: outputs, gates: $0), upstream) }
        #expect((gradients.weight == nil) == (norm == .none))
        if let weightGradient = gradients.weight, let biasGradient = gradients.bias {
            var changed = combine
            try expectGradient(weightGradient, at: combine.weight) {
                changed.weight = $0
                return dot(try changed(outputs: outputs, gates: gates), upstream)
            }
            changed = combine
            try expectGradient(biasGradient, at: combine.bias) {
                changed.bias = $0
                return dot(try changed(outputs: outputs, gates: gates), upstream)
            }
        }
    }

    @Test func combineByHand() throws {
        let outputs = try x.reshaped(to: [2, 2, 3])
        let gates = try Tensor<Float>([0.5, 0.5, 1, 0], shape: [2, 2])
        let plain = try MoECombine(norm: .none, experts: 2, featureCount: 3)(outputs: outputs, gates: gates)
        #expect(plain.array == [0, 3.5, 3.5, 0, 2, 1])
        let after = try MoECombine(norm: .afterCombine, experts: 2, featureCount: 3)(outputs: outputs, gates: gates)
        #expect(try after == layerNorm(plain))
        let shared = try MoECombine(norm: .shared, experts: 2, featureCount: 3)(outputs: outputs, gates: gates)
        #expect(try shared.sliced(1..<2) == layerNorm(x.sliced(2..<3)))
    }

    /// Two experts: rows (-1, 1, 0, 0) and (3, 5, 4, 4), a little disturbed.
    @Test func distinctnessBeforeAndAfter() throws {
        let routing = (0..<40).map { $0 % 2 }
        let rows = (0..<40).flatMap { row in
            [Float](row % 2 == 0 ? [-1, 1, 0, 0] : [3, 5, 4, 4]).enumerated().map {
                $1 + 0.01 * Float((row / 2 * 7 + $0 * 3) % 11 - 5)
            }
        }
        let x = try Tensor(rows, shape: [40, 4])
        let before = try ExpertDistinctnessReport(of: x, experts: routing)
        #expect(before.meanDistinctness > 0.99 && before.statisticAccuracy == 1 && before.readoutAccuracy == 1)
        #expect(before.chance == 0.5 && abs(before.meanVariance - 4) < 0.01 && before.cosines[0][0] > 0.999)
        let after = try ExpertDistinctnessReport(of: layerNorm(x, epsilon: 0), experts: routing)
        #expect(after.meanDistinctness == 0 && after.scaleDistinctness == 0 && after.statisticAccuracy == 0.5)
    }

    @Test func refuses() throws {
        let layer = try layer()
        #expect(throws: NormalizationError.self) { try layer(x, experts: [0, 1, 2]) }
        #expect(throws: NormalizationError.self) { try layer(x, experts: [0, 1, 2, 3]) }
        #expect(throws: NormalizationError.self) { try layer(x.reshaped(to: [3, 4]), experts: [0, 1, 2]) }
        #expect(throws: NormalizationError.self) { try PerExpertLayerNorm(experts: 0, featureCount: 3) }
        #expect(throws: NormalizationError.self) { try PerExpertLayerNorm(experts: 1, featureCount: 0) }
        #expect(throws: NormalizationError.self) { try MoECombine(norm: .none, experts: 0, featureCount: 3) }
        #expect(throws: NormalizationError.self) { try MoECombine(norm: .none, experts: 2, featureCount: 0) }
        let combine = try MoECombine(norm: .shared, experts: 2, featureCount: 3)
        #expect(throws: NormalizationError.self) { try combine(outputs: x, gates: x) }
        #expect(throws: NormalizationError.self) { try ExpertDistinctnessReport(of: x, experts: routing) }
        #expect(throws: NormalizationError.self) { try ExpertDistinctnessReport(of: x, experts: [0]) }
    }

    private func dot(_ a: Tensor<Float>, _ b: Tensor<Float>) -> Double {
        zip(a.array, b.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    /// Central differences of step 1e-2 err by some 1e-4 of outputs of the order of 10 in float32.
    private func expectGradient(
        _ gradient: Tensor<Float>, at point: Tensor<Float>, sourceLocation: SourceLocation = #_sourceLocation,
        loss: (Tensor<Float>) throws -> Double
    ) throws {
        let elements = point.array
        for (index, expected) in gradient.array.enumerated() {
            func at(_ step: Float) throws -> Double {
                var moved = elements
                moved[index] += step
                return try loss(Tensor(moved, shape: point.shape))
            }
            let difference = (try at(1e-2) - at(-1e-2)) / 2e-2
            #expect(abs(difference - Double(expected)) < 2e-2, sourceLocation: sourceLocation)
        }
    }
}
