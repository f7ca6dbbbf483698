// DepthLaws: energies of activations and gradients, block by block, in seven kinds of nets, beside mean-field theory.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit

/// Nets of 256 features with random weights, all kinds from the same matrices.
struct DepthLaws {
    static let width = 256
    static let samples = 32
    static let batchNormSamples = 128
    /// Of BatchNorm's layers: its batch begins as normal numbers, and needs some layers to become what theory speaks
    /// of.
    static let firstStationaryLayer = 5

    let depth: Int
    let gain: Double
    private let curves: [MeanFieldPrediction.Network: FlowCurves]
    private let smallBatch, criticalPlain, wideBranch: FlowCurves
    /// Post-norm with branches eight times as strong, so that the residual path hardly counts.
    let drownedPost: FlowCurves

    static let networks: [(network: MeanFieldPrediction.Network, name: String)] = [
        (.plain, "plain: F(x)"), (.residual(nil), "residual: x + F(x)"),
        (.normOfPreActivations, "LN only: LN(W relu(x))"), (.normOfActivations, "LN after relu: LN(relu(W x))"),
        (.batchNormOfPreActivations, "BN: BN(W relu(x)), batch 128"), (.residual(.postNorm), "post-norm: LN(x + F(x))"),
        (.residual(.preNorm), "pre-norm: x + F(LN(x))"),
    ]

    init(depth: Int, seeds: [UInt64], backend: Backend) throws {
        self.depth = depth
        gain = try MeanFieldPrediction.branchGain(width: Self.width, hiddenWidth: Self.width)
        var probes: [MeanFieldPrediction.Network: [GradientFlowProbe]] = [:]
        var (small, critical, wide, drowned) = (
            [GradientFlowProbe](), [GradientFlowProbe](), [GradientFlowProbe](), [GradientFlowProbe]()
        )
        for seed in seeds {
            func probe(
                _ net: MeanFieldNet, _ network: MeanFieldPrediction.Network, _ samples: Int
            ) throws -> GradientFlowProbe {
                try MeanFieldNet.probe(try net.blocks(network), width: Self.width, samples: samples, seed: seed)
            }
            let net = try MeanFieldNet(
                width: Self.width, hiddenWidth: Self.width, depth: depth, seed: seed, backend: backend)
            for (network, _) in Self.networks {
                let samples = network == .batchNormOfPreActivations ? Self.batchNormSamples : Self.samples
                probes[network, default: []].append(try probe(net, network, samples))
            }
            small.append(try probe(net, .batchNormOfPreActivations, 8))
            critical.append(try probe(net.scaled(by: 2.0.squareRoot()), .plain, Self.samples))
            drowned.append(try probe(net.scaled(by: 8), .residual(.postNorm), Self.samples))
            let wideNet = try MeanFieldNet(
                width: Self.width, hiddenWidth: 4 * Self.width, depth: min(depth, 8), seed: seed, backend: backend)
            wide.append(try probe(wideNet, .residual(nil), Self.samples))
        }
        curves = probes.mapValues(FlowCurves.init)
        (smallBatch, criticalPlain) = (FlowCurves(probes: small), FlowCurves(probes: critical))
        (wideBranch, drownedPost) = (FlowCurves(probes: wide), FlowCurves(probes: drowned))
    }

    func curves(_ network: MeanFieldPrediction.Network) -> FlowCurves { curves[network] ?? FlowCurves(probes: []) }
}

