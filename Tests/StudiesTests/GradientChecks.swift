// Gradient checks: every pullback of TrainingKit against central differences, in float32.

import Normalization
import Testing
import TrainingKit

/// How far a layer's gradients are from central differences, relative to the largest: of its input and of each
/// parameter.
///
/// The loss is a fixed random projection of the output. Float32 differences with step h err by about 2^-24 / h + h²:
/// 1e-3 and less at h = 1e-2 for layers of some ten inputs, which is why 5e-3 is the usual bound.
func gradientError(of layer: some Layer, at x: Tensor<Float>, step: Float = 1e-2, seed: UInt64 = 7) throws -> Double {
    var random = RandomStream(seed: seed, stream: 99)
    let traced = try layer(x)
    let projection = try random.normal(traced.value.shape)
    for parameter in layer.parameters { parameter.clearGradient() }
    let inputGradient = try traced.pullback(projection)
    var worst = try worstDifference(inputGradient, at: x, step: step) { try layer($0).value.dot(projection) }
    for parameter in layer.parameters {
        let value = parameter.value
        defer { parameter.value = value }
        worst = max(
            worst,
            try worstDifference(parameter.gradient, at: value, step: step) {
                parameter.value = $0
                return try layer(x).value.dot(projection)
            })
    }
    return worst
}

private func worstDifference(
    _ gradient: Tensor<Float>, at point: Tensor<Float>, step: Float, loss: (Tensor<Float>) throws -> Double
) throws -> Double {
    let elements = point.array
    let gradients = gradient.array
    let scale = max(gradients.map { abs(Double($0)) }.max() ?? 0, 1e-3)
    var worst = 0.0
    for index in elements.indices {
        func at(_ offset: Float) throws -> (loss: Double, offset: Double) {
            var moved = elements
            moved[index] += offset
            return (try loss(Tensor(moved, shape: point.shape)), Double(moved[index]))
        }
        let (up, down) = (try at(step), try at(-step))
        worst = max(worst, abs((up.loss - down.loss) / (up.offset - down.offset) - Double(gradients[index])) / scale)
    }
    return worst
}

@Suite struct LayerGradients {
    @Test func linear() throws {
        var random = RandomStream(seed: 1)
        let layer = try Linear(inputs: 5, outputs: 4, random: &random, backend: .automatic)
        #expect(try gradientError(of: layer, at: random.normal([3, 5])) < 5e-3)
    }

    @Test(arguments: ["tanh", "gelu"]) func smoothActivations(_ name: String) throws {
        var random = RandomStream(seed: 2)
        let layer: Activation = name == "tanh" ? .tanh : .gelu
        #expect(try gradientError(of: layer, at: random.normal([3, 5])) < 5e-3)
    }

    /// Away from the kink, where differences are exact.
    @Test func leakyReLU() throws {
        let x = try Tensor<Float>([-2, -1, -0.5, 0.5, 1, 2], shape: [2, 3])
        #expect(try gradientError(of: Activation.leakyReLU(slope: 0.2), at: x) < 1e-3)
    }

    @Test func norms() throws {
        var random = RandomStream(seed: 3)
        let x = try random.normal([3, 6])
        #expect(try gradientError(of: Norm(features: 6, backend: .automatic), at: x) < 5e-3)
        #expect(try gradientError(of: Norm(.rmsNorm, features: 6, backend: .automatic), at: x) < 5e-3)
    }

    @Test func residualChain() throws {
        var random = RandomStream(seed: 4)
        let branch = Sequential(
            try Norm(features: 6, backend: .automatic),
            try Linear(inputs: 6, outputs: 6, random: &random, backend: .automatic), Activation.tanh)
        #expect(try gradientError(of: Residual(branch), at: random.normal([3, 6])) < 5e-3)
    }

    @Test func lossGradients() throws {
        var random = RandomStream(seed: 5)
        let logits = try random.normal([4, 3])
        let labels: [Int?] = [0, 2, nil, 1]
        let (_, gradient) = try Loss.crossEntropy(logits, labels: labels, backend: .automatic)
        #expect(
            try worstDifference(gradient, at: logits, step: 1e-2) {
                try Loss.crossEntropy($0, labels: labels, backend: .automatic).loss
            } < 5e-3)
        let target = try Tensor<Float>((0..<12).map { Float($0 % 2) }, shape: [4, 3])
        #expect(
            try worstDifference(Loss.logistic(logits, target: target).gradient, at: logits, step: 1e-2) {
                Loss.logistic($0, target: target).loss
            } < 5e-3)
        #expect(
            try worstDifference(Loss.meanSquares(logits, target: target).gradient, at: logits, step: 1e-2) {
                Loss.meanSquares($0, target: target).loss
            } < 5e-3)
    }
}
