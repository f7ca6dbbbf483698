internal import Foundation
package import Tensors

/// Real input: the LayerNorm stages and the attention scores of a small Transformer with their float64 results.
///
/// `scripts/extract_minilm.py` says where the file comes from. Epsilon is 1e-12, as in that model.
package struct MiniLMActivations {
    package struct LayerNormStage {
        package let name: String
        /// The sum of the stage's input and, in the attention stages, its residual.
        package let x: Tensor<Float>
        package let weight: Tensor<Float>
        package let bias: Tensor<Float>
        package let outputGradient: Tensor<Float>
        package let y: Tensor<Double>
        package let inputGradient: Tensor<Double>
        package let weightGradient: Tensor<Double>
        package let biasGradient: Tensor<Double>
    }

    /// The scores of an attention stage, [sentences, heads, queries, keys]: products of queries and keys.
    package struct Scores {
        package let name: String
        package let scores: Tensor<Float>
        package let probabilities: Tensor<Double>
        package let logSumExp: Tensor<Double>
    }

    package static let epsilon: Float = 1e-12
    /// 1 / √32, for heads of 32.
    package static let scale = Float(1 / 32.0.squareRoot())

    package let layerNormStages: [LayerNormStage]
    package let scores: [Scores]
    /// Whether a token belongs to its sentence, [sentences, tokens]; the others fill it up at its end.
    package let isToken: Tensor<Bool>

    package init() throws {
        let scoreFile = try Self.file("minilm_scores")
        isToken = try scoreFile.bool("token_mask")
        scores = try ["layer0.attention", "layer5.attention"].map { stage in
            try Scores(
                name: stage, scores: scoreFile.float("\(stage).scores"),
                probabilities: scoreFile.double("\(stage).probabilities"),
                logSumExp: scoreFile.double("\(stage).logsumexp"))
        }
        let file = try Self.file("minilm_layer_norm")
        layerNormStages = try ["embedding_norm", "layer0.attention_norm", "layer5.attention_norm"].map { stage in
            try LayerNormStage(
                name: stage,
                x: Self.sum(file.float("\(stage).x"), try? file.float("\(stage).residual")),
                weight: file.float("\(stage).weight"),
                bias: file.float("\(stage).bias"),
                outputGradient: file.float("\(stage).dy"),
                y: file.double("\(stage).y"),
                inputGradient: file.double("\(stage).dx"),
                weightGradient: file.double("\(stage).dweight"),
                biasGradient: file.double("\(stage).dbias"))
        }
    }

    private static func file(_ name: String) throws -> SafeTensors {
        guard let url = Bundle.module.url(forResource: name, withExtension: "safetensors") else {
            throw CocoaError(.fileNoSuchFile)
        }
        return try SafeTensors(Data(contentsOf: url))
    }

    private static func sum(_ x: Tensor<Float>, _ residual: Tensor<Float>?) throws -> Tensor<Float> {
        guard let residual else { return x }
        return try Tensor(zip(x.array, residual.array).map { $0 + $1 }, shape: x.shape)
    }
}
