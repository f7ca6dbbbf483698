internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit

/// The leak of whole discriminators at their start, seen by probes, on the package's kernels.
struct BatchLeak {
    private static let half = 16

    private let backend: Backend
    private let batch: Tensor<Float>

    init(backend: Backend) throws {
        self.backend = backend
        var random = RandomStream(seed: 2, stream: 10)
        batch = try random.normal([2 * Self.half, 2])
    }

    private func probe(_ norm: DiscriminatorNorm) throws -> BatchLeakageProbe {
        var random = RandomStream(seed: 3, stream: 10)
        let net = try discriminator(norm, random: &random, backend: backend)
        return try BatchLeakageProbe(at: batch) { x in
            let traced = try net(x)
            return (traced.value, traced.pullback)
        }
    }

    /// LayerNorm whose mean takes in 1/1000 of the next sample's mean.
    private func probeOfCoupledLayerNorm() throws -> BatchLeakageProbe {
        let backend = backend
        return try BatchLeakageProbe(at: batch) { x in
            let rows = x.shape[0]
            func shifted(_ x: Tensor<Float>, by step: Int) throws -> Tensor<Float> {
                let array = x.array
                return try Tensor(
                    (0..<array.count).map { array[$0] + 0.001 * array[($0 + (rows + step) * 2) % array.count] },
                    shape: x.shape)
            }
            let mixed = try shifted(x, by: 1)
            let (_, statistics) = try layerNormWithStatistics(mixed, epsilon: 0.1, backend: backend)
            return (
                try Tensor(repeating: 0, shape: [rows]),
                { gradient in
                    let ones = try Tensor(gradient.array.flatMap { [$0, 0.5 * $0] }, shape: x.shape)
                    let back = try layerNormBackward(ones, x: mixed, statistics: statistics, backend: backend).input
                    return try shifted(back, by: -1)
                }
            )
        }
    }

    func checks() throws -> [Check] {
        [
            try layerNormHasNone(), try batchNormHasOne(), try kernelsAgree(), try inferenceHasNone(),
            try sumOfResults(), try doubleBackward(), try virtualBackward(),
        ]
    }

    private func layerNormHasNone() throws -> Check {
        Check(
            .exact,
            "The probe finds none of 32 · 31 derivatives of one sample's logit by another sample in a discriminator "
                + "with LayerNorm: all are exactly 0.",
            .equal(0), observed: Double(try probe(.layerNorm).leakCount),
            mutant: (
                "LayerNorm on samples that contain 0.1 % of their neighbour",
                Double(try probeOfCoupledLayerNorm().leakCount)
            ))
    }

    private func batchNormHasOne() throws -> Check {
        Check(
            .exact, "With BatchNorm over the joint batch all 32 · 31 of them are there.", .equal(32 * 31),
            observed: Double(try probe(.joint).leakCount),
            mutant: ("separate batches of 16, which have 2 · 16 · 15", Double(try probe(.perSource).leakCount)))
    }

