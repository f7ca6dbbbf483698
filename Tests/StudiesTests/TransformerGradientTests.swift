// Transformer layers against central differences, and what placements mean.

import Normalization
import Testing
import TrainingKit

@Suite struct TransformerGradients {
    private let backend = Backend.automatic

    @Test(arguments: [true, false]) func attention(isCausal: Bool) throws {
        var random = RandomStream(seed: 11)
        let layer = try SelfAttention(width: 6, heads: 2, isCausal: isCausal, random: &random, backend: backend)
        #expect(try gradientError(of: layer, at: random.normal([2, 3, 6])) < 5e-3)
    }

    @Test func causalAttentionDoesNotSeeTheFuture() throws {
        var random = RandomStream(seed: 12)
        let layer = try SelfAttention(width: 6, heads: 2, random: &random, backend: backend)
        let x = try random.normal([1, 3, 6])
        var changed = x
        changed[0, 2, 0] += 1
        let (before, after) = (try layer(x).value, try layer(changed).value)
        #expect(try before.sliced(0..<2, axis: 1) == after.sliced(0..<2, axis: 1))
        #expect(before != after)
    }

    /// Steps of 1e-3, and inputs whose pre-activations are further than that from ReLU's kink; float32 differences
    /// then err by some 1e-3.
    @Test(arguments: [nil] + NormPlacement.allCases.map(Optional.some)) func blocks(placement: NormPlacement?) throws {
        var random = RandomStream(seed: 13)
        let block = try TransformerBlock(
            attention: SelfAttention(width: 4, heads: 2, random: &random, backend: backend),
            feedForward: FeedForward(width: 4, hiddenWidth: 6, random: &random, backend: backend), width: 4,
            placement: placement, backend: backend)
        #expect(block.parameters.count == 8 + [nil: 0, .periNorm: 8][placement, default: 4])
        #expect(try gradientError(of: block, at: random.normal([2, 2, 4]), step: 2e-3) < 1e-2)
    }

    @Test func batchNormalization() throws {
        var random = RandomStream(seed: 14)
        #expect(try gradientError(of: BatchNormalization(backend: backend), at: random.normal([5, 3])) < 5e-3)
    }

    /// A scalar product with the output is linear in the tables, so that gradients are exact.
    @Test func embedding() throws {
        var random = RandomStream(seed: 15)
        let embedding = try Embedding(tokens: 3, positions: 2, width: 2, random: &random)
        let (value, pullback) = try embedding([[0, 2], [2, 2]])
        #expect(value.shape == [2, 2, 2])
        try pullback(try Tensor<Float>([1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 2]))
        #expect(embedding.token.gradient.array == [1, 2, 0, 0, 15, 18])
        #expect(embedding.position.gradient.array == [6, 8, 10, 12])
        #expect(value[0, 1, 1] == embedding.token.value[2, 1] + embedding.position.value[1, 1])
    }
}
