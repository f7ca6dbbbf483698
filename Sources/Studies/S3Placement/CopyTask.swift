// CopyTask: a small decoder that is to repeat eight symbols.

internal import Foundation
internal import Normalization
internal import TrainingKit

/// Sequences of 8 uniform symbols of 15, followed by the same 8; the second half is to be predicted. Chance is ln 15 =
/// 2.708.
struct CopyTask: Sendable {
    static let symbols = 15
    static let half = 8
    static let batch = 32
    static let width = 32
    static let depth = 12
    static let steps = 400

    let losses: [Double]
    /// The mean of the last 20 losses.
    var final: Double { FlowCurves.mean(losses.suffix(20)) }
    var peak: Double { losses.max() ?? .nan }

    /// One training run by Adam (0.9, 0.98).
    init(_ placement: NormPlacement?, schedule: WarmupSchedule, seed: UInt64, backend: Backend) throws {
        var random = RandomStream(seed: seed, stream: 32)
        var batches = RandomStream(seed: seed, stream: 33)
        let embedding = try Embedding(
            tokens: Self.symbols + 1, positions: 2 * Self.half, width: Self.width, random: &random)
        let decoder = try Self.decoder(placement, random: &random, backend: backend)
        let parameters = embedding.parameters + decoder.parameters
        var adam = Adam(beta1: 0.9, beta2: 0.98)
        var losses: [Double] = []
        for step in 0..<Self.steps {
            let sequences = (0..<Self.batch).map { _ in
                let symbols = (0..<Self.half).map { _ in 1 + batches.index(below: Self.symbols) }
                return symbols + symbols
            }
            let labels: [Int?] = sequences.flatMap { sequence in
                sequence.indices.map { $0 >= Self.half - 1 && $0 + 1 < sequence.count ? sequence[$0 + 1] : nil }
            }
            let input = try embedding(sequences)
            let output = try decoder(input.value)
            let (loss, gradient) = try Loss.crossEntropy(output.value, labels: labels, backend: backend)
            try input.pullback(try output.pullback(gradient))
            adam.step(parameters, rate: schedule[step])
            losses.append(loss)
        }
        self.losses = losses
    }

    private static func decoder(
        _ placement: NormPlacement?, random: inout RandomStream, backend: Backend
    ) throws -> Sequential {
        var layers: [any Layer] = []
        for _ in 0..<depth {
            layers.append(
                try TransformerBlock(
                    attention: SelfAttention(width: width, heads: 2, random: &random, backend: backend),
                    feedForward: FeedForward(width: width, hiddenWidth: 4 * width, random: &random, backend: backend),
                    width: width, placement: placement, backend: backend))
        }
        if TransformerBlock.needsFinalNorm(placement) { layers.append(try Norm(features: width, backend: backend)) }
        layers.append(
            try Linear(
                inputs: width, outputs: symbols + 1, deviation: 1 / Double(width).squareRoot(), hasBias: false,
                random: &random, backend: backend))
        return Sequential(layers)
    }
}
