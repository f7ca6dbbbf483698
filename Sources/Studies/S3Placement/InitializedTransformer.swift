// InitializedTransformer: a transformer at initialisation, in the setting of Xiong et al., 2020.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// Branches of random weights: attention in which every token sees all alike, and feed-forward nets. Nets of any depth
/// and placement are built of the first ones.
struct InitializedTransformer {
    let width: Int
    private let attentions: [SelfAttention]
    private let feedForwards: [FeedForward]
    private let seed: UInt64
    private let backend: Backend

    static let tokens = 16
    static let sequences = 4

    /// - Parameter scale: Of the weights, beside Xavier's.
    init(
        width: Int, hiddenWidth: Int? = nil, depth: Int, scale: Double = 1, seed: UInt64, backend: Backend
    ) throws {
        let hiddenWidth = hiddenWidth ?? width
        var random = RandomStream(seed: seed, stream: 30)
        var attentions: [SelfAttention] = []
        var feedForwards: [FeedForward] = []
        for _ in 0..<depth {
            attentions.append(
                try SelfAttention(
                    width: width, heads: 1, isCausal: false, seesUniformly: true,
                    deviation: scale / Double(width).squareRoot(), random: &random, backend: backend))
            feedForwards.append(
                try FeedForward(
                    width: width, hiddenWidth: hiddenWidth,
                    deviation: scale * (2 / Double(width + hiddenWidth)).squareRoot(), hasBias: false, random: &random,
                    backend: backend))
        }
        (self.width, self.attentions, self.feedForwards, self.seed, self.backend) = (
            width, attentions, feedForwards, seed, backend
        )
    }

    /// What is seen of a net.
    struct Flow {
        /// Layer l: the stream before block l, its gradient, and that of block l's second feed-forward matrix.
        var probe = GradientFlowProbe()
        /// Of block l: the energy that attention's branch adds, which is that of the mean over tokens of its
        /// normalized input.
        var tokenMeanEnergies: [Double] = []
        /// Of block l: the mean cosine of two tokens of a sequence before it.
        var tokenCosines: [Double] = []
        /// Of block l: the energies of both sums x + branch(x) that post-norm normalizes.
        var sumEnergies: [(attention: Double, feedForward: Double)] = []

        func energy(_ layer: Int) -> Double { probe.layers[layer].activationEnergy ?? .nan }
        func gradientEnergy(_ layer: Int) -> Double { probe.layers[layer].gradientEnergy ?? .nan }
        func weightGradientSquare(_ block: Int) -> Double { probe.layers[block].weightGradientSquare ?? .nan }
    }

    /// Runs random tokens through `depth` blocks (and the norm behind them, where one belongs), and back a gradient
    /// that is random for each token, as that of a loss a token is. Its norm is 1, in expectation.
    func flow(_ placement: NormPlacement?, depth: Int) throws -> Flow {
        var random = RandomStream(seed: seed, stream: 31)
        let norm = try Norm(features: width, isLearned: false, backend: backend)
        var stream = try norm(try random.normal([Self.sequences, Self.tokens, width])).value
        var flow = Flow()
        try flow.probe.record(activation: stream, layer: 0)
        var pullbacks: [Pullback] = []
        for layer in 0..<depth {
            let normalized = try norm(stream).value
            let meanEnergy = tokenMeanEnergy(normalized)
            flow.tokenMeanEnergies.append(meanEnergy)
            flow.tokenCosines.append((Double(Self.tokens) * meanEnergy - 1) / Double(Self.tokens - 1))
            let (attention, feedForward) = (attentions[layer], feedForwards[layer])
            if placement == .postNorm {
                let first = stream + (try attention(stream).value)
                let middle = try norm(first).value
                flow.sumEnergies.append((first.energy, (middle + (try feedForward(middle).value)).energy))
            }
            let block = try TransformerBlock(
                attention: attention, feedForward: feedForward, width: width, placement: placement, isLearned: false,
                backend: backend)
            for parameter in block.parameters { parameter.clearGradient() }
            let traced = try block(stream)
            stream = traced.value
            pullbacks.append(traced.pullback)
            try flow.probe.record(activation: stream, layer: layer + 1)
        }
        var gradient = try random.normal(stream.shape, deviation: 1 / Double(stream.count).squareRoot())
        if TransformerBlock.needsFinalNorm(placement) { gradient = try norm(stream).pullback(gradient) }
        try flow.probe.record(gradient: gradient, layer: depth)
        for layer in (0..<depth).reversed() {
            gradient = try pullbacks[layer](gradient)
            try flow.probe.record(gradient: gradient, layer: layer)
            try flow.probe.record(weightGradient: feedForwards[layer].second.weight.gradient, layer: layer)
        }
        return flow
    }

    private func tokenMeanEnergy(_ x: Tensor<Float>) -> Double {
        x.withSpan { x in
            var sum = 0.0
            for sequence in 0..<Self.sequences {
                for column in 0..<width {
                    var mean = 0.0
                    for token in 0..<Self.tokens {
                        mean += Double(x[(sequence * Self.tokens + token) * width + column]) / Double(Self.tokens)
                    }
                    sum += mean * mean
                }
            }
            return sum / Double(Self.sequences * width)
        }
    }
}
