internal import Foundation
package import Tensors

/// Real input: the LayerNorm stages of a small Transformer with their float64 results.
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

    package static let epsilon: Float = 1e-12

    package let layerNormStages: [LayerNormStage]

    package init() throws {
        guard let url = Bundle.module.url(forResource: "minilm_layer_norm", withExtension: "safetensors") else {
            throw CocoaError(.fileNoSuchFile)
        }
        let file = try SafeTensors(Data(contentsOf: url))
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

    private static func sum(_ x: Tensor<Float>, _ residual: Tensor<Float>?) throws -> Tensor<Float> {
        guard let residual else { return x }
        return try Tensor(zip(x.array, residual.array).map { $0 + $1 }, shape: x.shape)
    }
}
