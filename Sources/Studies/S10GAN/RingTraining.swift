internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit
private import Foundation

/// A generative adversarial net on eight Gaussians on a ring of radius 2, deviation 0.02.
///
/// Generator 2-64-64-2 with ReLU, discriminator 2-64-64-1; the non-saturating loss; Adam at 1e-3 with moments 0.5 and
/// 0.999; batches of 64 real and 64 generated samples, which the discriminator sees together.
struct RingTraining {
    static let batch = 64
    static let evaluationInterval = 100

    /// Modes after every `evaluationInterval` iterations.
    let modes: [Int]
    /// The relative standard deviation of the generator's gradient at its samples as real samples are drawn again.
    let gradientNoise: Double
    /// The leak from real samples to the logits of generated ones after training, relative to the own derivatives.
    let leak: Double

    /// The mean number of modes over the second half.
    var meanModes: Double {
        let half = modes.suffix(modes.count / 2)
        return Double(half.reduce(0, +)) / Double(half.count)
    }

    init(_ norm: DiscriminatorNorm, seed: UInt64, iterations: Int, backend: Backend) throws {
        var weights = RandomStream(seed: seed, stream: 1)
        var data = RandomStream(seed: seed, stream: 2)
        let generator = try Self.generator(random: &weights, backend: backend)
        let referenceCount = norm.hasReferenceBatch ? Self.batch : 0
        let net = try discriminator(norm, referenceCount: referenceCount, random: &weights, backend: backend)
        let reference = try Self.real(referenceCount, &data)
        let n = Self.batch

        /// Logits of the samples that follow the reference batch, and the pullback to generated ones.
        func judge(_ real: Tensor<Float>, _ fake: Tensor<Float>) throws -> Traced {
            let all = try Tensor(reference.array + real.array + fake.array, shape: [referenceCount + 2 * n, 2])
            let traced = try net(all)
            let logits = try traced.value.sliced(referenceCount..<referenceCount + 2 * n).contiguous()
            return Traced(logits) { gradient in
                let padded = [Float](repeating: 0, count: referenceCount) + gradient.array
                let back = try traced.pullback(Tensor(padded, shape: traced.value.shape))
                return try back.sliced((referenceCount + n)..<(referenceCount + 2 * n)).contiguous()
            }
        }
        let labels = try Tensor((0..<2 * n).map { Float($0 < n ? 1 : 0) }, shape: [2 * n, 1])

        /// The gradient of the generator's loss, the mean of -log sigmoid over generated samples, by these samples.
        func generatorGradient(_ real: Tensor<Float>, _ fake: Tensor<Float>) throws -> Tensor<Float> {
            let traced = try judge(real, fake)
            let logits = traced.value.array
            let gradient = (0..<2 * n).map { $0 < n ? 0 : Float(-1 / (1 + exp(Double(logits[$0]))) / Double(n)) }
            return try traced.pullback(Tensor(gradient, shape: [2 * n, 1]))
        }

        var (generatorSteps, discriminatorSteps) = (Adam(beta1: 0.5), Adam(beta1: 0.5))
        var modes: [Int] = []
        for iteration in 1...iterations {
            let fake = try generator(data.normal([n, 2])).value
            let judged = try judge(Self.real(n, &data), fake)
            _ = try judged.pullback(Loss.logistic(judged.value, target: labels).gradient)
            discriminatorSteps.step(net.parameters, rate: 1e-3)

            let generated = try generator(data.normal([n, 2]))
            _ = try generated.pullback(generatorGradient(Self.real(n, &data), generated.value))
            for parameter in net.parameters { parameter.clearGradient() }
            generatorSteps.step(generator.parameters, rate: 1e-3)
            if iteration % Self.evaluationInterval == 0 { modes.append(try Self.modes(of: generator, seed: seed)) }
        }
        self.modes = modes

        let fake = try generator(data.normal([n, 2])).value
        var gradients: [[Float]] = []
        for _ in 0..<20 { gradients.append(try generatorGradient(Self.real(n, &data), fake).array) }
        gradientNoise = Self.relativeDeviation(gradients)

        let real = try Self.real(n, &data)
        let probed = try BatchLeakageProbe(at: Tensor(real.array + fake.array, shape: [2 * n, 2])) { x in
            let all = try Tensor(reference.array + x.array, shape: [referenceCount + 2 * n, 2])
            let traced = try net(all)
            return (
                try traced.value.sliced(referenceCount..<referenceCount + 2 * n).contiguous(),
                { gradient in
                    let padded = [Float](repeating: 0, count: referenceCount) + gradient.array
                    let back = try traced.pullback(Tensor(padded, shape: traced.value.shape))
                    return try back.sliced(referenceCount..<referenceCount + 2 * n).contiguous()
                }
            )
        }
        let own = (n..<2 * n).reduce(0) { $0 + probed.norms[$1][$1] * probed.norms[$1][$1] }.squareRoot()
        leak = probed.leak(to: n..<2 * n, from: 0..<n) / own
    }

    private static func generator(random: inout RandomStream, backend: Backend) throws -> Sequential {
        Sequential(
            try ringLinear(inputs: 2, outputs: 64, name: "g0", random: &random, backend: backend), LeakyReLU(slope: 0),
            try ringLinear(inputs: 64, outputs: 64, name: "g1", random: &random, backend: backend), LeakyReLU(slope: 0),
            try ringLinear(inputs: 64, outputs: 2, name: "g2", random: &random, backend: backend))
    }

    private static let centres: [(Double, Double)] = (0..<8).map { index in
        let angle = Double(index) * Double.pi / 4
        return (2 * cos(angle), 2 * sin(angle))
    }

    private static func real(_ count: Int, _ random: inout RandomStream) throws -> Tensor<Float> {
        let samples = (0..<count).flatMap { _ in
            let centre = centres[random.index(below: 8)]
            return [Float(centre.0 + 0.02 * random.normal()), Float(centre.1 + 0.02 * random.normal())]
        }
        return try Tensor(samples, shape: [count, 2])
    }

    /// Centres that have more than 20 of 2000 samples within 0.1.
    private static func modes(of generator: Sequential, seed: UInt64) throws -> Int {
        var random = RandomStream(seed: seed, stream: 3)
        let samples = try generator(random.normal([2000, 2])).value.array
        return centres.count { centre in
            var near = 0
            for index in stride(from: 0, to: samples.count, by: 2) {
                let (dx, dy) = (Double(samples[index]) - centre.0, Double(samples[index + 1]) - centre.1)
                if dx * dx + dy * dy < 0.01 { near += 1 }
            }
            return near > 20
        }
    }

    /// sqrt(mean ‖g - mean g‖²) / ‖mean g‖; 0 if all are the same to the last bit.
    private static func relativeDeviation(_ gradients: [[Float]]) -> Double {
        if gradients.allSatisfy({ $0 == gradients[0] }) { return 0 }
        let count = Double(gradients.count)
        let mean = gradients[0].indices.map { index in gradients.reduce(0) { $0 + Double($1[index]) } / count }
        let spread = gradients.reduce(0) { sum, gradient in
            sum + zip(gradient, mean).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        }
        return (spread / count).squareRoot() / mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
}
