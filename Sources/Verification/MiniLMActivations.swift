internal import Foundation
package import Tensors

/// Real input: the LayerNorm stages and the attention scores of a small Transformer with their float64 results.
///
/// `scripts/extract_minilm.py` says where the file comes from. Epsilon is 1e-12, as in that model.
package struct MiniLMActivations {
    package struct LayerNormStage {
        package let name: String
        /// What is normalized: in the attention stages the sum of `summands`, rounded to float32.
        package let x: Tensor<Float>
        /// The residual stream and the output of the attention, in the attention stages.
        package let summands: (stream: Tensor<Float>, branch: Tensor<Float>)?
        package let weight: Tensor<Float>
        package let bias: Tensor<Float>
        package let outputGradient: Tensor<Float>
        package let y: Tensor<Double>
        /// For `x`, and so for each of its summands.
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
            let input = try file.float("\(stage).x")
            let summands = (try? file.float("\(stage).residual")).map { (stream: $0, branch: input) }
            return try LayerNormStage(
                name: stage,
                x: summands.map {
                    try Tensor(zip($0.stream.array, $0.branch.array).map { $0 + $1 }, shape: input.shape)
                } ?? input,
                summands: summands,
                weight: file.float("\(stage).weight"),
                bias: file.float("\(stage).bias"),
                outputGradient: file.float("\(stage).dy"),
                y: file.double("\(stage).y"),
                inputGradient: file.double("\(stage).dx"),
                weightGradient: file.double("\(stage).dweight"),
                biasGradient: file.double("\(stage).dbias"))
        }
    }

    static func file(_ name: String) throws -> SafeTensors {
        guard let url = Bundle.module.url(forResource: name, withExtension: "safetensors") else {
            throw CocoaError(.fileNoSuchFile)
        }
        return try SafeTensors(Data(contentsOf: url))
    }
}
