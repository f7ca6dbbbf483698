// Embedding: rows of a table for tokens, and rows for the positions where they stand.

package import Normalization

/// Token and position embeddings: e[batch, i] = token[id of position i] + position[i].
package struct Embedding {
    package let token: Parameter
    package let position: Parameter

    /// Tables of normal numbers of variance 1: [tokens, width] and [positions, width].
    package init(tokens: Int, positions: Int, width: Int, random: inout RandomStream) throws {
        token = Parameter(try random.normal([tokens, width]), name: "embedding.token")
        position = Parameter(try random.normal([positions, width]), name: "embedding.position")
    }

    package var parameters: [Parameter] { [token, position] }

    /// [batch, positions, width] of rows of equally many ids.
    ///
    /// The pullback adds to the tables' gradients; there is nothing before an embedding.
    package func callAsFunction(
        _ ids: [[Int]]
    ) throws -> (value: Tensor<Float>, pullback: (Tensor<Float>) throws -> Void) {
        let length = ids.first?.count ?? 0
        let width = token.value.shape[1]
        precondition(ids.allSatisfy { $0.count == length } && length <= position.value.shape[0])
        let (tokens, positions) = (token.value.array, position.value.array)
        var elements: [Float] = []
        elements.reserveCapacity(ids.count * length * width)
        for row in ids {
            for (place, id) in row.enumerated() {
                for column in 0..<width {
                    elements.append(tokens[id * width + column] + positions[place * width + column])
                }
            }
        }
        let value = try Tensor(elements, shape: [ids.count, length, width])
        return (
            value,
            { [token, position] gradient in
                precondition(gradient.shape == value.shape)
                let gradient = gradient.array
                var tokenTerm = [Float](repeating: 0, count: token.value.count)
                var positionTerm = [Float](repeating: 0, count: position.value.count)
                var index = 0
                for row in ids {
                    for (place, id) in row.enumerated() {
                        for column in 0..<width {
                            tokenTerm[id * width + column] += gradient[index]
                            positionTerm[place * width + column] += gradient[index]
                            index += 1
                        }
                    }
                }
                token.accumulate(try Tensor(tokenTerm, shape: token.value.shape))
                position.accumulate(try Tensor(positionTerm, shape: position.value.shape))
            }
        )
    }
}
