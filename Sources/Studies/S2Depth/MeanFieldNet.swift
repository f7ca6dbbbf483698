// MeanFieldNet: deep nets of random weights in which every kind of block finds the same matrices.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// The matrices of a net for one seed, and what is seen of nets that are built of them.
struct MeanFieldNet {
    let width: Int
    private let matrices: [(first: Linear, second: Linear)]
    private let backend: Backend

    /// Matrices from N(0, 2 / (inputs + outputs)): Xavier's initialisation.
    init(width: Int, hiddenWidth: Int, depth: Int, seed: UInt64, backend: Backend) throws {
        self.width = width
        self.backend = backend
        var random = RandomStream(seed: seed, stream: 20)
        matrices = try (0..<depth).map { _ in
            (
                try Linear(
                    inputs: width, outputs: hiddenWidth, hasBias: false, random: &random,
                    backend: backend),
                try Linear(
                    inputs: hiddenWidth, outputs: width, hasBias: false, random: &random,
                    backend: backend)
            )
        }
    }

    private init(width: Int, matrices: [(first: Linear, second: Linear)], backend: Backend) {
        (self.width, self.matrices, self.backend) = (width, matrices, backend)
    }

    /// The same net with second matrices times `factor`.
    func scaled(by factor: Double) -> MeanFieldNet {
        let matrices = matrices.map { first, second in
            (first: first, second: Linear(weight: Float(factor) * second.weight.value, backend: backend))
        }
        return MeanFieldNet(width: width, matrices: matrices, backend: backend)
    }

    func blocks(_ network: MeanFieldPrediction.Network) throws -> [any Layer] {
        try matrices.map { first, second in
            let branch = Sequential(first, Activation.relu, second)
            let norm = try Norm(features: width, isLearned: false, backend: backend)
            return switch network {
            case .plain: branch
            case .residual(let placement):
                try ResidualBlock(branch, width: width, placement: placement, isLearned: false, backend: backend)
            case .normOfPreActivations: Sequential(Activation.relu, second, norm)
            case .normOfActivations: Sequential(second, Activation.relu, norm)
            case .batchNormOfPreActivations: Sequential(Activation.relu, second, BatchNormalization(backend: backend))
            }
        }
    }

    /// Runs `blocks` on orthogonal pairs of inputs of energy 1, and a random gradient back from the end.
    static func probe(
        _ blocks: [any Layer], width: Int, samples: Int, seed: UInt64
    ) throws -> GradientFlowProbe {
        var random = RandomStream(seed: seed, stream: 21)
        var stream = try orthogonalPairs(count: samples / 2, width: width, random: &random)
        var probe = GradientFlowProbe(hasInputPairs: true)
        try probe.record(activation: stream, layer: 0)
        var pullbacks: [Pullback] = []
        for (layer, block) in blocks.enumerated() {
            let traced = try block(stream)
            stream = traced.value
            pullbacks.append(traced.pullback)
            try probe.record(activation: stream, layer: layer + 1)
        }
        var gradient = try random.normal(stream.shape)
        try probe.record(gradient: gradient, layer: blocks.count)
        for layer in blocks.indices.reversed() {
            gradient = try pullbacks[layer](gradient)
            try probe.record(gradient: gradient, layer: layer)
        }
        return probe
    }

    /// Rows 0 and 1, 2 and 3, ... are orthogonal, all of energy 1.
    private static func orthogonalPairs(
        count: Int, width: Int, random: inout RandomStream
    ) throws -> Tensor<Float> {
        func scaled(_ x: [Double]) -> [Double] {
            let energy = x.reduce(0) { $0 + $1 * $1 } / Double(width)
            return x.map { $0 / energy.squareRoot() }
        }
        var elements: [Float] = []
        for _ in 0..<count {
            let a = scaled(random.normals(width))
            let b = random.normals(width)
            let along = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
            let orthogonal = scaled(zip(a, b).map { $1 - along * $0 })
            elements += (a + orthogonal).map { Float($0) }
        }
        return try Tensor(elements, shape: [2 * count, width])
    }
}

/// Probes of one net under several seeds, as curves over depth.
struct FlowCurves {
    let probes: [GradientFlowProbe]

    var depth: Int { probes[0].layers.count - 1 }

    /// The geometric mean over seeds: the mean of energies themselves would be that of the largest, as their logarithms
    /// scatter the more the deeper.
    func activationEnergies() -> [Double] { geometricMeans { $0.activationEnergy } }
    func gradientEnergies() -> [Double] { geometricMeans { $0.gradientEnergy } }
    func pairDistances() -> [Double] {
        (0...depth).map { layer in Self.mean(probes.map { $0.layers[layer].pairDistance ?? .nan }) }
    }

    /// The factor of energy a block between two layers.
    func activationFactor(from first: Int = 0) -> Double {
        let energies = activationEnergies()
        return pow(energies[depth] / energies[first], 1 / Double(depth - first))
    }

    /// The factor a block on the way back to layer `first`.
    func gradientFactor(from first: Int = 0) -> Double {
        let energies = gradientEnergies()
        return pow(energies[first] / energies[depth], 1 / Double(depth - first))
    }

    private func geometricMeans(_ quantity: (GradientFlowProbe.Layer) -> Double?) -> [Double] {
        (0...depth).map { layer in exp(Self.mean(probes.map { log(quantity($0.layers[layer]) ?? .nan) })) }
    }

    static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
}