    /// Float32: 32 terms of size 1 with errors of 2^-24 each, divided by a deviation near 1.
    private func kernelsAgree() throws -> Check {
        let (channel, z) = try oneChannel()
        func deviation(_ formula: (Int, Int) -> Double) -> Double {
            channel.norms.enumerated().flatMap { i, row in row.enumerated().map { abs($1 - abs(formula(i, $0))) } }
                .max() ?? 0
        }
        let mean = z.reduce(0, +) / 32
        let s = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 32 + 1e-5).squareRoot()
        let x = z.map { ($0 - mean) / s }
        return Check(
            .exact, "The probe of one channel on the float32 kernels gives |δ_ij - (1 + x̂_i x̂_j)/N|/s to 1e-6.",
            .atMost(1e-6),
            observed: deviation { (($0 == $1 ? 1 : 0) - (1 + x[$0] * x[$1]) / 32) / s },
            mutant: ("the derivative of the variance is forgotten", deviation { (($0 == $1 ? 1 : 0) - 1.0 / 32) / s }))
    }

    private func oneChannel() throws -> (BatchLeakageProbe, [Double]) {
        let backend = backend
        let z = try Tensor((0..<32).map { batch[$0, 0] }, shape: [32, 1])
        let probe = try BatchLeakageProbe(at: z) { x in
            let (y, statistics) = try channelNormWithStatistics(x, over: .batch(), backend: backend)
            return (y, { try channelNormBackward($0, x: x, statistics: statistics, backend: backend).input })
        }
        return (probe, z.array.map { Double($0) })
    }

    /// A trap: running statistics hide the leak.
    private func inferenceHasNone() throws -> Check {
        var norm = try BatchNorm(channelCount: 2, backend: backend)
        let trained = try norm.train(batch)
        let (weight, running, backend) = (norm.weight, norm.running.moments, backend)
        let inference = try BatchLeakageProbe(at: batch) { x in
            let (y, statistics) = try channelNormWithStatistics(x, over: .batch(.reference(running)), backend: backend)
            return (
                try y.sliced(0..<1, axis: 1).contiguous(),
                {
                    let wide = try Tensor($0.array.flatMap { [$0, 0] }, shape: x.shape)
                    return try channelNormBackward(wide, x: x, weight: weight, statistics: statistics, backend: backend)
                        .input
                }
            )
        }
        let training = try BatchLeakageProbe(at: batch) { x in
            (
                try trained.value.sliced(0..<1, axis: 1).contiguous(),
                { try trained.pullback(Tensor($0.array.flatMap { [$0, 0] }, shape: x.shape)).input }
            )
        }
        return Check(
            .exact,
            "A BatchNorm that normalizes by its running statistics leaks nothing, so a probe of a net at inference "
                + "shows nothing about its training.",
            .equal(0), observed: Double(inference.leakCount),
            mutant: ("the same layer in training", Double(training.leakCount)))
    }

    /// ∇ Σ_i D(x_i) against the samples' own gradients.
    private func sumOfResults() throws -> Check {
        func ratio(_ norm: Critic.Layer) throws -> Double {
            var random = RandomStream(seed: 5, stream: 10)
            let critic = Critic([
                .linear(weight: try random.normal([64, 2]), bias: nil), norm,
                .linear(weight: try random.normal([1, 64], deviation: 0.2), bias: nil),
            ])
            let (_, pullback) = try critic(batch, backend: backend)
            let ofSum = try pullback(Tensor(repeating: 1, shape: [32, 1])).input.energy.squareRoot()
            let own = try BatchLeakageProbe(at: batch) { x in
                let (value, pullback) = try critic(x, backend: backend)
                return (value, { try pullback($0).input })
            }
            return ofSum / ((0..<32).reduce(0) { $0 + own.norms[$1][$1] } / 32)
        }
        return Check(
            .exact,
            "With BatchNorm before a linear head the gradient of the sum of all results is 0, below 1e-5 of the "
                + "samples' own gradients in float32: the usual code of a gradient penalty measures nothing.",
            .atMost(1e-5), observed: try ratio(.batchNorm(weight: nil, bias: nil)),
            mutant: ("LayerNorm", try ratio(.layerNorm(weight: nil, bias: nil))))
    }

    /// The penalty's gradient along a random direction of the parameters, against a central difference.
    private func doubleBackward() throws -> Check {
        var random = RandomStream(seed: 6, stream: 10)
        let weights = try [random.normal([16, 2], deviation: 0.7), random.normal([1, 16], deviation: 0.5)]
        let directions = try [random.normal([16, 2], deviation: 0.2), random.normal([1, 16], deviation: 0.2)]
        let backend = backend
        func penalty(_ step: Float) throws -> GradientNormPenalty {
            let moved = zip(weights, directions).map { $0 + step * $1 }
            let critic = Critic([
                .linear(weight: moved[0], bias: nil), .layerNorm(weight: nil, bias: nil, epsilon: 0.1),
                .leakyReLU(slope: 0.2), .linear(weight: moved[1], bias: nil),
            ])
            return try gradientNormPenalty(of: critic, at: batch, backend: backend)
        }
        let here = try penalty(0)
        let slope = here.gradients[0].weight!.dot(directions[0]) + here.gradients[3].weight!.dot(directions[1])
        let difference = (try penalty(0x1p-9).value - penalty(-0x1p-9).value) / 0x1p-8
        let constantStatistics = try slopeWithConstantStatistics(weights, directions)
        return Check(
            .exact,
            "The gradient of the penalty of a critic with LayerNorm, by the double backward kernel, is that of a "
                + "central difference to 1 %.",
            .atMost(0.01), observed: abs(slope / difference - 1),
            mutant: ("LayerNorm's statistics taken as constants", abs(constantStatistics / difference - 1)))
    }

    /// Float32: a difference over 2^-6 of a sum of 64 terms of size 1 errs by 1e-5; its curvature adds as much.
    private func virtualBackward() throws -> Check {
        var random = RandomStream(seed: 7, stream: 10)
        let norm = try DiscriminatorBatchNorm(
            .reference, channels: 2, referenceCount: Self.half, name: "norm", backend: backend)
        let (direction, projection) = try (random.normal(batch.shape), random.normal(batch.shape))
        let gradient = try norm(batch).pullback(projection)
        func value(_ step: Float) throws -> Double { try norm(batch + step * direction).value.dot(projection) }
        let difference = (try value(0x1p-7) - value(-0x1p-7)) / 0x1p-6
        let ofSamples = zip(gradient.array, direction.array).dropFirst(2 * Self.half)
            .reduce(0) { $0 + Double($1.0) * Double($1.1) }
        return Check(
            .exact,
            "The gradient of virtual BatchNorm goes through the moments of its reference batch, and is that of a "
                + "central difference to 0.1 %.",
            .atMost(1e-3), observed: abs(gradient.dot(direction) / difference - 1),
            mutant: ("the reference batch taken as constant", abs(ofSamples / difference - 1)))
    }

    /// The same critic with each row's 1/s as a constant factor and without the terms of mean and variance.
    private func slopeWithConstantStatistics(_ weights: [Tensor<Float>], _ directions: [Tensor<Float>]) throws -> Double
    {
        let z = try matmul(batch, weights[0].transposed(0, 1), backend: backend)
        let (y, statistics) = try layerNormWithStatistics(z, epsilon: 0.1, backend: backend)
        let rstd = statistics.reciprocalDeviation.array
        var slope = 0.0
        for i in 0..<32 {
            // g = W1ᵀ (rstd · mask · w2)
            let factors = (0..<16).map { Double(rstd[i]) * (y[i, $0] > 0 ? 1 : 0.2) }
            func gradient(_ w1: Tensor<Float>, _ w2: Tensor<Float>) -> [Double] {
                (0..<2).map { c in (0..<16).reduce(0) { $0 + factors[$1] * Double(w2[0, $1]) * Double(w1[$1, c]) } }
            }
            let g = gradient(weights[0], weights[1])
            let d = zip(gradient(directions[0], weights[1]), gradient(weights[0], directions[1])).map { $0 + $1 }
            let norm = (g[0] * g[0] + g[1] * g[1]).squareRoot()
            slope += 2 * (norm - 1) * (g[0] * d[0] + g[1] * d[1]) / norm / 32
        }
        return slope
    }

    func figure(_ noise: [OneChannel.Noise]) throws -> Figure {
        let labels = (0..<2 * Self.half).map { $0 < Self.half ? "real \($0)" : "fake \($0 - Self.half)" }
        let (joint, layer) = (try probe(.joint), try probe(.layerNorm))
        // Own derivatives are larger and would leave the leak without colour.
        let range = 0...joint.largestLeak
        func panel(_ title: String, _ values: [[Double]]) -> Panel {
            Panel(
                title, .heatMap(rows: labels, columns: labels, values: values, range: range, legend: "‖∂logit_i/∂x_j‖"))
        }
        return Figure(
            caption:
                "How each logit (row) depends on each sample (column) in a discriminator at its start; full colour is "
                    + "the largest leak or more, as on the diagonal. Then the noise that real samples put into one "
                    + "generated sample's gradient through BatchNorm.",
            panels: [
                panel("BatchNorm, joint batch", joint.norms), panel("LayerNorm", layer.norms),
                Panel(
                    "Gradient noise",
                    .curves(
                        x: Axis("samples in the batch, N", log: true),
                        y: Axis("relative standard deviation", log: true),
                        series: [
                            Series("one channel", noise.map { (Double($0.batch), $0.measured) }, .points),
                            Series("1/(2 sqrt(N))", noise.map { (Double($0.batch), $0.law) }, .theory),
                        ])),
            ])
    }
}
