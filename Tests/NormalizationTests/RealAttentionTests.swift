// Real input: two attention blocks of a small Transformer against their float64 results. The errors of a naive
// evaluation stand in the page "Accuracy" beside those of the fastest kernels.

internal import Normalization
import Testing
internal import Verification

@Suite struct RealAttentionTests {
    @Test(arguments: [Backend.automatic, .kernels(.portable), .kernels(threads: 2), .reference])
    func bothBlocks(backend: Backend) throws {
        let lengths = try MiniLMActivations().sentenceLengths
        let mask = AttentionMask.keyLengths(lengths)
        let stages = try MiniLMActivations.attention()
        #expect(stages.count == 2 && lengths.count == 4 && lengths.contains { $0 < 24 })
        for (stage, measured) in zip(stages, try MeasuredAccuracy.page.get().attention.real.rows) {
            let (output, statistics) = try attentionWithStatistics(
                query: stage.query, key: stage.key, value: stage.value, mask: mask, backend: backend)
            let gradients = try attentionBackward(
                stage.outputGradient, query: stage.query, key: stage.key, value: stage.value, output: output,
                statistics: statistics, mask: mask, backend: backend)
            let all: [(String, Tensor<Float>, Tensor<Double>)] = [
                ("output", output, stage.output), ("logSumExp", statistics.logSumExp, stage.logSumExp),
                ("dquery", gradients.query, stage.queryGradient), ("dkey", gradients.key, stage.keyGradient),
                ("dvalue", gradients.value, stage.valueGradient),
            ]
            let bound = try #require(measured.bound)
            #expect(all.map(\.0) == measured.cells.map(\.head) && stage.name == measured.data)
            for ((name, given, truth), cell) in zip(all, measured.cells) {
                #expect(given.shape == truth.shape)
                let error = AccuracyTable.worstError(given.array, truth.array, columns: truth.count)
                #expect(error <= bound(cell), "\(stage.name), \(name): \(error), naively \(cell.naiveError)")
            }
            for (sentence, length) in lengths.enumerated() where length < 24 {
                for gradient in [gradients.key, gradients.value] {
                    let padded = try gradient.sliced(sentence..<sentence + 1).sliced(length..<24, axis: 2)
                    #expect(padded.array.allSatisfy { $0 == 0 }, "\(stage.name), sentence \(sentence)")
                }
            }
        }
    }

    /// The matrices of scores and probabilities, of the four heads that are here of both.
    @Test func scoresAndProbabilities() throws {
        let activations = try MiniLMActivations()
        for (stage, judge) in zip(try MiniLMActivations.attention(), activations.scores) {
            #expect(stage.name == judge.name)
            func solve(_ scores: AttentionScores) throws -> [Float] {
                try attentionWithScores(
                    query: stage.query, key: stage.key, value: stage.value,
                    mask: .keyLengths(activations.sentenceLengths), scores: scores
                ).scores.array
            }
            let truth = try judge.probabilities.sliced(0..<4, axis: 1).array
            let scores = try judge.scores.sliced(0..<4, axis: 1).array.map { Double($0 * MiniLMActivations.scale) }
            // The file's scores are float32 products in another order of 32 terms, themselves rounded.
            #expect(AccuracyTable.worstError(try solve(.scaled), scores, columns: scores.count) <= 34 * 0x1p-24)
            #expect(AccuracyTable.worstError(try solve(.probabilities), truth, columns: truth.count) <= 1e-6)
        }
    }
}
