// Losses: a number, and its gradient.

package import Normalization
private import Foundation

package enum Loss {
    /// The mean over rows of -log softmax(logits)[label]. Rows whose label is nil do not count.
    package static func crossEntropy(
        _ logits: Tensor<Float>, labels: [Int?], backend: Backend
    ) throws -> (loss: Double, gradient: Tensor<Float>) {
        let rows = try logits.asRows()
        let classes = rows.shape[1]
        let counted = Double(max(labels.lazy.filter { $0 != nil }.count, 1))
        let logProbabilities = try logSoftmax(rows, backend: backend).array
        var gradient = try softmax(rows, backend: backend).array
        var loss = 0.0
        for (row, label) in labels.enumerated() {
            for column in 0..<classes {
                let index = row * classes + column
                guard let label else {
                    gradient[index] = 0
                    continue
                }
                if column == label {
                    loss -= Double(logProbabilities[index])
                    gradient[index] -= 1
                }
                gradient[index] = Float(Double(gradient[index]) / counted)
            }
        }
        return (loss / counted, try Tensor(gradient, shape: logits.shape))
    }

    /// The mean over all elements of (prediction - target)².
    package static func meanSquares(
        _ prediction: Tensor<Float>, target: Tensor<Float>
    ) -> (loss: Double, gradient: Tensor<Float>) {
        let difference = prediction - target
        return (difference.energy, Float(2 / Double(max(prediction.count, 1))) * difference)
    }

    /// The mean over all elements of log(1 + exp(-s x)), s = 1 for a target of 1 and -1 for one of 0: logistic
    /// regression.
    package static func logistic(
        _ logits: Tensor<Float>, target: Tensor<Float>
    ) -> (loss: Double, gradient: Tensor<Float>) {
        let count = Double(max(logits.count, 1))
        var loss = 0.0
        let gradient = logits.zip(target) { x, target in
            let x = Double(x)
            loss += max(x, 0) - x * Double(target) + log1p(exp(-abs(x)))
            return Float((1 / (1 + exp(-x)) - Double(target)) / count)
        }
        return (loss / count, gradient)
    }
}