extension DepthLaws {
    func checks() throws -> [Check] {
        let plain = curves(.plain)
        let residual = curves(.residual(nil))
        let post = curves(.residual(.postNorm))
        let pre = curves(.residual(.preNorm))
        let batchNorm = curves(.batchNormOfPreActivations)
        let afterReLU = curves(.normOfActivations)
        let lnOnly = curves(.normOfPreActivations)
        let exploding = Double.pi / (Double.pi - 1)
        let first = Self.firstStationaryLayer
        return [
            Check(
                .law,
                "A plain ReLU net under Xavier's initialisation loses half of its energy in each block: 0.5 up to 5 %.",
                .relative(gain, 0.05), observed: plain.activationFactor(),
                mutant: ("weights of twice the variance product, κ = 1 (He)", criticalPlain.activationFactor())),
            Check(
                .law, "So does its gradient on the way back: 0.5 a block up to 5 %.",
                .relative(gain, 0.05), observed: plain.gradientFactor(),
                mutant: ("weights of twice the variance product, κ = 1 (He)", criticalPlain.gradientFactor())),
            Check(
                .law, "With He's gain, κ = 1, a plain ReLU net keeps its energy: 1 a block up to 5 %.",
                .relative(1, 0.05), observed: criticalPlain.activationFactor(),
                mutant: ("Xavier's gain", plain.activationFactor())),
            Check(
                .law, "Residual blocks without a norm multiply the energy by 1 + κ = 1.5 each, up to 3 %.",
                .relative(1 + gain, 0.03), observed: residual.activationFactor(),
                mutant: ("a branch four times as wide inside, κ = 0.32", wideBranch.activationFactor())),
            Check(
                .law, "They multiply the gradient by 1 + κ = 1.5 each on the way back, up to 3 %.",
                .relative(1 + gain, 0.03), observed: residual.gradientFactor(),
                mutant: ("a branch four times as wide inside, κ = 0.32", wideBranch.gradientFactor())),
            Check(
                .law,
                "LayerNorm of pre-activations alone, without a residual path, keeps the gradient: 1 a block up to 3 %.",
                .relative(1, 0.03), observed: lnOnly.gradientFactor(),
                mutant: ("LayerNorm behind the ReLU", afterReLU.gradientFactor())),
            Check(
                .law, "LayerNorm behind the ReLU multiplies it by π/(π - 1) = 1.467 a block, up to 5 %.",
                .relative(exploding, 0.05), observed: afterReLU.gradientFactor(),
                mutant: ("LayerNorm before the ReLU", lnOnly.gradientFactor())),
            Check(
                .law,
                "BatchNorm without residual paths multiplies the gradient by π/(π - 1) = 1.467 a block, up to 0.045.",
                .within(expected: exploding, tolerance: 0.045), observed: batchNorm.gradientFactor(from: first),
                mutant: ("a batch of 8 instead of 128", smallBatch.gradientFactor(from: first))),
            Check(
                .law, "Post-norm keeps the gradient: 1 a block up to 3 %.",
                .relative(1, 0.03), observed: post.gradientFactor(),
                mutant: ("no norm", residual.gradientFactor())),
            Check(
                .law, "Pre-norm adds κ to the energy in each block: what is added in all is κ L up to 8 %.",
                .relative(1, 0.08), observed: (pre.activationEnergies()[depth] - 1) / (gain * Double(depth)),
                mutant: ("post-norm", (post.activationEnergies()[depth] - 1) / (gain * Double(depth)))),
            Check(
                .law,
                "Under pre-norm the gradient's energy before block l times 1 + κ l is the same for all l, up to 15 %.",
                .atMost(0.15), observed: spreadOfScaledGradients(pre),
                mutant: ("post-norm", spreadOfScaledGradients(post))),
            try alarmCheck(pre),
        ]
    }

    /// How far g(l) (1 + κ l) is from its mean over layers, at most.
    private func spreadOfScaledGradients(_ curves: FlowCurves) -> Double {
        let scaled = curves.gradientEnergies().enumerated().map { $1 * (1 + gain * Double($0)) }
        let mean = FlowCurves.mean(scaled)
        return scaled.map { abs($0 / mean - 1) }.max() ?? .infinity
    }

    private func alarmCheck(_ pre: FlowCurves) throws -> Check {
        let own = try MeanFieldPrediction(branchGain: gain, placement: .preNorm)
        let other = try MeanFieldPrediction(branchGain: gain, placement: .postNorm)
        func alarms(_ prediction: MeanFieldPrediction) -> Double {
            Double(pre.probes.reduce(0) { $0 + $1.alarms(against: prediction).count })
        }
        return Check(
            .law,
            "No block of a healthy pre-norm net is outside 0.8 ... 1.25 of its predicted factors, though the first "
                + "factor itself is 1.5.", .equal(0), observed: alarms(own),
            mutant: ("the same net judged by post-norm's prediction", alarms(other)))
    }

    func table() throws -> Table {
        let rows = try Self.networks.map { network, name in
            let theory = try MeanFieldPrediction(branchGain: gain, network: network)
            let measured = curves(network)
            let first = network == .batchNormOfPreActivations ? Self.firstStationaryLayer : 0
            return [
                name, TableCell.significant(measured.activationFactor(from: first)),
                TableCell.significant(pow(theory.activationEnergy(layer: depth), 1 / Double(depth))),
                TableCell.significant(measured.gradientFactor(from: first)),
                TableCell.significant(
                    pow(theory.gradientEnergy(layer: first, depth: depth), 1 / Double(depth - first))),
            ]
        }
        return Table(
            "Factor of energy a block: geometric mean over \(depth) blocks of \(Self.width) features, "
                + "\(curves(.plain).probes.count) seeds",
            columns: ["network", "forward", "theory", "backward", "theory"], rows: rows)
    }

    func panel() throws -> Panel {
        var series: [Series] = []
        for (network, name) in Self.networks {
            let energies = curves(network).gradientEnergies()
            series.append(Series(name, energies.enumerated().map { (Double($0), $1 / energies[depth]) }))
            let theory = try MeanFieldPrediction(branchGain: gain, network: network)
            let points = (0...depth).map { (Double($0), theory.gradientEnergy(layer: $0, depth: depth)) }
            series.append(Series("theory of " + name, points, .theory))
        }
        return Panel(
            "Gradient over depth",
            .curves(
                x: Axis("block"), y: Axis("energy of the gradient, that behind the last block = 1", log: true),
                series: series))
    }
}
