// Real input: the LayerNorm stages of a small Transformer against their float64 results.

internal import Normalization
import Testing
internal import Verification

@Suite struct RealActivationTests {
    /// Relative to the largest element. A float32 result cannot do better than 6e-8; the sums of dweight over
    /// 96 rows make up to 16 + 6 roundings of 6e-8 each, 1.3e-6, and the elements a few more.
    private static let bound = 2e-6

    private func error(_ given: Tensor<Float>?, _ truth: Tensor<Double>) throws -> Double {
        let given = try #require(given).array
        let truth = truth.array
        #expect(given.count == truth.count)
        return LayerNormAccuracy.worstError(given, truth, columns: truth.count)
    }

    @Test(arguments: TestedBackends.kernels + [.automatic, .reference])
    func everyStage(backend: Backend) throws {
        let stages = try MiniLMActivations().layerNormStages
        #expect(stages.count == 3)
        for stage in stages {
            #expect(stage.x.shape.rank == 3 && stage.x.shape[2] == 384)
            let (y, statistics) = try layerNormWithStatistics(
                stage.x, weight: stage.weight, bias: stage.bias, epsilon: MiniLMActivations.epsilon, backend: backend)
            let gradients = try layerNormBackward(
                stage.outputGradient, x: stage.x, weight: stage.weight, statistics: statistics, backend: backend)
            #expect(y.shape == stage.x.shape && gradients.input.shape == stage.x.shape)
            #expect(try error(y, stage.y) <= Self.bound, "\(stage.name), y")
            #expect(try error(gradients.input, stage.inputGradient) <= Self.bound, "\(stage.name), dx")
            #expect(try error(gradients.weight, stage.weightGradient) <= Self.bound, "\(stage.name), dweight")
            #expect(try error(gradients.bias, stage.biasGradient) <= Self.bound, "\(stage.name), dbias")
        }
    }

    /// A result that is off by one part in a hundred thousand would be found.
    @Test func aWrongResultIsFound() throws {
        let stage = try #require(MiniLMActivations().layerNormStages.first)
        let y = try layerNorm(
            stage.x, weight: stage.weight, bias: stage.bias, epsilon: MiniLMActivations.epsilon)
        let wrong = try Tensor(y.array.map { $0 * 1.00001 }, shape: y.shape)
        #expect(try error(wrong, stage.y) > Self.bound)
    }
}
