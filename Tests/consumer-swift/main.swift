// A package that depends on this one by version tag and uses it as anybody would.

import Foundation
import Normalization

let x = try Tensor<Float>([1, 2, 3, 4, 10, 20, 30, 40], shape: [2, 4])
let norm = try LayerNorm(featureCount: 4)
let (y, pullback) = try norm.valueWithPullback(at: x)
let reference = try layerNorm(x, weight: norm.weight, bias: norm.bias, backend: .reference)
guard y == reference else {
    print("consumer: kernels and reference differ")
    exit(EXIT_FAILURE)
}
let gradients = try pullback(y)
print("consumer: \(InstructionSet.chosen.rawValue), y[0] = \(y.array.prefix(4)), dbias = \(gradients.bias?.array ?? [])")
