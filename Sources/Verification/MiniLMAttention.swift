package import Tensors

extension MiniLMActivations {
    /// An attention stage, of four heads: [sentences, heads, tokens, 32]. Tokens beyond a sentence's are no keys.
    package struct Attention {
        package let name: String
        package let query, key, value, outputGradient: Tensor<Float>
        package let output, logSumExp, queryGradient, keyGradient, valueGradient: Tensor<Double>
    }

    /// Both attention stages.
    package static func attention() throws -> [Attention] {
        let file = try Self.file("minilm_attention")
        return try ["layer0.attention", "layer5.attention"].map { stage in
            try Attention(
                name: stage, query: file.float("\(stage).q"), key: file.float("\(stage).k"),
                value: file.float("\(stage).v"), outputGradient: file.float("\(stage).doutput"),
                output: file.double("\(stage).output"), logSumExp: file.double("\(stage).logsumexp"),
                queryGradient: file.double("\(stage).dq"), keyGradient: file.double("\(stage).dk"),
                valueGradient: file.double("\(stage).dv"))
        }
    }

    /// The tokens of each sentence.
    package var sentenceLengths: [Int] {
        let tokens = isToken.shape[1]
        let isToken = isToken.array
        return (0..<isToken.count / tokens).map { isToken[$0 * tokens..<($0 + 1) * tokens].count { $0 } }
    }
}
