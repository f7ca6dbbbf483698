// The judge: attention over one neighbourhood in Double, by the textbook.

internal import ReferenceKernels
private import Foundation

enum PlainNeighbourhood {
    private static var softmax: PlainSoftmax<Double> { PlainSoftmax(exp: { exp($0) }) }

    /// (score - mean) / sqrt(variance + epsilon).
    static func standardised(_ scores: [Double], epsilon: Double = 0) -> [Double] {
        PlainNorm<Double>.forward(
            .layerNorm, scores, columns: scores.count, weight: nil, bias: nil, epsilon: epsilon)
    }

    /// softmax(weight · z + bias).
    static func attention(normalizing scores: [Double], weight: Double, bias: (Int) -> Double = { _ in 0 }) -> [Double]
    {
        attention(standardised(scores).enumerated().map { weight * $1 + bias($0) })
    }

    static func attention(_ scores: [Double]) -> [Double] { softmax.forward(scores) }

    /// In nats.
    static func entropy(_ p: [Double]) -> Double { p.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 } }

    static func sumOfSquares(_ p: [Double]) -> Double { p.reduce(0) { $0 + $1 * $1 } }

    /// The gradient of scores from that of weight · z.
    static func backward(_ dy: [Double], scores: [Double], weight: Double) -> [Double] {
        PlainNorm<Double>.backward(
            .layerNorm, dy.map { weight * $0 }, x: scores, columns: scores.count, weight: nil, epsilon: 0
        ).dx
    }

    /// The gradient of weight · z from that of the attention.
    static func softmaxBackward(_ dp: [Double], logits: [Double]) -> [Double] { softmax.backward(dp, x: logits) }
}
