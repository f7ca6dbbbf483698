// gradientNormPenalty: its value, its gradient against differences, the critics that it refuses.

import NormalizationDiagnostics
import Testing

@Suite struct GradientNormPenaltyTests {
    /// Fixed numbers in (-1, 1), spread by multiples of the golden ratio.
    private static func numbers(_ shape: Shape, _ seed: Double) throws -> Tensor<Float> {
        let count = shape.extents.reduce(1, *)
        let fractions = (0..<count).map { (seed + 0.618034 * Double($0 + 1)).truncatingRemainder(dividingBy: 1) }
        return try Tensor(fractions.map { Float(2 * $0 - 1) }, shape: shape)
    }

    private let x = try! numbers([6, 3], 0.1)

    private func critic(_ norm: Critic.Layer? = nil) throws -> Critic {
        Critic([
            .linear(weight: try Self.numbers([8, 3], 0.2), bias: try Self.numbers([8], 0.3)),
            try norm ?? .layerNorm(weight: Self.numbers([8], 0.4), bias: Self.numbers([8], 0.5), epsilon: 0.1),
            .leakyReLU(slope: 0.2), .linear(weight: try Self.numbers([1, 8], 0.6), bias: nil),
        ])
    }

    /// A linear critic has its weight as gradient everywhere: norm 5.
    @Test func linearCritic() throws {
        let critic = Critic([.linear(weight: try Tensor([3, 4, 0], shape: [1, 3]), bias: nil)])
        let penalty = try gradientNormPenalty(of: critic, at: x)
        #expect(penalty.value == 16 && penalty.norms == [5, 5, 5, 5, 5, 5])
        // (‖w‖ - 1)² has the gradient 2 (‖w‖ - 1) w / ‖w‖; float32 sums of six terms.
        let gradient = try #require(penalty.gradients[0].weight).array
        for (given, expected) in zip(gradient, [4.8, 6.4, 0] as [Float]) { #expect(abs(given - expected) < 1e-5) }
    }

    /// Central differences in float32 at a step of 2^-8 are good to some 1e-3 of the largest derivative; no activation
    /// changes its sign within a step at these numbers.
    @Test(arguments: [false, true]) func gradientsAreThoseOfDifferences(hasFixedBatchNorm: Bool) throws {
        let fixed = (0..<8).map { Moments(count: 1, mean: 0.1 * Double($0), sumOfSquaredDeviations: 1 + Double($0)) }
        let batchNorm = Critic.Layer.batchNorm(
            weight: try Self.numbers([8], 0.4), bias: try Self.numbers([8], 0.5), scope: .reference(fixed))
        let critic = try critic(hasFixedBatchNorm ? batchNorm : nil)
        let penalty = try gradientNormPenalty(of: critic, at: x)
        let step: Float = 0x1p-8
        func difference(_ move: (Float) -> Critic) throws -> Double {
            let up = try gradientNormPenalty(of: move(step), at: x).value
            return (up - (try gradientNormPenalty(of: move(-step), at: x).value)) / Double(2 * step)
        }
        func moved(_ tensor: Tensor<Float>, _ index: Int, _ step: Float) -> Tensor<Float> {
            var array = tensor.array
            array[index] += step
            return try! Tensor(array, shape: tensor.shape)
        }
        for layer in [0, 1, 3] {
            let gradient = try #require(penalty.gradients[layer].weight).array
            let scale = Double(gradient.map { abs($0) }.max() ?? 0)
            for index in gradient.indices {
                let expected = try difference { step in
                    var critic = critic
                    switch critic.layers[layer] {
                    case .linear(let w, let b): critic.layers[layer] = .linear(weight: moved(w, index, step), bias: b)
                    case .layerNorm(let w, let b, let epsilon):
                        critic.layers[layer] = .layerNorm(weight: moved(w!, index, step), bias: b, epsilon: epsilon)
                    case .batchNorm(let w, let b, let epsilon, let scope):
                        critic.layers[layer] = .batchNorm(
                            weight: moved(w!, index, step), bias: b, epsilon: epsilon, scope: scope)
                    case .leakyReLU: break
                    }
                    return critic
                }
                #expect(abs(Double(gradient[index]) - expected) < 0.01 * scale, "layer \(layer), weight \(index)")
            }
        }
    }

    @Test func coupledCriticsAreRefused() throws {
        for scope in [BatchScope.joint, .perSource([3, 3])] {
            let critic = try critic(.batchNorm(weight: nil, bias: nil, scope: scope))
            #expect(critic.couplesSamples)
            expectError(.coupledSamples) { () throws(NormalizationError) in try gradientNormPenalty(of: critic, at: x) }
        }
    }

    @Test func badArguments() throws {
        let critic = try critic()
        expectError(.invalidParameter) { () throws(NormalizationError) in
            try gradientNormPenalty(of: critic, at: x, target: .nan)
        }
        expectError(.invalidShape) { () throws(NormalizationError) in
            try gradientNormPenalty(of: critic, at: Tensor([1, 2, 3]))
        }
        expectError(.shapeMismatch) { () throws(NormalizationError) in
            try gradientNormPenalty(of: Critic(Array(critic.layers.dropLast())), at: x)
        }
        expectError(.shapeMismatch) { () throws(NormalizationError) in
            try gradientNormPenalty(of: Critic([]), at: x)
        }
        expectError(.shapeMismatch) { () throws(NormalizationError) in
            let weight = try Tensor<Float>(repeating: 1, shape: [1, x.shape[1]])
            return try gradientNormPenalty(of: Critic([.linear(weight: weight, bias: Tensor([1, 2]))]), at: x)
        }
    }

    /// The critic's own pullback agrees with the norms of the penalty, and couples no samples.
    @Test func pullbackGivesThePenaltysNorms() throws {
        let critic = try critic()
        let probe = try BatchLeakageProbe(at: x) { x in
            let (value, pullback) = try critic(x)
            return (value, { try pullback($0).input })
        }
        #expect(probe.isExactlyZero)
        let norms = try gradientNormPenalty(of: critic, at: x).norms
        // The same products of one row, but for a factor of 1 or 0 in the sums.
        for (i, norm) in norms.enumerated() { #expect(abs(probe.norms[i][i] - norm) < 1e-6 * norm) }
    }
}
