// Spirals: two classes of points on two arms, and deep narrow nets that are to tell them apart.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// 512 points: radius t = 3π √u, angle t + π · class, divided by 3π, with noise of 0.01.
struct Spirals {
    static let count = 512
    let points: [Float]
    let classes: [Float]

    init(random: inout RandomStream) {
        var (points, classes): ([Float], [Float]) = ([], [])
        for index in 0..<Self.count {
            let arm = Double(index % 2)
            let t = 3 * Double.pi * random.uniform().squareRoot()
            let angle = t + Double.pi * arm
            for coordinate in [cos(angle), sin(angle)] {
                points.append(Float(t * coordinate / (3 * Double.pi) + 0.01 * random.normal()))
            }
            classes.append(Float(arm))
        }
        (self.points, self.classes) = (points, classes)
    }

    /// Random points, with replacement, and their classes.
    func batch(_ size: Int, random: inout RandomStream) throws -> (x: Tensor<Float>, target: Tensor<Float>) {
        let chosen = (0..<size).map { _ in random.index(below: Self.count) }
        return (
            try Tensor(chosen.flatMap { [points[2 * $0], points[2 * $0 + 1]] }, shape: [size, 2]),
            try Tensor(chosen.map { classes[$0] }, shape: [size, 1])
        )
    }
}

/// One training run, and what became of the loss.
struct SpiralRun: Sendable {
    enum Architecture: String, CaseIterable, Sendable {
        case plain = "plain"
        case normOnly = "LN only: LN(F(x))"
        case residual = "residual only"
        case post = "post-norm"
        case pre = "pre-norm"
    }

    static let width = 32
    static let batch = 128

    let losses: [Double]
    /// The mean of the last 20 losses.
    var final: Double { FlowCurves.mean(losses.suffix(20)) }
    var peak: Double { losses.max() ?? .nan }

    init(
        _ architecture: Architecture, depth: Int, rate: Double, steps: Int, seed: UInt64, backend: Backend
    ) throws {
        var random = RandomStream(seed: seed, stream: 23)
        let data = Spirals(random: &random)
        let net = try Self.net(architecture, depth: depth, random: &random, backend: backend)
        var optimizer = Adam()
        var batches = RandomStream(seed: seed, stream: 24)
        var losses: [Double] = []
        for _ in 0..<steps {
            let (x, target) = try data.batch(Self.batch, random: &batches)
            let output = try net(x)
            let (loss, gradient) = Loss.logistic(output.value, target: target)
            _ = try output.pullback(gradient)
            optimizer.step(net.parameters, rate: rate)
            losses.append(loss)
        }
        self.losses = losses
    }

    /// A wide ReLU layer that folds the plane, blocks, a linear readout.
    private static func net(
        _ architecture: Architecture, depth: Int, random: inout RandomStream, backend: Backend
    ) throws -> Sequential {
        let input = try Linear(inputs: 2, outputs: width, deviation: 2, random: &random, backend: backend)
        input.bias?.value = Tensor((0..<width).map { _ in Float(random.uniform(in: -3..<3)) })
        var layers: [any Layer] = [input, Activation.relu]
        for _ in 0..<depth {
            let branch = try FeedForward(width: width, hiddenWidth: width, random: &random, backend: backend)
            let block: any Layer =
                switch architecture {
                case .plain: branch
                case .normOnly: Sequential(branch, try Norm(features: width, backend: backend))
                case .residual: try ResidualBlock(branch, width: width, placement: nil, backend: backend)
                case .post: try ResidualBlock(branch, width: width, placement: .postNorm, backend: backend)
                case .pre: try ResidualBlock(branch, width: width, placement: .preNorm, backend: backend)
                }
            layers.append(block)
        }
        if architecture == .pre { layers.append(try Norm(features: width, backend: backend)) }
        layers.append(
            try Linear(
                inputs: width, outputs: 1, deviation: 1 / Double(width).squareRoot(), random: &random, backend: backend)
        )
        return Sequential(layers)
    }
}
