// Real input: the LayerNorm stages of a small Transformer against their float64 results.

internal import Normalization
internal import ReferenceKernels
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
        return AccuracyTable.worstError(given, truth, columns: truth.count)
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

    /// The attention stages as they are meant: the sum and its norm in one pass, and one pass back.
    ///
    /// The judge is float64 from the unrounded sum; h is rounded once, as it must be, and its norm is as good as that
    /// allows: within the bound above, and no worse than a naive float32 evaluation of the same sum (of which it has
    /// the rounding of h in common).
    @Test(arguments: TestedBackends.kernels + [.automatic, .reference])
    func residualStagesFused(backend: Backend) throws {
        let stages = try MiniLMActivations().layerNormStages.filter { $0.summands != nil }
        #expect(stages.count == 2)
        for stage in stages {
            let (stream, branch) = try #require(stage.summands)
            let result = try residualLayerNorm(
                stream, adding: branch, weight: stage.weight, bias: stage.bias, epsilon: MiniLMActivations.epsilon,
                backend: backend)
            let gradients = try residualLayerNormBackward(
                stage.outputGradient, x: stream, adding: branch, weight: stage.weight, statistics: result.statistics,
                backend: backend)
            #expect(result.sum == stage.x, "\(stage.name): h is the sum, rounded once")
            #expect(gradients.input == gradients.branch, "\(stage.name): both summands have the gradient of the sum")

            // The gradients of a bias and a scale of the branch follow from that of the sum, in float64.
            let columns = 384
            let dx = stage.inputGradient.array
            var biasGradient = [Double](repeating: 0, count: columns)
            var scaleGradient = biasGradient
            for (index, branch) in branch.array.enumerated() {
                biasGradient[index % columns] += dx[index]
                scaleGradient[index % columns] += dx[index] * Double(branch)
            }
            let naive = NaiveStage(stage, columns: columns)
            let all: [(name: String, given: Tensor<Float>, naive: [Float], truth: Tensor<Double>)] = [
                ("y", result.output, naive.y, stage.y), ("dx", gradients.input, naive.dx, stage.inputGradient),
                ("dweight", gradients.weight, naive.dweight, stage.weightGradient),
                ("dbias", gradients.bias, naive.dbias, stage.biasGradient),
                ("dbranchBias", gradients.branchBias, naive.dbranchBias, Tensor(biasGradient)),
                ("dbranchScale", gradients.branchScale, naive.dbranchScale, Tensor(scaleGradient)),
            ]
            for (name, given, naive, truth) in all {
                let ours = try error(given, truth)
                let theirs = try error(Tensor(naive), truth)
                #expect(ours <= Self.bound && ours <= theirs, "\(stage.name), \(name): \(ours), naively \(theirs)")
            }
        }
    }

    /// A stage in float32 by the formulas as they stand.
    private struct NaiveStage {
        let y, dx, dweight, dbias: [Float]
        var dbranchBias, dbranchScale: [Float]

        init(_ stage: MiniLMActivations.LayerNormStage, columns: Int) {
            let (x, weight) = (stage.x.array, stage.weight.array)
            y = PlainNorm.forward(
                .layerNorm, x, columns: columns, weight: weight, bias: stage.bias.array,
                epsilon: MiniLMActivations.epsilon)
            (dx, dweight, dbias) = PlainNorm.backward(
                .layerNorm, stage.outputGradient.array, x: x, columns: columns, weight: weight,
                epsilon: MiniLMActivations.epsilon)
            dbranchBias = [Float](repeating: 0, count: columns)
            dbranchScale = dbranchBias
            for (index, branch) in (stage.summands?.branch.array ?? []).enumerated() {
                dbranchBias[index % columns] += dx[index]
                dbranchScale[index % columns] += dx[index] * branch
            }
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
